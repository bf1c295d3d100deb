"""Times PyTorch's layers with random weights of full size, one precision at a time, and prints JSON.

    python torch_measure.py --dtype bf16 --threads 2
    python torch_measure.py --bandwidth --threads 2

Every stage is the best of several runs. The decoder is built after the towers are freed, and no two
precisions are alive together. f32 weights of 32 layers are 15 GB: f32 builds fewer layers and scales
their time linearly (they are equal in shape, and each has its own memory); the JSON says so.
"""

import argparse
import json
import os
import resource
import sys
import time

# Read when torch loads, so it has to be set before.
if "--threads" in sys.argv:
    os.environ["OMP_NUM_THREADS"] = sys.argv[sys.argv.index("--threads") + 1]

import torch

import torch_layers as layers

# bos, 256 image tokens, and a question of six.
POSITIONS = 263
ATTENTION = {"fused": layers.fused, "fused in f32": layers.fused_in_f32, "eager": layers.eager}


def say(text):
    print(text, file=sys.stderr, flush=True)


def timed(job):
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def best(repeats, job):
    """The shortest of some runs in seconds, after one that warms up; short jobs run for a second."""
    job()
    taken = [timed(job) for _ in range(repeats)]
    while sum(taken) < 1:
        taken.append(timed(job))
    return min(taken)


def faster(name, repeats, job):
    """`job(attend)` gives seconds. Tries every attention once, warm, then repeats the quickest."""
    taken = {}
    for key, attend in ATTENTION.items():
        job(attend)
        taken[key] = job(attend)
    choice = min(taken, key=taken.get)
    least = min(taken[choice], *(job(ATTENTION[choice]) for _ in range(repeats)))
    say(f"  {name}: {least:.3f} s with {choice} attention; once each: "
        + ", ".join(f"{key} {t:.3f} s" for key, t in taken.items()))
    return least, choice


def towers(sizes, dtype, repeats):
    stages, chosen = {}, {}
    image = torch.rand(1, 1, *sizes.image).to(dtype)
    vit = layers.random_module(lambda: layers.Vit(sizes, True), dtype)
    stages["vit_s"], chosen["vit"] = faster(
        "ViT encoder", repeats, lambda attend: timed(lambda: vit(image, attend))
    )
    features = vit(image, ATTENTION[chosen["vit"]]).clone()
    projector = layers.random_module(lambda: layers.Projector(sizes), dtype)
    stages["projector_s"] = best(repeats, lambda: projector(features))
    segvol = layers.random_module(lambda: layers.SegVol(sizes), dtype)
    prompt = torch.randn(1, sizes.seg_width).to(dtype)
    stages["mask_decoder_s"] = best(repeats, lambda: segvol(features, prompt))
    say(f"  mask decoder: {stages['mask_decoder_s']:.3f} s")
    return stages, chosen


def language(sizes, dtype, count, tokens, repeats):
    """Prefill and decoding. `count` layers are built; their time is scaled to `sizes.layers`."""
    decoder = layers.random_module(lambda: layers.Decoder(sizes, count), dtype)
    scale = sizes.layers / count
    length = POSITIONS + tokens + 1
    tables = layers.rotary_tables(sizes, length)
    cache = layers.KvCache(sizes, length, dtype, layers=count)
    x = (torch.randn(1, POSITIONS, sizes.hidden) * 0.5).to(dtype)
    last = [None]

    def prefill(attend):
        cache.length = 0
        last[0] = decoder.hidden(x, cache, tables, attend)[:, -1:]

    body, choice = faster(
        f"prefill, {count} layers", repeats, lambda attend: timed(lambda: prefill(attend))
    )
    # Only the last position's logits are wanted; the published code computes all 263.
    head = best(repeats, lambda: decoder.lm_head(last[0]).argmax())
    chosen = {"prefill": choice}
    stages = {"prefill_s": body * scale + head}

    def decode(attend):
        """Seconds for one token: the layers scaled to all, and the head."""
        cache.length = POSITIONS
        in_layers, in_head = 0.0, 0.0
        token = torch.zeros((), dtype=torch.long)
        for _ in range(tokens):
            start = time.perf_counter()
            hidden = decoder.hidden(decoder.embed_tokens(token.view(1, 1)), cache, tables, attend)
            middle = time.perf_counter()
            token = decoder.lm_head(hidden)[0, -1].argmax()
            in_layers += middle - start
            in_head += time.perf_counter() - middle
        return (in_layers * scale + in_head) / tokens

    per_token, chosen["decode"] = faster("one token", repeats, decode)
    stages["decode_tokens_per_s"] = 1 / per_token
    return stages, chosen


def bandwidth(threads):
    """Bytes read per second: the best of three ways to read 1 GiB that no cache holds."""
    memory = torch.ones(2**28)
    matrix, row = memory.view(-1, 4096), torch.ones(4096)
    ways = {
        "sum": lambda: memory.sum(),
        "largest": lambda: memory.max(),
        "matrix times vector": lambda: matrix @ row,
    }
    found = {name: 4 * memory.numel() / best(5, job) / 1e9 for name, job in ways.items()}
    say("  " + ", ".join(f"{name} {rate:.1f} GB/s" for name, rate in found.items()))
    return {"threads": threads, "read_gb_per_s": max(found.values()), "ways": found}


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="bf16")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--layers", type=int, help="decoder layers to build; 8 in f32, else all 32")
    parser.add_argument("--tokens", type=int, default=8, help="tokens to decode in each run")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--bandwidth", action="store_true", help="measure only the memory")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.bandwidth:
        print(json.dumps(bandwidth(args.threads)))
        return

    sizes = layers.Sizes()
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[args.dtype]
    count = args.layers or (8 if args.dtype == "f32" else sizes.layers)
    say(f"PyTorch {torch.__version__}, {args.dtype}, {args.threads} threads")
    stages, chosen = towers(sizes, dtype, args.repeats)
    spoken, more = language(sizes, dtype, count, args.tokens, args.repeats)
    stages.update(spoken)
    first = stages["vit_s"] + stages["projector_s"] + stages["prefill_s"]
    # The published code keeps nothing between questions: a second one costs what the first did.
    stages.update(first_question_s=first, follow_up_first_token_s=first)
    report = {
        "torch": torch.__version__,
        "dtype": args.dtype,
        "threads": args.threads,
        "decoder_layers_built": count,
        "attention": {**chosen, **more},
        "peak_rss_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "stages": stages,
    }
    print(json.dumps(report))


main()
