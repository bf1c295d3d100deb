"""From what the programs said to one Markdown table. Standard library only."""

STAGES = {
    "vit_s": "ViT encoder, 2048 + 1 tokens, s",
    "prefill_s": "prefill of 263 positions, 32 layers, s",
    "decode_tokens_per_s": "decoding, tokens/s",
    "mask_decoder_s": "mask decoder, s",
    "first_question_s": "first question, to the first token, s",
    "first_answer_s": "first question, to an answer of 16 tokens, s",
    "follow_up_first_token_s": "follow-up question, to the first token, s",
}
LANGUAGE = ("prefill_s", "decode_tokens_per_s")
DTYPES = ("q4k", "q8_0", "bf16", "f32")
LLAMA = {"q4k": "llama.cpp q4_k", "q8_0": "llama.cpp q8_0"}
# On the CPU candle multiplies no matrices in bf16; f32 is the quicker in prefill, f16 in decoding.
CANDLE = {"f32": "candle-transformers f32", "f16": "candle-transformers f16"}
ANSWER = 16
# The decoder's matrices that every token reads: qkv, o, gate and up, down of 32 layers, and the head.
WEIGHTS = 32 * (9216 * 3072 + 3072 * 3072 + 16384 * 3072 + 3072 * 8192) + 32015 * 3072
BITS = {"q4k": 4.5, "q8_0": 8.5, "bf16": 16, "f16": 16, "f32": 32}


def _rate(key):
    return "per_s" in key


def _best(key, a, b):
    if not isinstance(a, (int, float)) or not isinstance(b, (int, float)):
        return a
    return max(a, b) if _rate(key) else min(a, b)


def better(old, new):
    """Two reports of the same program as one, stage by stage the better."""
    if old is None:
        return new
    merged = {**old}
    for key, value in new.items():
        if key == "stages":
            merged[key] = _better_stages(old[key], value)
        elif key.endswith("gb_per_s"):
            merged[key] = max(old[key], value)
    return merged


def _better_stages(old, new):
    merged = {**old}
    for key, value in new.items():
        if isinstance(value, dict):  # ours: one such group for each precision
            merged[key] = _better_stages(old.get(key, value), value)
        else:
            merged[key] = _best(key, old.get(key, value), value)
    return merged


def _composed(stages, whole):
    """`whole`: the program keeps nothing between questions, so its questions are sums of stages."""
    stages = dict(stages)
    if whole and "vit_s" in stages:
        first = stages["vit_s"] + stages["projector_s"] + stages["prefill_s"]
        stages["first_question_s"] = stages["follow_up_first_token_s"] = first
    if stages.get("first_question_s") and stages.get("decode_tokens_per_s"):
        rest = (ANSWER - 1) / stages["decode_tokens_per_s"]
        stages["first_answer_s"] = stages["first_question_s"] + rest
    return stages


class Figures:
    """Every stage of every program, by name."""

    def __init__(self, results):
        programs = results["programs"]
        ours = programs.get("ours", {}).get("stages", {})
        self.ours = {d: _composed(ours[d], False) for d in DTYPES if d in ours}
        self.torch = {
            d: _composed(programs[f"PyTorch {d}"]["stages"], True)
            for d in ("f32", "bf16")
            if f"PyTorch {d}" in programs
        }
        self.llama = {d: programs[n]["stages"] for d, n in LLAMA.items() if n in programs}
        self.candle = {d: programs[n]["stages"] for d, n in CANDLE.items() if n in programs}
        self.bandwidth = programs.get("memory", {}).get("read_gb_per_s")

    def best_candle(self, key):
        """The quicker of its two types, and which it is."""
        found = [(s[key], d) for d, s in self.candle.items() if s.get(key)]
        if not found:
            return {}, None
        figure, dtype = max(found) if _rate(key) else min(found)
        return {key: figure}, dtype

    def ratio(self, key, dtype, other):
        """How many times quicker ours is; None where either is missing."""
        mine = self.ours.get(dtype, {}).get(key)
        theirs = (other or {}).get(key)
        if not mine or not theirs:
            return None
        return mine / theirs if _rate(key) else theirs / mine

    def torch_dtype(self, key, dtype):
        """The precision of PyTorch that a figure of ours is held against."""
        if key == "mask_decoder_s":
            return "f32"  # what ours computes it in, whatever the weights are held in
        if key == "vit_s":
            dtype = self.ours.get(dtype, {}).get("tower_dtype", dtype)
        return "f32" if dtype == "f32" else "bf16"


def number(value):
    """A figure with about three digits, or a dash."""
    if value is None:
        return "-"
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 100 else f"{value:.0f}"


def _rows(figures):
    for key, name in STAGES.items():
        dtypes = list(figures.ours) or (list(LLAMA) if key in LANGUAGE else ["-"])
        for dtype in dtypes:
            against = figures.torch_dtype(key, dtype)
            quicker = figures.ratio(key, dtype, figures.torch.get(against))
            candle, candle_dtype = figures.best_candle(key)
            yield (
                name,
                dtype,
                number(figures.ours.get(dtype, {}).get(key)),
                number(figures.torch.get("f32", {}).get(key)),
                number(figures.torch.get("bf16", {}).get(key)),
                number(figures.llama.get(dtype, {}).get(key)),
                f"{number(candle[key])} ({candle_dtype})" if candle else "-",
                f"{number(quicker)} ({against})" if quicker else "-",
                number(figures.ratio(key, dtype, figures.llama.get(dtype))),
                number(figures.ratio(key, dtype, candle)),
            )


def _bandwidth_rows(figures):
    speeds = [("ours", d, s) for d, s in figures.ours.items()]
    speeds += [("PyTorch", d, s) for d, s in figures.torch.items()]
    speeds += [("llama.cpp", d, s) for d, s in figures.llama.items()]
    speeds += [("candle-transformers", d, s) for d, s in figures.candle.items()]
    for program, dtype, stages in speeds:
        speed = stages.get("decode_tokens_per_s")
        if speed and figures.bandwidth:
            size = stages.get("weight_bytes_per_token", WEIGHTS * BITS[dtype] / 8) / 1e9
            share = speed * size / figures.bandwidth
            yield program, dtype, f"{size:.2f}", f"{speed * size:.1f}", f"{100 * share:.0f} %"


def _goals(figures):
    """What the engine is meant to reach, as (text, reached or None, wanted)."""
    bf16, f32 = figures.torch.get("bf16"), figures.torch.get("f32")
    yield "follow-up question against PyTorch bf16", figures.ratio("follow_up_first_token_s", "q4k", bf16), 10
    yield "decoding in q4k against PyTorch bf16", figures.ratio("decode_tokens_per_s", "q4k", bf16), 2
    yield "decoding in q4k against llama.cpp", figures.ratio("decode_tokens_per_s", "q4k", figures.llama.get("q4k")), 1
    yield "first question in q4k against PyTorch bf16", figures.ratio("first_question_s", "q4k", bf16), 1
    against = figures.torch_dtype("mask_decoder_s", "q4k")
    other = f32 if against == "f32" else bf16
    yield f"mask decoder against PyTorch {against}", figures.ratio("mask_decoder_s", "q4k", other), 1


def lines_of(head, rows):
    """A Markdown table, line by line."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def _disturbed(results):
    """Whether other programs took more than a tenth of the machine during any of the runs."""
    return any((o["share"] or 0) > 0.1 for o in results["others"])


def _machine(results, figures):
    m, programs = results["machine"], results["programs"]
    torch = next((p["torch"] for n, p in programs.items() if n.startswith("PyTorch")), "none")
    llama = next((p["llama_cpp_python"] for n, p in programs.items() if n.startswith("llama")), "none")
    yield (
        f"{m['cpu']} ({', '.join(m['features']) or 'no AVX2'}), {results['threads']} threads of "
        f"{m['cores']} cores, {m['ram_gb']} GB RAM, {m['system']}; commit {m['commit']}, {m['rustc']}; "
        f"PyTorch {torch}; llama-cpp-python {llama}."
    )
    yield f"Memory read at {number(figures.bandwidth)} GB/s. Best of {results['rounds']} rounds."
    if _disturbed(results):
        shares = [o["share"] for o in results["others"] if o["share"] is not None]
        low, high = 100 * min(shares), 100 * max(shares)
        yield (
            f"**Other programs used {low:.0f} to {high:.0f} % of the machine meanwhile: take these figures "
            "as provisional.**"
        )
    for name in ("PyTorch f32", *CANDLE.values()):
        built = programs.get(name, {}).get("decoder_layers_built", 32)
        if built != 32:
            yield f"{name}: {built} decoder layers were built, and their time scaled to 32."
    for name, why in results["missing"].items():
        yield f"**Not measured: {name}: {why}.**"


def markdown(results):
    figures = Figures(results)
    lines = [line + "\n" for line in _machine(results, figures)]
    head = ["stage", "ours as", "ours", "PyTorch f32", "PyTorch bf16", "llama.cpp, same quantization",
            "candle-transformers", "times PyTorch", "times llama.cpp", "times candle-transformers"]
    lines += lines_of(head, _rows(figures)) + [""]
    head = ["decoding", "as", "GB read per token", "GB/s", "of the memory's speed"]
    lines += lines_of(head, _bandwidth_rows(figures)) + [""]
    for text, reached, wanted in _goals(figures):
        verdict = "not measured" if reached is None else "reached" if reached >= wanted else "missed"
        if reached is not None and _disturbed(results):
            verdict += ", provisionally"
        lines.append(f"- {text}: {number(reached)} times, wanted at least {wanted}: {verdict}")
    return "\n".join(lines)
