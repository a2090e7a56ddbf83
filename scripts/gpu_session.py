"""All GPU checks and reports in one go: python scripts/gpu_session.py [--runs FOLDER] [--report FOLDER]

Compares the timer with others, times the paper's stage sizes, the heads of figure 3, the Triton kernel against every
other form, all implementations and the ways of timing, and writes reports/<gpu name>/. It keeps to --budget seconds
(520 unless told), the most important first; run it again with the same --runs and it goes on where it stopped (on
another GPU of the same name, with the files that are not whole from the start). It changes no setting of the GPU. The
last thing it prints is a short table. Needs PyTorch with CUDA, and Triton for its kernel; cuda-bench and Triton's timer
are compared with where they are installed. `--device cpu` tries the script itself out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STAGES = (("28x28", 128), ("14x14", 320), ("7x7", 512), ("14x14", 384), ("14x14", 768), ("56x56", 64))
"""Token grid and dim of CAFormer-S18's four stages, of ViT-S and of ViT-B; the largest last, since it takes longest."""
KERNEL_SIZES = (("28x28", 128), ("56x56", 64))
"""Where the Triton kernel is held against every other form, forward and in training."""
CHOICES = {"--implementation": "eager,sdpa", "--batch": "1", "--dtype": "one", "--mode": "one", "--heads": "one"}
"""Options whose values make a row each, and their defaults."""
TIMER_SECONDS, START_SECONDS, GRACE_SECONDS = 70, 8, 40


@dataclass(frozen=True)
class Step:
    """One `skaprof latency` run: the file it fills, and about how long it may take."""

    name: str
    seconds: int
    arguments: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many rows it makes: of three mixers, one for each choice."""
        options = dict(zip(self.arguments, self.arguments[1:], strict=False))
        lists = [options.get(name, default) for name, default in CHOICES.items()]
        return 3 * prod(len(values.split(",")) for values in lists)


def latency(name: str, seconds: int, size: str, dim: int, *more: str) -> Step:
    """A `skaprof latency` run at one size."""
    return Step(name, seconds, ("--size", size, "--dim", str(dim), *more))


def latency_steps(gpu: bool) -> list[Step]:
    """Everything to time, the most important first."""
    tf32 = ["--tf32"] if gpu else []
    batches = ("--batch", "1,32,128" if gpu else "1")
    both = ("--dtype", "bfloat16,float32", "--mode", "forward,train", *tf32)
    half = ("--batch", "32" if gpu else "1", "--dtype", "bfloat16")
    pinned = ("--implementation", "sdpa,sdpa-flash,sdpa-efficient,sdpa-cudnn,sdpa-math", "--baseline", "mhsa/sdpa")
    other = ("--implementation", "eager,channels-last,tiled,compile")
    kernels = ("--implementation", "eager,sdpa,tiled,triton", "--mode", "forward,train")
    ways = ("cold", "hot", "graph", "graph-resident", "wall") if gpu else ("cold", "hot", "wall")
    return [
        *(latency(f"stage-{size}-d{dim}", 52, size, dim, *batches, *both) for size, dim in STAGES),
        latency("heads", 35, "14x14", 384, "--heads", "1,2,4,8,16,32", "--batch", "8", "--implementation", "sdpa"),
        *(latency(f"triton-{size}-d{dim}", 50, size, dim, *half, *kernels) for size, dim in KERNEL_SIZES),
        *(latency(f"backends-{size}-d{dim}", 25, size, dim, *half, *pinned) for size, dim in STAGES),
        *(latency(f"timing-{way}", 20, "14x14", 384, *half, "--timing", way) for way in ways),
        *(latency(f"compiled-{size}-d{dim}", 75, size, dim, *half, *other) for size, dim in STAGES),
    ]


class Session:
    """A folder of runs that fills, and the time that is left."""

    def __init__(self, runs: Path, device: str, budget: float) -> None:
        self.runs, self.device = runs, device
        self.end = time.monotonic() + budget
        self.said: list[tuple[str, str]] = []
        self.gpu = identity(device)

    @property
    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self.end - time.monotonic()

    def has_time(self, name: str, seconds: float) -> bool:
        """Whether to start this; if not, that is noted."""
        if self.left >= START_SECONDS + seconds / 4:
            print(f"{name}, {self.left:.0f} s left", flush=True)
            return True
        self.said.append((name, "no time left: run the script again"))
        return False

    def check_timers(self) -> None:
        """The comparison with other timers, once."""
        path = self.runs / "timers.json"
        if path.exists() or not self.has_time("timers", TIMER_SECONDS):
            return
        arguments = ("scripts/check_timers.py", "--device", self.device, "--output", str(path))
        failed = run(TIMER_SECONDS + GRACE_SECONDS, *arguments)
        self.said.append(("timers", failed or "all hold"))

    def latency(self, step: Step) -> None:
        """Fill the step's file, go on with it, or leave it where it is whole."""
        path = self.runs / f"{step.name}.jsonl"
        head, rows = saved(path)
        ended = [row for row in rows if "few-rounds" not in row["flags"]]
        if len(ended) == step.rows or not self.has_time(step.name, step.seconds):
            return
        here = head and head["environment"].get("gpu_uuid") == self.gpu.get("uuid")
        seconds = min(step.seconds, self.left - START_SECONDS)
        limit = ("--max-seconds", f"{seconds:.0f}", "--device", self.device, "--format", "csv")
        limit += ("--threads", "1") if self.device == "cpu" else ()  # whose CPU time others do not add to
        where = ("--resume", str(path)) if here else ("--force", "--output", str(path))
        failed = run(seconds + GRACE_SECONDS, "-m", "skaprof", "latency", *step.arguments, *limit, *where)
        _, rows = saved(path)
        self.said.append((step.name, f"{failed} {summary(rows)}".strip()))

    def report(self, folder: Path) -> str:
        """The report of all runs so far."""
        files = sorted(path for path in self.runs.glob("*.jsonl") if saved(path)[1])
        if not files:
            return "nothing was measured"
        named = [option for path in files for option in ("--latency", str(path))]
        failed = run(120, "-m", "skaprof", "report", "--force", "--output", str(folder), *named)
        return failed or f"written to {folder}"


def run(seconds: float, *arguments: str) -> str:
    """Run a Python program; what went wrong if something did."""
    try:
        done = subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return f"stopped after {seconds:.0f} s;"
    if arguments[0].endswith(".py"):
        print(done.stdout, flush=True)
    words = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no message"]
    return f"exit {done.returncode}: {words[-1]};" if done.returncode else ""


def saved(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A file's header and rows; nothing where there is no such file, or it is damaged."""
    try:
        head, *rows = map(json.loads, path.read_text().splitlines())
    except (OSError, ValueError):
        return {}, []
    return head, rows


def summary(rows: list[dict[str, Any]]) -> str:
    """How many rows came out how."""
    verdicts = Counter(row["verdict"] for row in rows)
    flags = Counter(flag for row in rows for flag in row["flags"])
    return "; ".join(", ".join(f"{count} {name}" for name, count in found.most_common()) for found in (verdicts, flags))


def identity(device: str) -> dict[str, str]:
    """Name and UUID of the GPU, asked in a process of its own: this one must not hold the GPU."""
    if device == "cpu":
        return {"name": "cpu"}
    program = (
        "import json, torch; p = torch.cuda.get_device_properties(0); "
        "print(json.dumps({'name': p.name, 'uuid': str(p.uuid)}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit("gpu_session: needs a CUDA GPU; --device cpu tries the script out")
    found: dict[str, str] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, help="raw results; default: runs/<gpu name>")
    parser.add_argument("--report", type=Path, help="the report's folder; default: reports/<gpu name>")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--budget", type=float, default=520, metavar="SECONDS")
    arguments = parser.parse_args()
    name = identity(arguments.device)["name"].lower().replace(" ", "-")
    runs = arguments.runs.resolve() if arguments.runs else Path("runs", name)  # as it stands in the files
    report = arguments.report.resolve() if arguments.report else Path("reports", name)
    os.chdir(ROOT)
    runs.mkdir(parents=True, exist_ok=True)
    session = Session(runs, arguments.device, arguments.budget)
    session.check_timers()
    for step in latency_steps(gpu=arguments.device == "cuda"):
        session.latency(step)
    session.said.append(("report", session.report(report)))
    width = max(len(name) for name, _ in session.said)
    print("\n".join(f"{name:{width}}  {said}" for name, said in session.said))


if __name__ == "__main__":
    main()
