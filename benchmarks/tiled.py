"""CSKA, SKA and MHSA in every form, now and as they were at a commit: time, memory, and what trains.

Times are CPU time of one thread, of calls that take turns: each tree has a process of its own, which runs one call when
asked. Memory is what PyTorch's allocator says. `run.py` has the command.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import timers

PAPER = ((3136, 64), (784, 128), (196, 320), (49, 512), (196, 384), (196, 768))
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
"""glibc keeps what is freed: else what ran before decides whether a call faults on every page of its scores."""
OLD = ("mhsa/eager", "mhsa/sdpa", "cska/eager", "cska/channels-last", "cska/sdpa")
NEW = (
    "mhsa/eager",
    "mhsa/sdpa",
    "ska/eager",
    "ska/sdpa",
    "ska/tiled",
    "cska/eager",
    "cska/sdpa",
    "cska/tiled",
    "cska/winograd",
)
WORKER = """
import math, sys, time, torch
from skaprof.model.spec import parse_mixer
from skaprof.nn import build_mixer
from skaprof.workload import Workload
torch.set_num_threads(1)
tokens, dim, batch = map(int, sys.argv[1:4])
mode, names = sys.argv[4], sys.argv[5].split(",")
side = math.isqrt(tokens)
torch.manual_seed(0)
x = torch.randn(batch, tokens, dim)

def made(name):
    text, form = name.split("/")
    spec = parse_mixer(text)
    w = Workload(batch, side, side, dim, dim // 32, 32, spec.resolve_kernel_size())
    module = build_mixer(spec, w, {"channels-last": "eager", "winograd": "tiled"}.get(form, form))
    if form == "winograd":
        module.attention.winograd = True
    return module.to(memory_format=torch.channels_last) if form == "channels-last" else module

def call(module):
    if mode == "forward":
        with torch.no_grad():
            return module(x)
    module.zero_grad(set_to_none=True)
    leaf = x.detach().requires_grad_()
    module(leaf).backward(x)

modules = {name: made(name) for name in names}
for line in sys.stdin:
    name = line.strip()
    start = time.thread_time_ns()
    call(modules[name])
    print((time.thread_time_ns() - start) / 1e6, flush=True)
"""
MEMORY = """
import json, math, sys
import torch
from skaprof.count.memory import allocated_in_forward, saved_by_autograd
from skaprof.model.spec import parse_mixer
from skaprof.nn import build_mixer
from skaprof.workload import Workload
torch.set_num_threads(1)
tokens, dim, batch = map(int, sys.argv[1:4])
side = math.isqrt(tokens)
text, form = sys.argv[4].split("/")
spec = parse_mixer(text)
w = Workload(batch, side, side, dim, dim // 32, 32, spec.resolve_kernel_size())
module, x = build_mixer(spec, w, form), torch.randn(batch, tokens, dim)
print(json.dumps([allocated_in_forward(module, x), saved_by_autograd(module, x)]))
"""
TRAINS = """
import math, resource, sys
import torch
from skaprof.nn import ConvStaticKeyAttention
torch.set_num_threads(1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
mixer = ConvStaticKeyAttention(64, (56, 56), implementation="tiled")
x = torch.randn(32, 3136, 64, requires_grad=True)
mixer(x).square().mean().backward()
assert all(float(p.grad.norm()) > 0 for p in mixer.parameters())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, before / 2**20)
"""


class Tree:
    """A process with the modules of one tree, which runs one call of one of them when asked."""

    def __init__(self, tree: Path, size: tuple[int, int, int], mode: str, names: tuple[str, ...]) -> None:
        command = [sys.executable, "-c", WORKER, *map(str, size), mode, ",".join(names)]
        self.process = subprocess.Popen(
            command,
            cwd=tree,
            env=timers.environment(tree) | KEPT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, name: str) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(name, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def lower_quartiles(
    before: Path, size: tuple[int, int, int], seconds: float, mode: str = "forward"
) -> dict[str, dict[str, float]]:
    """For each tree, each form's milliseconds: the lower quartile of calls that took turns for the seconds."""
    trees = {"before": Tree(before, size, mode, OLD), "now": Tree(timers.ROOT, size, mode, NEW)}
    turns = [("before", name) for name in OLD] + [("now", name) for name in NEW]
    samples: dict[tuple[str, str], list[float]] = {turn: [] for turn in turns}
    end = time.monotonic() + seconds
    number = 0
    while number < 4 or time.monotonic() < end:
        for tree, name in turns if number % 2 else reversed(turns):
            found = trees[tree](name)
            if number:  # the first is a warming-up
                samples[tree, name].append(found)
        number += 1
    for tree in trees.values():
        tree.close()
    found_by_tree: dict[str, dict[str, float]] = {"before": {}, "now": {}}
    for (tree, name), times in samples.items():
        found_by_tree[tree][name] = sorted(times)[len(times) // 4]
    return found_by_tree


def _output(code: str, *arguments: Any) -> str:
    return timers.output([sys.executable, "-c", code, *map(str, arguments)], timers.ROOT)


def tiled(seconds: int = 20) -> None:
    """Times at the paper's sizes, forward and in training; memory; and what trains."""
    with timers.before() as tree:
        print(f"| tokens, dim, batch | mode | CSKA tiled ms | over the fastest of {timers.BEFORE} |", end="")
        print(" over today's fastest other | winograd over both | | SKA's best over MHSA's |\n" + "|---" * 8 + "|")
        for mode, sizes in (
            ("forward", [(*size, batch) for size in PAPER for batch in (1, 8)]),
            ("train", [(196, 320, 1), (784, 128, 1), (784, 128, 8)]),
        ):
            for size in sizes:
                found = lower_quartiles(tree, size, seconds, mode)
                print(_row(size, mode, found), flush=True)
    for size in ((196, 128, 8), (784, 128, 8), (3136, 128, 8)):
        for form in ("eager", "tiled"):
            if size[0] < 3000 or form == "tiled":
                peak, saved = json.loads(_output(MEMORY, *size, f"cska/{form}"))
                print(
                    f"CSKA {form} at {size}: forward peak {peak / 1e6:.1f} MB, saved {saved / 1e6:.1f} MB", flush=True
                )
    print("CSKA tiled trains at 3136 tokens, dim 64, batch 32: GiB of the process, and before it:", _output(TRAINS))


def _row(size: tuple[int, int, int], mode: str, found: dict[str, dict[str, float]]) -> str:
    def best(tree: str, mixer: str, *without: str) -> float:
        return min(ms for name, ms in found[tree].items() if name.startswith(f"{mixer}/") and name not in without)

    tiled, winograd = (found["now"][f"cska/{form}"] for form in ("tiled", "winograd"))
    today = best("now", "cska", "cska/tiled", "cska/winograd")
    ratios = (
        tiled / best("before", "cska"),
        tiled / today,
        winograd / best("before", "cska"),
        winograd / today,
        best("now", "ska") / best("now", "mhsa"),
    )
    return f"| {', '.join(map(str, size))} | {mode} | {tiled:.2f} | " + " | ".join(f"{r:.2f}" for r in ratios) + " |"
