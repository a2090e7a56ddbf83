"""skaprof's timer against triton's do_bench on one GPU: medians, two runs of ours, and an A/A pair."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from skaprof.bench.configuration import Entry, Options, measure_configuration, open_device
from skaprof.bench.contenders import build

ENTRY = Entry("mhsa", "forward", "bfloat16", "sdpa", (128, 14, 14, 768, 24, 32, None))


def ours() -> dict[str, float | str]:
    """Our median in ms, and the verdict of the same mixer against itself under another name."""
    twin = replace(ENTRY, mixer="mhsa:bias=false")  # the same module under another name
    device = open_device("cuda")
    rows = measure_configuration([ENTRY, twin], Options("cuda", "cold", baseline="mhsa (sdpa)"), device)
    return {"median_ms": rows[0]["median_ms"], "aa_verdict": rows[1]["verdict"], "flags": ", ".join(rows[0]["flags"])}


def triton_median() -> float | None:
    """do_bench's median in ms of the same call, None where triton is not installed."""
    try:
        from triton.testing import do_bench
    except ModuleNotFoundError:
        return None
    built = build(ENTRY.variant, ENTRY.workload, ENTRY.implementation, "cuda")
    return float(do_bench(built.contender.run, warmup=200, rep=1000, return_mode="median"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--show", type=Path)
    arguments = parser.parse_args()
    if arguments.show:
        sys.stdout.write(arguments.show.read_text())
        return
    if not torch.cuda.is_available():
        sys.exit("check_timers: needs a CUDA GPU")
    first, second, triton = ours(), ours(), triton_median()
    found = {"first": first, "second": second, "triton_do_bench_median_ms": triton}
    found["second_over_first"] = float(second["median_ms"]) / float(first["median_ms"])
    found["ours_over_triton"] = float(first["median_ms"]) / triton if triton else None
    text = json.dumps(found, indent=2) + "\n"
    if arguments.output:
        arguments.output.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
