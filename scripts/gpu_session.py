"""All GPU checks and reports in one go: python scripts/gpu_session.py [FOLDER]

Compares the timer with others, times the paper's stage sizes, figure 3, all implementations and the ways of timing, and
writes reports/<gpu name>/. It keeps to --budget seconds (520 unless told), the most important first; run it again and
it goes on where it stopped. It changes no setting of the GPU. The last thing it prints is a short table. Needs PyTorch
with CUDA; cuda-bench and triton are compared with where they are installed. `--device cpu` tries the script itself out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAGES = (("56x56", 64), ("28x28", 128), ("14x14", 320), ("7x7", 512), ("14x14", 384), ("14x14", 768))
"""Token grid and dim of CAFormer-S18's four stages, and of ViT-S and ViT-B."""
FIGURE_SECONDS, TIMER_SECONDS, START_SECONDS = 40, 70, 8


@dataclass(frozen=True)
class Step:
    """One command, the file it fills, and about how long it may take."""

    name: str
    seconds: int
    arguments: tuple[str, ...]


def latency(name: str, seconds: int, size: str, dim: int, *more: str) -> Step:
    """A `skaprof latency` run at one size."""
    return Step(name, seconds, ("--size", size, "--dim", str(dim), *more))


def latency_steps(gpu: bool) -> list[Step]:
    """Everything to time, the most important first."""
    dtypes = ("--dtype", "bfloat16,float32", *(["--tf32"] if gpu else []))
    batches = ("--batch", "1,32,128" if gpu else "1")
    half = ("--batch", "32" if gpu else "1", "--dtype", "bfloat16")
    ways = ("cold", "hot", "graph", "graph-resident", "wall") if gpu else ("cold", "hot", "wall")
    steps = [
        latency(f"stage-{size}-d{dim}", 62, size, dim, *batches, *dtypes, "--mode", "forward,train")
        for size, dim in STAGES
    ]
    steps += [
        latency(f"implementations-{size}-d{dim}", 70, size, dim, *half, "--implementation", "all", "--mode", modes)
        for (size, dim), modes in zip(reversed(STAGES), ("forward,train", *["forward"] * 5), strict=True)
    ]
    steps += [latency(f"timing-{way}", 20, "14x14", 384, *half, "--timing", way) for way in ways]
    return steps


class Session:
    """A folder that fills, and the time that is left."""

    def __init__(self, folder: Path, device: str, budget: float) -> None:
        self.folder, self.device = folder, device
        self.end = time.monotonic() + budget
        self.said: list[tuple[str, str]] = []

    @property
    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self.end - time.monotonic()

    def step(self, name: str, seconds: float, run: Callable[[float], str]) -> None:
        """Run it if there is time for it, and note what it said."""
        if self.left < START_SECONDS + seconds / 4:
            self.said.append((name, "no time left: run the script again"))
            return
        print(f"{name}, {self.left:.0f} s left", flush=True)
        self.said.append((name, run(min(seconds, self.left - START_SECONDS))))

    def latency(self, step: Step) -> None:
        """Fill the step's file, or go on with it."""
        path = self.folder / f"{step.name}.jsonl"
        where = ("--resume" if path.exists() else "--output", str(path))

        def run(seconds: float) -> str:
            limit = ("--max-seconds", f"{seconds:.0f}", "--device", self.device)
            failed = skaprof("latency", *step.arguments, *limit, *where, "--format", "csv")
            return failed or summary(path)

        self.step(step.name, step.seconds, run)


def skaprof(*arguments: str) -> str:
    """Run the program; the last line it said if it failed."""
    done = subprocess.run(
        [sys.executable, "-m", "skaprof", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return f"exit {done.returncode}: {done.stderr.strip().splitlines()[-1:]}" if done.returncode else ""


def summary(path: Path) -> str:
    """How many rows of a file came out how."""
    rows = [json.loads(line) for line in path.read_text().splitlines()[1:]]
    verdicts = Counter(row["verdict"] for row in rows)
    flags = Counter(flag for row in rows for flag in row["flags"])
    return "; ".join(", ".join(f"{count} {name}" for name, count in found.most_common()) for found in (verdicts, flags))


def gpu_name(device: str) -> str:
    """The folder's name: that of the device."""
    if device == "cpu":
        return "cpu"
    import torch

    if not torch.cuda.is_available():
        sys.exit("gpu_session: needs a CUDA GPU; --device cpu tries the script out")
    return torch.cuda.get_device_name(0).lower().replace(" ", "-")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="default: reports/<gpu name>")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--budget", type=float, default=520, metavar="SECONDS")
    arguments = parser.parse_args()
    folder: Path = (arguments.folder or ROOT / "reports" / gpu_name(arguments.device)).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    session = Session(folder, arguments.device, arguments.budget)
    steps = latency_steps(gpu=arguments.device == "cuda")

    def timers(seconds: float) -> str:
        program = [sys.executable, str(ROOT / "scripts" / "check_timers.py"), "--device", arguments.device]
        done = subprocess.run([*program, "--output", str(folder / "timers.json")], cwd=ROOT, check=False)
        return "all hold" if done.returncode == 0 else "NOT all hold"

    def figure(seconds: float) -> str:
        files = [option for suffix in ("png", "svg") for option in ("--output", str(folder / f"figure3.{suffix}"))]
        return skaprof("figure", "3", "--device", arguments.device, *files) or "drawn"

    if not (folder / "timers.json").exists():
        session.step("timers", TIMER_SECONDS, timers)
    for step in steps[: len(STAGES)]:
        session.latency(step)
    if not (folder / "figure3.svg").exists():
        session.step("figure 3", FIGURE_SECONDS, figure)
    for step in steps[len(STAGES) :]:
        session.latency(step)
    skaprof("env", "--format", "json", "--output", str(folder / "environment.json"))
    subprocess.run([sys.executable, str(ROOT / "scripts" / "latency_report.py"), str(folder)], cwd=ROOT, check=False)
    width = max(len(name) for name, _ in session.said)
    print("\n".join(f"{name:{width}}  {said}" for name, said in session.said))


if __name__ == "__main__":
    main()
