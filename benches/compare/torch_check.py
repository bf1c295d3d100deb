"""Proves that `torch_layers.py` is the network that the viewer runs: loads a golden's checkpoint,
runs every stage, and compares with what the public reference computed.

    python torch_check.py [FOLDER]      tests/golden/tiny and odd by default

A folder holds config.json, model.safetensors and stages.safetensors. Exits 1 over 1e-4.
"""

import dataclasses
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

import torch_layers as layers

TOLERANCE = 1e-4


def sizes_of(config):
    vision, seg = config["vision_config"], config["seg_config"]
    return layers.Sizes(
        image=tuple(config["image_size"]),
        patch=tuple(config["patch_size"]),
        vit_width=vision["hidden_size"],
        vit_layers=vision["num_layers"],
        vit_heads=vision["num_heads"],
        vit_mlp=vision["mlp_dim"],
        seg_width=seg["embed_dim"],
        seg_mlp=seg["decoder_mlp_dim"],
        seg_iou_hidden=seg["iou_head_hidden_dim"],
        hidden=config["hidden_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        intermediate=config["intermediate_size"],
        vocabulary=config["vocab_size"],
        rms_eps=config["rms_norm_eps"],
        rope_theta=config["rope_theta"],
    )


def filled(module, tensors, prefix, extra=()):
    state = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
    state.update(extra)
    wanted = module.state_dict().keys()
    module.load_state_dict({k: state[k] for k in wanted})
    return module.eval()


@torch.inference_mode()
def check(folder):
    config = json.loads((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    wanted = load_file(folder / "stages.safetensors")
    sizes = sizes_of(config)
    found = {}

    vit = filled(layers.Vit(sizes, True), tensors, "model.vision_tower.vision_tower.")
    found["vision_features"] = vit(wanted["image"], layers.fused)
    found["vision_features (eager)"] = vit(wanted["image"], layers.eager)
    projector = filled(layers.Projector(sizes), tensors, "model.mm_projector.")
    found["image_tokens"] = projector(found["vision_features"])

    head = {"lm_head.weight": tensors["lm_head.weight"]}
    decoder = filled(layers.Decoder(sizes), tensors, "model.", head)
    steps = wanted["greedy_ids"].shape[1]
    length = wanted["inputs_embeds"].shape[1] + steps
    tables = layers.rotary_tables(sizes, length)
    for name, attend in (("", layers.fused), (" (eager)", layers.eager)):
        cache = layers.KvCache(sizes, length, torch.float32)
        hidden = decoder.hidden(wanted["inputs_embeds"], cache, tables, attend)
        found["prefill_last_hidden" + name] = hidden
        logits = decoder.lm_head(hidden)
        found["prefill_logits" + name] = logits
        ids = [logits[0, -1].argmax()]
        while len(ids) < steps:
            x = decoder.embed_tokens(ids[-1].view(1, 1))
            if name:  # the graph's way must agree as well
                hidden = decoder.hidden_at(x, torch.tensor([cache.length]), cache, tables, attend)
                cache.length += 1
            else:
                hidden = decoder.hidden(x, cache, tables, attend)
            ids.append(decoder.lm_head(hidden)[0, -1].argmax())
        found["greedy_ids" + name] = torch.stack(ids)[None]

    seg = config["seg_config"]
    seg_sizes = dataclasses.replace(
        sizes,
        vit_width=seg["embed_dim"],
        vit_layers=seg["num_layers"],
        vit_heads=seg["num_heads"],
        vit_mlp=seg["mlp_dim"],
    )
    encoder = filled(layers.Vit(seg_sizes, False), tensors, "model.seg_module.image_encoder.")
    found["seg_image_encoder"] = encoder(wanted["image"])
    prompts = "model.seg_module.prompt_encoder."
    extra = {
        "no_mask": tensors[prompts + "no_mask_embed.weight"],
        "gaussian": tensors[prompts + "pe_layer.positional_encoding_gaussian_matrix"],
    }
    segvol = filled(layers.SegVol(sizes), tensors, "model.seg_module.", extra)
    low, logits, _ = segvol(found["seg_image_encoder"], wanted["seg_prompt"])
    found["low_res_masks"], found["seg_logits"] = low, logits

    worst = 0.0
    for name, value in found.items():
        golden = wanted[name.split(" ")[0]]
        if golden.dtype == torch.int64:
            error = 0.0 if torch.equal(value, golden) else float("inf")
        else:
            error = ((value - golden).norm() / golden.norm()).item()
        worst = max(worst, error)
        print(f"{folder.name:8} {name:28} {error:.1e}")
    return worst


def main():
    own = Path(__file__).resolve().parents[2] / "tests/golden"
    folders = [Path(a) for a in sys.argv[1:]] or [own / "tiny", own / "odd"]
    worst = max(check(folder) for folder in folders)
    if not worst <= TOLERANCE:
        sys.exit(f"the layers differ from the reference: {worst:.1e} is over {TOLERANCE:.0e}")
    print(f"the layers are the reference's: worst relative error {worst:.1e}")


main()
