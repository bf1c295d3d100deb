"""The table of `run.sh`: what it left in a folder, as Markdown. Standard library only."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "compare"))
import table

GOAL = 0.6


def read(path):
    text = path.read_text().strip() if path.is_file() else ""
    return json.loads(text.splitlines()[-1]) if text else {}


def speeds(ours, torch):
    """(who, precision, tokens/s, bytes read per token)."""
    for dtype in table.DTYPES:
        stages = ours.get("stages", {}).get(dtype, {})
        if stages.get("decode_tokens_per_s"):
            size = stages.get("weight_bytes_per_token", table.WEIGHTS * table.BITS[dtype] / 8)
            yield "ours", dtype, stages["decode_tokens_per_s"], size
    for way in ("python", "graph"):
        speed = torch.get("stages", {}).get(f"decode_tokens_per_s_{way}")
        if speed:
            name = {"python": "PyTorch", "graph": "PyTorch, CUDA graph"}[way]
            yield name, "bf16", speed, table.WEIGHTS * 2


def main():
    folder = Path(sys.argv[1])
    ours, torch = read(folder / "ours.json"), read(folder / "torch.json")
    copy = torch.get("copy_gb_per_s") or ours.get("copy_gb_per_s")
    lines = [f"{(folder / 'gpu').read_text().strip()}; PyTorch {torch.get('torch', 'not here')}", ""]
    notes = folder / "notes"
    lines += [f"- {line}" for line in notes.read_text().splitlines()] if notes.is_file() else []
    if copy:
        lines.append(f"- Memory: a copy on the GPU moves {copy:.0f} GB/s, read and written together.")
    rows = []
    for who, dtype, speed, size in speeds(ours, torch):
        ceiling = copy * 1e9 / size if copy else None
        share = f"{100 * speed / ceiling:.0f} %" if ceiling else "-"
        rows.append((who, dtype, f"{speed:.1f}", f"{ceiling:.0f}" if ceiling else "-", share))
    if rows:
        lines += [""] + table.lines_of(["decoding", "as", "tokens/s", "ceiling", "reached"], rows)
    rows = []
    mine, theirs = (ours.get("stages", {}).get("bf16", {}), torch.get("stages", {}))
    for key in ("vit_s", "prefill_s", "mask_decoder_s"):
        a, b = mine.get(key), theirs.get(key)
        if a or b:
            quicker = table.number(b / a if a and b else None)
            rows.append((table.STAGES[key], table.number(a), table.number(b), quicker))
    if rows:
        lines += [""] + table.lines_of(["stage, bf16", "ours", "PyTorch", "times PyTorch"], rows)
    reached = [r for r in speeds(ours, torch) if r[0] == "ours" and r[1] == "bf16"]
    if copy and reached:
        share = reached[0][2] * reached[0][3] / (copy * 1e9)
        lines += ["", f"Decoding in bf16 reaches {100 * share:.0f} % of the ceiling; the goal is {100 * GOAL:.0f} %."]
    print("\n".join(lines))


main()
