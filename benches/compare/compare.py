"""Our engine, PyTorch, llama.cpp and candle-transformers in turn, in one run, and one table of the best of each.

    sh benches/compare/run.sh          makes the environment and calls this
    python compare.py --print FILE     prints the table of an earlier run's --json FILE

They take turns, round by round, so that a machine that slows down slows all of them. Each program is
a process of its own, alone while it runs. What is not there is said and leaves a dash.
"""

import argparse
import importlib.util
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import machine
import table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def say(text):
    print(text, file=sys.stderr, flush=True)


class Run:
    """Collects what each program says, round by round."""

    def __init__(self, threads, rounds, patience, file):
        self.threads, self.rounds, self.patience, self.file = threads, rounds, patience, file
        self.found, self.missing, self.others = {}, {}, []

    def results(self):
        return {
            "machine": machine.describe(),
            "threads": self.threads,
            "rounds": self.rounds,
            "programs": self.found,
            "missing": self.missing,
            "others": self.others,
        }

    def save(self):
        """After every program, so that a run that is broken off leaves what it has."""
        if self.file:
            self.file.write_text(json.dumps(self.results(), indent=1) + "\n")

    def call(self, name, command):
        """Runs a program that prints one JSON object as a line; keeps the best of each stage."""
        if name in self.missing:
            return
        if self.patience > 0:
            self.patience -= machine.wait_until_quiet(self.patience)
        say(f"{name}: {shlex.join(map(str, command))}")
        threads = str(self.threads)
        env = {**os.environ, "OMP_NUM_THREADS": threads, "RAYON_NUM_THREADS": threads}
        with machine.Others() as others:
            try:
                done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
            except OSError as error:
                self.missing[name] = str(error)
                return
        if done.returncode:
            self.missing[name] = f"it ended with code {done.returncode}"
            return
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if not lines:
            self.missing[name] = "it printed no JSON"
            return
        report = json.loads(lines[-1])
        if report.get("threads") != self.threads:
            self.missing[name] = f"it ran with {report.get('threads')} threads, not {self.threads}"
            return
        self.others.append({"program": name, "share": others.share})
        self.found[name] = table.better(self.found.get(name), report)
        self.save()


def bench(run, name, target, *arguments):
    """A benchmark of the repository, built beforehand so that no build runs between the measurements."""
    command = ["cargo", "bench", "-p", "m3d-model", "--bench", target]
    if subprocess.run([*command, "--no-run"], cwd=ROOT).returncode:
        run.missing[name] = "the benchmark does not build"
        return None
    return [*command, "--", *arguments]


def random_models(run, folder):
    """The two GGUF files, made where they are missing."""
    paths = {}
    for quant in ("q4_k", "q8_0"):
        name = f"llama.cpp {quant}"
        if not importlib.util.find_spec("llama_cpp") or not importlib.util.find_spec("gguf"):
            run.missing[name] = "llama-cpp-python and gguf are not installed"
            continue
        paths[name] = folder / f"random-{quant}.gguf"
        if paths[name].is_file():
            continue
        say(f"Writing {paths[name]}")
        folder.mkdir(parents=True, exist_ok=True)
        part = paths[name].with_suffix(".part")
        command = [sys.executable, HERE / "random_gguf.py", part, "--quant", quant]
        if subprocess.run(command).returncode:
            run.missing[name] = "its random model could not be written"
            continue
        part.rename(paths[name])
    return paths


def measure(args):
    run = Run(args.threads, args.rounds, args.patience, args.json)
    ours = shlex.split(args.ours) if args.ours else bench(run, "ours", "engine", "--json")
    candle = {name: bench(run, name, "candle_phi3", "--dtype", dtype) for dtype, name in table.CANDLE.items()}
    models = random_models(run, args.models)
    threads = ["--threads", str(args.threads)]
    torch = [sys.executable, HERE / "torch_measure.py", *threads]
    llama = [sys.executable, HERE / "llama_measure.py", *threads]
    try:
        for index in range(args.rounds):
            say(f"Round {index + 1} of {args.rounds}")
            run.call("memory", [*torch, "--bandwidth"])
            for dtype, quant in (("bf16", "q4_k"), ("f32", "q8_0")):
                if ours and dtype == "bf16":
                    run.call("ours", ours)
                run.call(f"PyTorch {dtype}", [*torch, "--dtype", dtype])
                name = f"llama.cpp {quant}"
                if name in models:
                    run.call(name, [*llama, models[name]])
            for name, command in candle.items():
                if command:
                    run.call(name, command)
    except KeyboardInterrupt:
        run.missing["everything behind this"] = "the run was broken off"
    run.save()
    return run.results()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--models", type=Path, default=ROOT / "target/compare-models")
    parser.add_argument("--ours", help="a command that prints the engine's JSON, instead of cargo bench")
    parser.add_argument("--patience", type=float, default=0, metavar="SECONDS",
                        help="wait this long in all for other programs to leave the cores alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure here")
    parser.add_argument("--print", type=Path, metavar="FILE", help="print an earlier run and measure nothing")
    args = parser.parse_args()
    results = json.loads(args.print.read_text()) if args.print else measure(args)
    print(table.markdown(results))


main()
