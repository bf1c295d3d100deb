"""Times llama.cpp on the decoder alone, through its Python package, and prints JSON.

    python llama_measure.py MODEL.gguf --threads 2

Prefill is 263 tokens in one batch with the logits of the last only; decoding goes on behind it, one
token at a time, the likeliest each. Both are the best of several runs.
"""

import argparse
import ctypes
import json
import os
import resource
import sys
import time

import llama_cpp
import numpy as np

POSITIONS = 263


def fill(batch, tokens, start):
    batch.n_tokens = len(tokens)
    for i, token in enumerate(tokens):
        batch.token[i] = token
        batch.pos[i] = start + i
        batch.n_seq_id[i] = 1
        batch.seq_id[i][0] = 0
        batch.logits[i] = i == len(tokens) - 1


@llama_cpp.llama_log_callback
def errors_only(level, text, _):
    # 4 is GGML_LOG_LEVEL_ERROR.
    if level == 4:
        sys.stderr.write(text.decode("utf-8", "replace"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--tokens", type=int, default=16, help="tokens to decode in each run")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--verbose", action="store_true", help="let llama.cpp log")
    args = parser.parse_args()
    if not args.verbose:
        llama_cpp.llama_log_set(errors_only, ctypes.c_void_p(0))

    llama_cpp.llama_backend_init()
    settings = llama_cpp.llama_model_default_params()
    settings.n_gpu_layers = 0
    model = llama_cpp.llama_model_load_from_file(args.model.encode(), settings)
    if not model:
        sys.exit(f"llama.cpp did not load {args.model}; --verbose says why")
    settings = llama_cpp.llama_context_default_params()
    settings.n_ctx = 512
    settings.n_threads = settings.n_threads_batch = args.threads
    context = llama_cpp.llama_init_from_model(model, settings)
    if not context:
        sys.exit("llama.cpp made no context; --verbose says why")
    vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    memory = llama_cpp.llama_get_memory(context)
    batch = llama_cpp.llama_batch_init(512, 0, 1)
    prompt = np.random.default_rng(1).integers(3, vocabulary, POSITIONS).tolist()

    def decode(tokens, start):
        fill(batch, tokens, start)
        code = llama_cpp.llama_decode(context, batch)
        if code:
            sys.exit(f"llama_decode failed with {code}")
        logits = llama_cpp.llama_get_logits_ith(context, -1)
        return int(np.ctypeslib.as_array(logits, (vocabulary,)).argmax())

    decode(prompt[:8], 0)
    prefill, per_token = [], []
    for _ in range(args.repeats):
        llama_cpp.llama_memory_clear(memory, False)
        start = time.perf_counter()
        token = decode(prompt, 0)
        prefill.append(time.perf_counter() - start)
        start = time.perf_counter()
        for step in range(args.tokens):
            token = decode([token], POSITIONS + step)
        per_token.append((time.perf_counter() - start) / args.tokens)
    print(
        "  prefill " + ", ".join(f"{t:.3f} s" for t in prefill) + "; decode "
        + ", ".join(f"{1 / t:.2f} tokens/s" for t in per_token),
        file=sys.stderr,
    )
    report = {
        "llama_cpp_python": llama_cpp.__version__,
        "system": llama_cpp.llama_print_system_info().decode().strip(),
        "threads": args.threads,
        "model_gb": llama_cpp.llama_model_size(model) / 1e9,
        "parameters": llama_cpp.llama_model_n_params(model),
        "peak_rss_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "stages": {"prefill_s": min(prefill), "decode_tokens_per_s": 1 / min(per_token)},
    }
    print(json.dumps(report))


main()
