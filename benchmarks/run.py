"""Start-up, sweep and proof, each against a yardstick measured in the same run. Reports ratios; asserts nothing.

python benchmarks/run.py            # startup, sweep, verify, report, search, counting, training: about a minute
python benchmarks/run.py startup    # one of them
python benchmarks/run.py timers     # ten runs of each timer, idle and loaded: 30 minutes, and 3 with `timers 2 4`
python benchmarks/run.py steady     # one timing in ten processes, idle and loaded: 12 minutes
python benchmarks/run.py order      # one size after others in one process: 5 minutes
python benchmarks/run.py prediction # four predictors on rows that none has seen: 7 minutes, 3 of them calibrating
python benchmarks/run.py runtimes   # ONNX Runtime and OpenVINO beside their own benchmark tools: 2 minutes
python benchmarks/run.py cluster    # what a cluster costs beside what is measured, on local:2: 1 minute
python benchmarks/run.py tiled      # every attention in every form, now and before: 6 minutes; `tiled 60` is steadier
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time

import cluster
import counting
import prediction
import runtimes
import search
import tiled
import timers

ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env=ENVIRONMENT)
    return time.perf_counter() - start


def compare(name: str, ours: list[str], yardstick: list[str], rounds: int, goal: float) -> None:
    """The two in turn, forward then reversed, and the median of the rounds' ratios."""
    pairs = []
    for round_number in range(rounds + 1):
        if round_number % 2:
            theirs_first = seconds(yardstick)
            pairs.append((seconds(ours), theirs_first))
        else:
            ours_first = seconds(ours)
            pairs.append((ours_first, seconds(yardstick)))
    pairs = pairs[1:]  # the first round warms the disk cache
    ratios = sorted(a / b for a, b in pairs)
    medians = [statistics.median(column) for column in zip(*pairs, strict=True)]
    print(
        f"{name}: {medians[0]:.3f} s against {medians[1]:.3f} s, ratio {statistics.median(ratios):.2f} "
        f"(quartiles {ratios[len(ratios) // 4]:.2f} to {ratios[3 * len(ratios) // 4]:.2f}, {rounds} rounds, "
        f"goal at most {goal})"
    )


def startup() -> None:
    compare(
        "skaprof flops --dim 256 / import typer, rich.console, rich.table",
        [sys.executable, "-m", "skaprof", "flops", "--dim", "256"],
        python("import typer, rich.console, rich.table"),
        rounds=30,
        goal=1.2,
    )


def verify() -> None:
    compare(
        "skaprof flops --verify / import torch, fvcore.nn",
        [sys.executable, "-m", "skaprof", "flops", "--verify"],
        python("import torch, fvcore.nn"),
        rounds=5,
        goal=3,
    )


def report() -> None:
    with tempfile.TemporaryDirectory() as folder:
        compare(
            "skaprof report --analytic-only / import matplotlib.pyplot, pandas",
            [sys.executable, "-m", "skaprof", "report", "--analytic-only", "--force", "--output", f"{folder}/report"],
            python("import matplotlib.pyplot, pandas"),
            rounds=9,
            goal=3,
        )


def sweep() -> None:
    code = (
        "import resource, time, numpy, pandas, skaprof, skaprof.api, skaprof.analysis.columns\n"
        "start = time.perf_counter()\n"
        "frame = skaprof.sweep(tokens=[side * side for side in range(1, 1001)], dim='32:10688:32')\n"
        "took = time.perf_counter() - start\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20\n"
        "print(f'sweep of {len(frame):,} configurations: {took:.3f} s after imports (goal at most 1), '\n"
        "      f'peak memory of the process {peak:.2f} GiB (goal under 1)')"
    )
    subprocess.run(python(code), check=True, env=ENVIRONMENT)


def train() -> None:
    import training  # which loads PyTorch

    training.training()


BENCHMARKS = {"startup": startup, "sweep": sweep, "verify": verify, "report": report, "search": search.search}
BENCHMARKS |= {"counting": counting.counting, "training": train}

LONG = {
    "cluster": cluster.cluster,
    "timers": timers.timers,
    "steady": timers.steady,
    "order": timers.order,
    "tiled": tiled.tiled,
    "runtimes": runtimes.main,
    "prediction": prediction.prediction,
}
"""Not among all; the runs may follow their name, and the seconds of each."""

if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in LONG:
        LONG[sys.argv[1]](*map(int, sys.argv[2:]))
    else:
        for chosen in sys.argv[1:] or BENCHMARKS:
            BENCHMARKS[chosen]()
