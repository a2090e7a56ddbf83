"""skaprof's timer against others on one GPU: triton's do_bench and cuda-bench (nvbench); against itself; and A/A.

Each check has its limit: medians within 3 % of each other timer on kernels of at least 200 us, two runs of ours within
1 %, the same module under another name `same`. Exit code 1 if one does not hold. On `--device cpu` the last two alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from skaprof.bench.configuration import Entry, Options, open_device
from skaprof.bench.contenders import build
from skaprof.bench.measuring import measure_configuration

GPU_ENTRIES = (
    Entry("mhsa", "forward", "bfloat16", "sdpa", (128, 14, 14, 768, 24, 32, None)),
    Entry("ska", "forward", "bfloat16", "eager", (128, 14, 14, 384, 12, 32, None)),
    Entry("cska", "forward", "bfloat16", "eager", (32, 14, 14, 384, 12, 32, 3)),
)
CPU_ENTRIES = (Entry("mhsa", "forward", "float32", "sdpa", (1, 14, 14, 384, 12, 32, None)),)
SHORTEST_MS = 0.2
LIMIT_OTHERS, LIMIT_REPEAT = 0.03, 0.01


def ours(entry: Entry, device: str) -> tuple[float | None, str, list[str]]:
    """Our median in ms; the verdict of the same module under another name; and the run's flags."""
    twin = replace(entry, mixer=f"{entry.mixer}:bias=false")
    options = Options(device, "cold" if device == "cuda" else "hot", baseline=f"{entry.mixer} ({entry.implementation})")
    rows = measure_configuration([entry, twin], options, open_device(device))
    return rows[0]["median_ms"], rows[1]["verdict"], rows[0]["flags"]


def triton_ms(call: Callable[[], object]) -> float | None:
    """do_bench's median, None where triton is not installed."""
    try:
        from triton.testing import do_bench
    except ModuleNotFoundError:
        return None
    return float(do_bench(call, warmup=100, rep=500, return_mode="median"))


def nvbench_ms(place: int) -> float | None:
    """cuda-bench's median of cold samples, None where cuda-bench is not installed. It runs once a process."""
    program = [sys.executable, __file__, "--nvbench", str(place)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(done.stdout.splitlines()[-1])


def run_nvbench(call: Callable[[], object]) -> float | None:
    """What `nvbench_ms` runs in a process of its own."""
    try:
        from cuda import bench
        from cuda.bench.results import BenchmarkResult
    except ImportError:
        return None

    def benchmark(state: Any) -> None:
        def launch(launched: Any) -> None:
            stream = torch.cuda.ExternalStream(launched.get_stream().addressof())
            with torch.cuda.stream(stream):
                call()

        state.exec(launch, batched=False)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nvbench.json"
        bench.register(benchmark).set_name("call")
        bench.run_all_benchmarks(["check_timers", "--json", str(path), "--benchmark", "call", "--timeout", "10"])
        (state,) = BenchmarkResult.from_json(path)["call"].states
    return float(state.summaries["nv/cold/time/gpu/median"].value) * 1e3


def built_call(entry: Entry) -> Callable[[], object]:
    """One call of the entry."""
    return build(entry.variant, entry.workload, entry.implementation, "cuda", "cold", 0).contender.run


def other_timers(entry: Entry) -> dict[str, float | str | None]:
    """Each other timer's median in ms; what it said where it failed."""
    timers: dict[str, Callable[[], float | None]] = {
        "triton do_bench": lambda: triton_ms(built_call(entry)),
        "cuda-bench": lambda: nvbench_ms(GPU_ENTRIES.index(entry)),
    }
    found: dict[str, float | str | None] = {}
    for name, timer in timers.items():
        try:
            found[name] = timer()
        except Exception as error:  # another program's fault is a line of the report, not the end of it
            found[name] = f"failed: {error}"
    return found


def checks_of(entry: Entry, device: str) -> list[dict[str, Any]]:
    """Every check of one kernel: what was found, the limit, and whether it holds (None: not measured)."""
    first, verdict, flags = ours(entry, device)
    second, _, _ = ours(entry, device)
    name = f"{entry.mixer} ({entry.implementation}), {entry.workload.tokens} tokens, dim {entry.workload.dim}"
    checks = [
        {"kernel": name, "check": "two runs", "ours_ms": first, "other_ms": second, "limit": LIMIT_REPEAT},
        {"kernel": name, "check": "A/A", "found": verdict, "flags": flags, "holds": verdict == "same"},
    ]
    others = other_timers(entry) if device == "cuda" else {}
    checks += [
        {"kernel": name, "check": other, "ours_ms": first, "other_ms": found, "limit": LIMIT_OTHERS}
        for other, found in others.items()
    ]
    for check in checks[:1] + checks[2:]:
        other = check["other_ms"]
        measured = isinstance(other, float) and check["ours_ms"] is not None
        check["off"] = abs(check["ours_ms"] / other - 1) if measured else None
        long_enough = measured and (check["ours_ms"] >= SHORTEST_MS or check["check"] == "two runs")
        check["holds"] = check["off"] <= check["limit"] if long_enough else None
    return checks


def line(check: dict[str, Any]) -> str:
    """One check in words."""
    said = {True: "holds", False: "DOES NOT HOLD", None: "not measured"}[check["holds"]]
    if check["check"] == "A/A":
        return f"{check['kernel']}: A/A is {check['found']} ({', '.join(check['flags'])}): {said}"
    off = f"{100 * check['off']:.2f} % off" if check["off"] is not None else str(check["other_ms"])
    ours = f"{check['ours_ms']:.4f} ms" if check["ours_ms"] is not None else "no median of ours"
    return f"{check['kernel']}: {check['check']}: {ours}, {off}: {said}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--output", type=Path)
    parser.add_argument("--nvbench", type=int, metavar="PLACE", help="print cuda-bench's median of this kernel alone")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("check_timers: needs a CUDA GPU")
    if arguments.nvbench is not None:
        print(json.dumps(run_nvbench(built_call(GPU_ENTRIES[arguments.nvbench]))))
        return
    entries = GPU_ENTRIES if arguments.device == "cuda" else CPU_ENTRIES
    checks = [check for entry in entries for check in checks_of(entry, arguments.device)]
    if arguments.output:
        arguments.output.write_text(json.dumps(checks, indent=2) + "\n")
    print("\n".join(map(line, checks)))
    sys.exit(any(check["holds"] is False for check in checks))


if __name__ == "__main__":
    main()
