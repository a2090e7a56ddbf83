"""Timers side by side on a machine that others use: how far apart are ten runs of one ratio, idle and loaded?

Each run is a process of its own, of one thread, and times two mixers for the same seconds. Load is two processes a core
that do nothing but loop. Run on a machine that is otherwise idle. `run.py` has the commands.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BEFORE = "dbb2b04"
"""The last commit whose timer knows the wall clock alone."""
RUNS, SECONDS = 10, 10.0
SIZES = {"196 tokens, dim 384": (196, 384, 1), "324 tokens, dim 128, batch 4": (324, 128, 4)}
ALL_SECONDS = ("--rounds", "4096", "--tolerance", "0.1")
"""Options with which a run goes on until its seconds are over."""
LOOPS_A_CORE = 2
LOOP = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    for _ in range(10**6): pass"


class Run(NamedTuple):
    """What one run says: the ratio SKA / MHSA, its interval where there is one, MHSA's ms, and the verdict."""

    ratio: float
    low: float | None = None
    high: float | None = None
    ms: float | None = None
    verdict: str = ""


def skaprof(tree: Path, *options: str) -> Callable[[tuple[int, int, int], float], Run]:
    """The timer of the skaprof in `tree`."""

    def timed(size: tuple[int, int, int], seconds: float) -> Run:
        tokens, dim, batch = map(str, size)
        command = [sys.executable, "-m", "skaprof", "latency", "--device", "cpu", "--implementation", "eager"]
        command += ["--mixer", "mhsa", "--mixer", "ska", "--tokens", tokens, "--dim", dim, "--batch", batch]
        command += ["--max-seconds", str(seconds), "--format", "json", *options]
        mhsa, ska = json.loads(output(command, tree))["rows"]
        return Run(ska["ratio"], ska["ratio_low"], ska["ratio_high"], mhsa["median_ms"], ska["verdict"])

    return timed


SETUP = """
import math, statistics, sys, time, torch
from skaprof.model.spec import parse_mixer
from skaprof.nn import build_mixer
from skaprof.workload import Workload
tokens, dim, batch, seconds = *map(int, sys.argv[1:4]), float(sys.argv[4])
side = math.isqrt(tokens)
def made(name):
    module = build_mixer(parse_mixer(name), Workload(batch, side, side, dim, dim // 32, 32), "eager")
    x = torch.randn(batch, tokens, dim)
    def call():
        with torch.no_grad():
            module(x)
    return call
def once(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
calls = {name: made(name) for name in ("mhsa", "ska")}
"""
OTHERS = {
    "torch Timer.blocked_autorange": """
from torch.utils.benchmark import Timer
def figure(call):
    return Timer("call()", globals={"call": call}).blocked_autorange(min_run_time=seconds / 2).median
""",
    # its defaults: as many rounds as the first call says will fit, no warm-up; the table is sorted by min
    "pytest-benchmark, median": """
def figure(call):
    rounds = max(5, math.ceil(seconds / 2 / once(call)))
    return statistics.median(once(call) for _ in range(rounds))
""",
    "pytest-benchmark, min": """
def figure(call):
    rounds = max(5, math.ceil(seconds / 2 / once(call)))
    return min(once(call) for _ in range(rounds))
""",
    # five calls give an estimate, warm-up for 25 ms, then as many calls as fit; the mean of all
    "triton do_bench, host clock": """
def figure(call):
    call()
    estimate = statistics.fmean(once(call) for _ in range(5))
    for _ in range(max(1, int(0.025 / estimate))):
        call()
    return statistics.fmean(once(call) for _ in range(max(1, int(seconds / 2 / estimate))))
""",
}


def other(code: str) -> Callable[[tuple[int, int, int], float], Run]:
    """A timer that times one mixer after the other, half of the seconds each."""
    ends = "found = {name: figure(call) for name, call in calls.items()}\nprint(found['mhsa'], found['ska'])"

    def timed(size: tuple[int, int, int], seconds: float) -> Run:
        command = [sys.executable, "-c", SETUP + code + ends, *map(str, size), str(seconds)]
        mhsa, ska = map(float, output(command, ROOT).split())
        return Run(ska / mhsa, ms=1e3 * mhsa)

    return timed


def environment(tree: Path) -> dict[str, str]:
    """What a process of that tree is started with: one thread, and that tree's skaprof."""
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(tree), "KINETO_LOG_LEVEL": "99"}


def output(command: list[str], tree: Path) -> str:
    """What the command prints there."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment(tree), check=False, cwd=tree)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


@contextmanager
def load(*, planted: bool) -> Iterator[None]:
    """Two processes a core that loop, where it is planted."""
    count = LOOPS_A_CORE * (os.cpu_count() or 1) if planted else 0
    loops = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@contextmanager
def before() -> Iterator[Path]:
    """The tree of the commit before, from this repository's history."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", BEFORE, "skaprof"], cwd=ROOT, capture_output=True, check=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        yield Path(folder)


def spread(values: list[float]) -> float:
    """Largest over smallest."""
    return max(values) / min(values)


def timers(runs: int = RUNS, seconds: float = SECONDS) -> None:
    """Every timer, idle and loaded: the ratios' spread and standard deviation, and how long the intervals are."""
    print(f"SKA / MHSA (eager) at 196 tokens, dim 384, one thread: {runs} runs of {seconds:g} s\n")
    print(
        "| timer | idle: ratios | spread | loaded: ratios | spread | interval idle | loaded | decided idle | loaded |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with before() as tree:
        chosen = {
            "skaprof": skaprof(ROOT),
            "skaprof, all the seconds": skaprof(ROOT, *ALL_SECONDS),
            f"skaprof at {BEFORE}": skaprof(tree),
            **{name: other(code) for name, code in OTHERS.items()},
        }
        found = {name: ([], []) for name in chosen}
        for _ in range(runs):  # in turn: what changes over the hour changes for all
            for place, planted in enumerate((False, True)):
                with load(planted=planted):
                    for name, timer in chosen.items():
                        found[name][place].append(timer((196, 384, 1), seconds))
    for name, both in found.items():
        print(
            "|",
            " | ".join([name, *(_cell(runs_of) for runs_of in both), *map(_width, both), *map(_decided, both)]),
            "|",
        )


def _cell(runs: list[Run]) -> str:
    ratios = [run.ratio for run in runs]
    return f"{min(ratios):.3f} to {max(ratios):.3f} | {spread(ratios):.3f}"


def _width(runs: list[Run]) -> str:
    widths = [run.high / run.low for run in runs if run.low and run.high]
    return f"{statistics.median(widths):.3f}" if widths else "-"


def _decided(runs: list[Run]) -> str:
    return (
        f"{sum(run.verdict in ('faster', 'slower', 'same') for run in runs)} of {len(runs)}" if runs[0].verdict else "-"
    )


def steady(runs: int = RUNS, seconds: float = SECONDS) -> None:
    """One command in fresh processes, idle and loaded in turn, now and before: ratios, medians, intervals, verdicts."""
    with before() as tree:
        chosen = {"skaprof": skaprof(ROOT), "skaprof, all the seconds": skaprof(ROOT, *ALL_SECONDS)}
        for name, timer in (chosen | {f"skaprof at {BEFORE}": skaprof(tree)}).items():
            for words, size in SIZES.items():
                found = []
                for number in range(runs):
                    with load(planted=number % 2 == 1):
                        found.append(timer(size, seconds))
                ratios, medians = [run.ratio for run in found], [run.ms for run in found if run.ms]
                print(
                    f"{name} at {words}: ratios {min(ratios):.3f} to {max(ratios):.3f}, spread {spread(ratios):.3f}; "
                    f"MHSA {min(medians):.2f} to {max(medians):.2f} ms, spread {spread(medians):.2f}; intervals high "
                    f"over low: idle {_width(found[::2])}, loaded {_width(found[1::2])}; decided {_decided(found)}"
                )


ORDERS = ((324,), (36, 144, 324), (3249, 324), (144,), (36, 144), (324, 144), (1444, 144))
"""Sizes in the order they are measured, the last of which is told: alone, up, down, after one ten times larger."""
IN_ORDER = """
import json, sys
from skaprof.bench.allocator import put_allocator
held = put_allocator(sys.argv[2])
import torch
from skaprof.bench.configuration import Entry, Options, open_device
from skaprof.bench.measuring import measure_configuration
device = open_device("cpu")
for tokens in json.loads(sys.argv[1]):
    side = round(tokens ** 0.5)
    sizes = (4, side, side, 128, 4, 32, None)
    entries = [Entry(mixer, "forward", "float32", "eager", sizes) for mixer in ("mhsa", "ska")]
    options = Options(baseline="mhsa (eager)", allocator=held, rounds=16)
    rows = measure_configuration(entries, options, device)
keys = ("mixer", "median_ms", "ci_low_ms", "ci_high_ms", "faults", "ratio")
print(json.dumps([[row[key] for key in keys] for row in rows]))
"""


def order(runs: int = 3, allocators: tuple[str, ...] = ("keep", "as-is")) -> None:
    """One size at dim 128, batch 4, after other sizes in the same process: the same ms, whatever ran before?"""
    for allocator in allocators:
        for tokens in ORDERS:
            for _ in range(runs):
                command = [sys.executable, "-c", IN_ORDER, json.dumps(tokens), allocator]
                rows: list[list[Any]] = json.loads(output(command, ROOT))
                said = ", ".join(
                    f"{mixer} {median:.3f} ms ({low:.3f} to {high:.3f}; {faults:,.0f} faults a call)"
                    for mixer, median, low, high, faults, _ in rows
                )
                print(f"{allocator}, tokens {' then '.join(map(str, tokens))}: {said}, ratio {rows[1][-1]:.3f}")
