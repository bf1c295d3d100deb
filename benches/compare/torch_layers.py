"""The layers of M3D-LaMed in PyTorch's own operators: the opponent of the comparison.

Module names follow the tensor names of the published checkpoints, so that `torch_check.py` can load
one and prove that what is timed is the same network. Shapes stand at line ends; B is 1 throughout.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass
class Sizes:
    """The published model's sizes; a test's model has smaller ones."""

    image: tuple = (32, 256, 256)
    patch: tuple = (4, 16, 16)
    vit_width: int = 768
    vit_layers: int = 12
    vit_heads: int = 12
    vit_mlp: int = 3072
    seg_width: int = 768
    seg_mlp: int = 2048
    seg_iou_hidden: int = 256
    hidden: int = 3072
    layers: int = 32
    heads: int = 32
    kv_heads: int = 32
    intermediate: int = 8192
    vocabulary: int = 32015
    rms_eps: float = 1e-5
    rope_theta: float = 10000.0

    @property
    def grid(self):
        return tuple(n // p for n, p in zip(self.image, self.patch))


def fused(q, k, v, mask=None, causal=False):
    """Attention in one operator; q, k, v are (B, heads, n, head_dim)."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)


def fused_in_f32(q, k, v, mask=None, causal=False):
    """PyTorch 2.2's fused attention is quicker in f32 than in bf16 on a CPU, so it may widen first."""
    if mask is not None:
        mask = mask.float()
    return fused(q.float(), k.float(), v.float(), mask, causal).to(v.dtype)


def eager(q, k, v, mask=None, causal=False):
    """Attention in three: two products and a softmax in f32."""
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if causal:
        n = q.shape[-2]
        future = torch.ones(n, n, dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(future, float("-inf"))
    if mask is not None:
        scores = scores + mask
    return torch.softmax(scores, -1, dtype=torch.float32).to(v.dtype) @ v


def random_module(make, dtype, device="cpu"):
    """A module with random weights, each parameter in memory of its own, quickly made."""
    with torch.device("meta"):
        module = make()
    module = module.to(dtype).to_empty(device=device).eval()
    generator = torch.Generator().manual_seed(1)
    # An odd length, so that equal rows do not fall on equal weights.
    pool = (torch.randn(2**22 + 37, generator=generator) * 0.02).to(device, dtype)
    for name, parameter in module.named_parameters():
        flat = parameter.data.view(-1)
        for start in range(0, flat.numel(), pool.numel()):
            part = flat[start : start + pool.numel()]
            part.copy_(pool[: part.numel()])
        if "norm" in name and name.endswith("weight"):
            flat.add_(1)
    return module


# The vision transformer ---------------------------------------------------------------------------


class VitAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out_proj = nn.Linear(width, width)

    def forward(self, x, attend):
        b, n, width = x.shape
        qkv = self.qkv(x).view(b, n, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # 3 x (B, heads, n, head_dim)
        return self.out_proj(attend(q, k, v).transpose(1, 2).reshape(b, n, width))


class VitMlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)

    def forward(self, x):
        return self.linear2(F.gelu(self.linear1(x)))


class VitBlock(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = VitAttention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = VitMlp(width, hidden)

    def forward(self, x, attend):
        x = x + self.attn(self.norm1(x), attend)
        return x + self.mlp(self.norm2(x))


class PatchEmbedding(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.patch = sizes.patch
        voxels = math.prod(sizes.patch)
        # Index 1, because index 0 is the published model's reshape, which has no weights.
        self.patch_embeddings = nn.ModuleList([nn.Identity(), nn.Linear(voxels, sizes.vit_width)])
        self.position_embeddings = nn.Parameter(torch.empty(1, math.prod(sizes.grid), sizes.vit_width))

    def forward(self, image):
        (_, _, d, h, w), (pd, ph, pw) = image.shape, self.patch
        blocks = image.view(d // pd, pd, h // ph, ph, w // pw, pw)
        tokens = blocks.permute(0, 2, 4, 1, 3, 5).reshape(1, -1, pd * ph * pw)
        return self.patch_embeddings[1](tokens) + self.position_embeddings  # (B, 2048, 768)


class Vit(nn.Module):
    """The encoder of either tower: the language model's has a class token, SegVol's has none."""

    def __init__(self, sizes, class_token):
        super().__init__()
        if class_token:
            self.cls_token = nn.Parameter(torch.empty(1, 1, sizes.vit_width))
        self.class_token = class_token
        self.patch_embedding = PatchEmbedding(sizes)
        self.blocks = nn.ModuleList(
            VitBlock(sizes.vit_width, sizes.vit_heads, sizes.vit_mlp) for _ in range(sizes.vit_layers)
        )
        self.norm = nn.LayerNorm(sizes.vit_width)

    def forward(self, image, attend=fused):
        x = self.patch_embedding(image)
        if self.class_token:
            x = torch.cat([self.cls_token, x], 1)
        for block in self.blocks:
            x = block(x, attend)
        x = self.norm(x)
        return x[:, 1:] if self.class_token else x  # (B, 2048, 768)


class Projector(nn.Module):
    """Pools 2x2x2 tokens, then maps them into the decoder's width."""

    def __init__(self, sizes):
        super().__init__()
        self.grid = sizes.grid
        self.projector = nn.Sequential(
            nn.Linear(sizes.vit_width, sizes.hidden), nn.GELU(), nn.Linear(sizes.hidden, sizes.hidden)
        )

    def forward(self, tokens):
        d, h, w = (n // 2 for n in self.grid)
        # A mean over an unfolded view: PyTorch 2.2 has no avg_pool3d in bf16 on a CPU.
        pooled = tokens.view(1, d, 2, h, 2, w, 2, -1).mean((2, 4, 6)).flatten(1, 3)
        return self.projector(pooled)  # (B, 256, 3072)


# The language model -------------------------------------------------------------------------------


class RmsNorm(nn.Module):
    def __init__(self, width, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.eps = eps

    def forward(self, x):
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


class KvCache:
    """Keys and values of all layers, allocated once."""

    def __init__(self, sizes, length, dtype, device="cpu", layers=None):
        shape = (layers or sizes.layers, 2, 1, sizes.kv_heads, length, sizes.hidden // sizes.heads)
        self.store = torch.zeros(shape, dtype=dtype, device=device)
        self.length = 0

    def append(self, layer, k, v):
        end = self.length + k.shape[2]
        self.store[layer, 0, :, :, self.length : end] = k
        self.store[layer, 1, :, :, self.length : end] = v
        return self.store[layer, 0, :, :, :end], self.store[layer, 1, :, :, :end]


def rotary_tables(sizes, length, device="cpu"):
    """cos and sin in f32, each (length, head_dim)."""
    head_dim = sizes.hidden // sizes.heads
    frequencies = sizes.rope_theta ** (-torch.arange(0, head_dim, 2, device=device).float() / head_dim)
    angles = torch.outer(torch.arange(length, device=device).float(), frequencies)
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return (x * cos + torch.cat([-b, a], -1) * sin).to(x.dtype)


class DecoderAttention(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.heads, self.kv_heads = sizes.heads, sizes.kv_heads
        self.head_dim = sizes.hidden // sizes.heads
        rows = (sizes.heads + 2 * sizes.kv_heads) * self.head_dim
        self.qkv_proj = nn.Linear(sizes.hidden, rows, bias=False)
        self.o_proj = nn.Linear(sizes.hidden, sizes.hidden, bias=False)

    def heads_of(self, x, cos, sin):
        b, n, _ = x.shape
        parts = self.qkv_proj(x).view(b, n, -1, self.head_dim).transpose(1, 2)
        q, k, v = parts.split([self.heads, self.kv_heads, self.kv_heads], 1)
        return rotate(q, cos, sin), rotate(k, cos, sin), v

    def finish(self, q, k, v, attend, mask=None, causal=False):
        if self.kv_heads != self.heads:
            k = k.repeat_interleave(self.heads // self.kv_heads, 1)
            v = v.repeat_interleave(self.heads // self.kv_heads, 1)
        out = attend(q, k, v, mask=mask, causal=causal).transpose(1, 2)
        return self.o_proj(out.reshape(out.shape[0], out.shape[1], -1))


class DecoderMlp(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.gate_up_proj = nn.Linear(sizes.hidden, 2 * sizes.intermediate, bias=False)
        self.down_proj = nn.Linear(sizes.intermediate, sizes.hidden, bias=False)

    def forward(self, x):
        gate, up = self.gate_up_proj(x).chunk(2, -1)
        return self.down_proj(F.silu(gate) * up)


class DecoderLayer(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.self_attn = DecoderAttention(sizes)
        self.mlp = DecoderMlp(sizes)
        self.input_layernorm = RmsNorm(sizes.hidden, sizes.rms_eps)
        self.post_attention_layernorm = RmsNorm(sizes.hidden, sizes.rms_eps)


class Decoder(nn.Module):
    """Phi-3 mini. `hidden` ends after the last norm; the head is applied by the caller."""

    def __init__(self, sizes, layers=None):
        super().__init__()
        self.embed_tokens = nn.Embedding(sizes.vocabulary, sizes.hidden)
        self.layers = nn.ModuleList(DecoderLayer(sizes) for _ in range(layers or sizes.layers))
        self.norm = RmsNorm(sizes.hidden, sizes.rms_eps)
        self.lm_head = nn.Linear(sizes.hidden, sizes.vocabulary, bias=False)

    def hidden(self, x, cache, tables, attend=fused):
        """x (B, n, 3072) at the positions behind the cache -> the same shape."""
        n = x.shape[1]
        cos, sin = (table[cache.length : cache.length + n] for table in tables)
        causal = n > 1
        if causal and cache.length:
            raise ValueError("several positions at once only at the start")
        for index, layer in enumerate(self.layers):
            q, k, v = layer.self_attn.heads_of(layer.input_layernorm(x), cos, sin)
            k, v = cache.append(index, k, v)
            x = x + layer.self_attn.finish(q, k, v, attend, causal=causal)
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        cache.length += n
        return self.norm(x)

    def hidden_at(self, x, position, cache, tables, attend=fused):
        """One position, given as a tensor, over the whole cache: no shape depends on it, so that a
        CUDA graph can hold the step."""
        cos, sin = (table.index_select(0, position) for table in tables)
        length = cache.store.shape[-2]
        seen = torch.arange(length, device=x.device) <= position
        mask = torch.zeros(1, 1, 1, length, dtype=x.dtype, device=x.device)
        mask = mask.masked_fill(~seen, float("-inf"))
        for index, layer in enumerate(self.layers):
            q, k, v = layer.self_attn.heads_of(layer.input_layernorm(x), cos, sin)
            keys, values = cache.store[index, 0], cache.store[index, 1]
            keys.index_copy_(2, position, k)
            values.index_copy_(2, position, v)
            x = x + layer.self_attn.finish(q, keys, values, attend, mask=mask)
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        return self.norm(x)


# SegVol's mask decoder ----------------------------------------------------------------------------


class SegAttention(nn.Module):
    def __init__(self, width, internal, heads=8):
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, internal)
        self.k_proj = nn.Linear(width, internal)
        self.v_proj = nn.Linear(width, internal)
        self.out_proj = nn.Linear(internal, width)

    def forward(self, q, k, v):
        def split(x):
            return x.view(1, x.shape[1], self.heads, -1).transpose(1, 2)

        out = fused(split(self.q_proj(q)), split(self.k_proj(k)), split(self.v_proj(v)))
        return self.out_proj(out.transpose(1, 2).flatten(2))


class SegMlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.lin1 = nn.Linear(width, hidden)
        self.lin2 = nn.Linear(hidden, width)

    def forward(self, x):
        return self.lin2(F.relu(self.lin1(x)))


class TwoWayLayer(nn.Module):
    def __init__(self, sizes, first):
        super().__init__()
        width = sizes.seg_width
        self.first = first
        self.self_attn = SegAttention(width, width)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn_token_to_image = SegAttention(width, width // 2)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = SegMlp(width, sizes.seg_mlp)
        self.norm3 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = SegAttention(width, width // 2)
        self.norm4 = nn.LayerNorm(width)

    def forward(self, tokens, image, token_pe, image_pe):
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            q = tokens + token_pe
            tokens = tokens + self.self_attn(q, q, tokens)
        tokens = self.norm1(tokens)
        q, k = tokens + token_pe, image + image_pe
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(q, k, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        q = tokens + token_pe
        image = self.norm4(image + self.cross_attn_image_to_token(k, q, tokens))
        return tokens, image


class TwoWay(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layers = nn.ModuleList(TwoWayLayer(sizes, index == 0) for index in range(2))
        self.final_attn_token_to_image = SegAttention(sizes.seg_width, sizes.seg_width // 2)
        self.norm_final_attn = nn.LayerNorm(sizes.seg_width)

    def forward(self, image, image_pe, tokens):
        token_pe = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_pe, image_pe)
        out = self.final_attn_token_to_image(tokens + token_pe, image + image_pe, image)
        return self.norm_final_attn(tokens + out), image


class ReluChain(nn.Module):
    def __init__(self, *widths):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


class MaskDecoder(nn.Module):
    """Encoded image and prompt to a mask's logits at 32x64x64."""

    def __init__(self, sizes):
        super().__init__()
        width, doubled = sizes.seg_width, tuple(2 * n for n in sizes.grid)
        self.grid = sizes.grid
        self.transformer = TwoWay(sizes)
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(4, width)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose3d(width, width // 4, 2, stride=2),
            nn.LayerNorm((width // 4, *doubled)),
            nn.GELU(),
            nn.ConvTranspose3d(width // 4, width // 8, 2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            ReluChain(width, width, width, width // 8) for _ in range(4)
        )
        self.iou_prediction_head = ReluChain(width, sizes.seg_iou_hidden, sizes.seg_iou_hidden, 4)
        self.txt_align_upscaled_embedding = nn.Linear(width, width // 8)

    def forward(self, image, image_pe, prompt):
        """image and image_pe (B, 2048, 768), prompt (B, 768) -> (B, 1, 32, 64, 64), (B, 1)."""
        learned = torch.cat([self.iou_token.weight, self.mask_tokens.weight])[None]
        tokens = torch.cat([learned, prompt[:, None]], 1)
        tokens, image = self.transformer(image, image_pe, tokens)
        volume = image.transpose(1, 2).reshape(1, -1, *self.grid)
        features = self.output_upscaling(volume)  # (B, 96, 32, 64, 64)
        flat = features.flatten(2)
        # One mask is asked for, so one of the four hypernetworks runs.
        mask = self.output_hypernetworks_mlps[0](tokens[:, 1])[:, None] @ flat
        text = self.txt_align_upscaled_embedding(prompt)[:, None] @ flat
        quality = self.iou_prediction_head(tokens[:, 0])[:, :1]
        return (mask + text).view(1, 1, *features.shape[2:]), quality


def dense_position_encoding(gaussian, grid):
    """Random Fourier features of the grid's centres, first two axes swapped as published."""
    axes = [(torch.arange(n, device=gaussian.device).float() + 0.5) / n for n in grid]
    d, h, w = torch.meshgrid(*axes, indexing="ij")
    points = (2 * torch.stack([h, d, w], -1) - 1) @ gaussian.float() * (2 * math.pi)
    return torch.cat([points.sin(), points.cos()], -1).flatten(0, 2)[None]  # (B, 2048, 768)


class SegVol(nn.Module):
    """What one [SEG] costs behind the encoder: mask decoder, resize, threshold."""

    def __init__(self, sizes):
        super().__init__()
        self.sizes = sizes
        self.mask_decoder = MaskDecoder(sizes)
        self.no_mask = nn.Parameter(torch.empty(1, sizes.seg_width))
        self.gaussian = nn.Parameter(torch.empty(3, sizes.seg_width // 2))

    def forward(self, features, prompt):
        pe = dense_position_encoding(self.gaussian, self.sizes.grid).to(features.dtype)
        low, _ = self.mask_decoder(features + self.no_mask, pe, prompt)
        logits = F.interpolate(low, size=self.sizes.image, mode="trilinear", align_corners=False)
        return low, logits, logits > 0
