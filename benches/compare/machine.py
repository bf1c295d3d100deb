"""What the figures were taken on, and what else ran meanwhile. Standard library only."""

import os
import platform
import resource
import subprocess
import time
from pathlib import Path


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _field(file, key):
    try:
        for line in Path(file).read_text().splitlines():
            if line.startswith(key):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return None


def _version(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip() or None
    except OSError:
        return None


def describe():
    flags = (_field("/proc/cpuinfo", "flags") or "").split()
    wanted = ["avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16"]
    memory = _field("/proc/meminfo", "MemTotal")
    return {
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "features": [f for f in wanted if f in flags],
        "cores": cores(),
        "ram_gb": round(int(memory.split()[0]) * 1024 / 1e9, 1) if memory else None,
        "system": f"{platform.system()} {platform.release()}",
        "rustc": _version("rustc", "--version"),
        "commit": _version("git", "rev-parse", "--short", "HEAD"),
    }


def _busy():
    """Seconds that all cores together were busy since the start; None where that cannot be read."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _wait, irq, soft, steal = map(int, fields)
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def _ours():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Others:
    """The share of the machine that other programs used while this one's children ran."""

    def __enter__(self):
        self.start = (time.monotonic(), _busy(), _ours())
        self.share = None
        return self

    def __exit__(self, *_):
        wall, busy, ours = self.start
        if busy is not None:
            wall = max(time.monotonic() - wall, 1e-9)
            share = (_busy() - busy - (_ours() - ours)) / (wall * os.cpu_count())
            self.share = min(max(share, 0.0), 1.0)


def wait_until_quiet(seconds, limit=0.1):
    """Waits for others to use under `limit` of the machine for 3 s, at most `seconds`; the time spent."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        with Others() as others:
            time.sleep(3)
        if others.share is None or others.share < limit:
            break
    return time.monotonic() - start
