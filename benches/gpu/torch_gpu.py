"""PyTorch's decoder on an NVIDIA GPU in bf16 with random weights of full size, and the GPU's memory
bandwidth. Prints one JSON object.

    python torch_gpu.py [--tokens 64]

Decoding is timed as PyTorch runs it from Python, and once more as a recorded CUDA graph, which spares
the launches: the faster is the figure to be held against.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "compare"))
import torch_layers as layers

POSITIONS = 263
DEVICE = "cuda"


def best(repeats, job):
    """The shortest of some runs in seconds, the GPU's queue emptied before and after."""
    job()
    taken = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        job()
        torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return min(taken)


def copy_rate():
    """Bytes read and written per second by a copy on the device, in GB/s."""
    free, _ = torch.cuda.mem_get_info()
    size = min(4 << 30, free // 4)
    source = torch.empty(size, dtype=torch.uint8, device=DEVICE).random_(0, 255)
    target = torch.empty_like(source)
    return 2 * size / best(10, lambda: target.copy_(source)) / 1e9


def decode_rates(sizes, tokens, repeats):
    """Tokens per second (from Python, as a graph) behind a prefill, and the prefill's seconds."""
    decoder = layers.random_module(lambda: layers.Decoder(sizes), torch.bfloat16, DEVICE)
    length = POSITIONS + tokens + 1
    tables = layers.rotary_tables(sizes, length, DEVICE)
    cache = layers.KvCache(sizes, length, torch.bfloat16, DEVICE)
    x = torch.randn(1, POSITIONS, sizes.hidden, device=DEVICE).to(torch.bfloat16) * 0.5

    def prefill():
        cache.length = 0
        decoder.lm_head(decoder.hidden(x, cache, tables)[:, -1:]).argmax()

    found = {"prefill_s": best(repeats, prefill)}
    token = torch.zeros(1, 1, dtype=torch.long, device=DEVICE)

    def from_python():
        cache.length = POSITIONS
        step = token
        for _ in range(tokens):
            hidden = decoder.hidden(decoder.embed_tokens(step), cache, tables)
            step = decoder.lm_head(hidden)[:, -1].argmax(-1, keepdim=True)
            step.item()  # a caller prints it and asks whether it ends the answer

    found["decode_tokens_per_s_python"] = tokens / best(repeats, from_python)

    position = torch.full((1,), POSITIONS, dtype=torch.long, device=DEVICE)

    def one():
        hidden = decoder.hidden_at(decoder.embed_tokens(token), position, cache, tables)
        token.copy_(decoder.lm_head(hidden)[:, -1].argmax(-1, keepdim=True))
        position.add_(1)

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            one()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        one()

    def replayed():
        position.fill_(POSITIONS)
        for _ in range(tokens):
            graph.replay()
            token.item()

    found["decode_tokens_per_s_graph"] = tokens / best(repeats, replayed)
    return found


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("this PyTorch sees no GPU")
    sizes = layers.Sizes()
    report = {
        "gpu": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "copy_gb_per_s": copy_rate(),
    }
    image = torch.rand(1, 1, *sizes.image, device=DEVICE).to(torch.bfloat16)
    vit = layers.random_module(lambda: layers.Vit(sizes, True), torch.bfloat16, DEVICE)
    stages = {"vit_s": best(args.repeats, lambda: vit(image))}
    del vit
    segvol = layers.random_module(lambda: layers.SegVol(sizes), torch.bfloat16, DEVICE)
    features = torch.randn(1, 2048, sizes.seg_width, device=DEVICE).to(torch.bfloat16)
    stages["mask_decoder_s"] = best(args.repeats, lambda: segvol(features, features[:, 0]))
    del segvol
    stages.update(decode_rates(sizes, args.tokens, args.repeats))
    report["stages"] = stages
    print(json.dumps(report))


main()
