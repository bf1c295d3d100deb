"""Writes a GGUF of Phi-3 mini's shape with random blocks, for llama.cpp to run. No download.

    python random_gguf.py OUT.gguf --quant q4_k|q8_0

Every matrix is of the one type, embeddings and head included, as in the viewer's own files. Speed
does not depend on the values, so the blocks' bytes are random and only their scales are kept sane:
one layer's bytes are made, and written out 32 times.
"""

import argparse

import gguf
import numpy as np

HIDDEN, LAYERS, HEADS, INTERMEDIATE, VOCABULARY = 3072, 32, 32, 8192, 32015
TYPES = {"q4_k": gguf.GGMLQuantizationType.Q4_K, "q8_0": gguf.GGMLQuantizationType.Q8_0}


def q8_0(rng, rows, columns):
    """Blocks of 32: an f16 scale and 32 signed bytes."""
    blocks = rng.integers(0, 256, (rows, columns // 32, 34), dtype=np.uint8)
    blocks[..., :2] = np.frombuffer(np.float16(2.7e-4).tobytes(), np.uint8)
    return blocks.reshape(rows, -1)


def q4_k(rng, rows, columns):
    """Blocks of 256: f16 scales of scales and of minima, 12 bytes of those, 128 bytes of nibbles."""
    blocks = rng.integers(0, 256, (rows, columns // 256, 144), dtype=np.uint8)
    scales = np.array([1e-4, 7.5e-4], np.float16)  # 7.5 is the mean nibble: the mean weight is 0
    blocks[..., :4] = np.frombuffer(scales.tobytes(), np.uint8)
    return blocks.reshape(rows, -1)


def write(path, quant):
    rng = np.random.default_rng(1)
    make, kind = {"q4_k": q4_k, "q8_0": q8_0}[quant], TYPES[quant]
    writer = gguf.GGUFWriter(path, "phi3")
    writer.add_name(f"random Phi-3 mini {quant}")
    writer.add_context_length(4096)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INTERMEDIATE)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_uint32("phi3.rope.scaling.original_context_length", 4096)
    writer.add_vocab_size(VOCABULARY)
    # Token ids go in and logits come out: no vocabulary is needed.
    writer.add_tokenizer_model("none")

    ones = np.ones(HIDDEN, np.float32)
    layer = {
        "attn_qkv": make(rng, 3 * HIDDEN, HIDDEN),
        "attn_output": make(rng, HIDDEN, HIDDEN),
        "ffn_up": make(rng, 2 * INTERMEDIATE, HIDDEN),  # gate and up in one, as Phi-3 has them
        "ffn_down": make(rng, HIDDEN, INTERMEDIATE),
    }
    words = make(rng, VOCABULARY, HIDDEN)
    writer.add_tensor("token_embd.weight", words, raw_dtype=kind)
    for index in range(LAYERS):
        for name, blocks in layer.items():
            writer.add_tensor(f"blk.{index}.{name}.weight", blocks, raw_dtype=kind)
        writer.add_tensor(f"blk.{index}.attn_norm.weight", ones)
        writer.add_tensor(f"blk.{index}.ffn_norm.weight", ones)
    writer.add_tensor("output_norm.weight", ones)
    writer.add_tensor("output.weight", words, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out")
    parser.add_argument("--quant", choices=TYPES, required=True)
    args = parser.parse_args()
    write(args.out, args.quant)
