"""Times in ONNX Runtime and OpenVINO beside these runtimes' own benchmark tools, on one thread and the wall clock.

Both tools are given the file that was timed: `onnxruntime_test`, which has no option for it, with its session's options
set to one thread (pinned to one core instead, it took twice as long a call; its figure is a mean, so that several short
runs of it are taken, and their median), and `benchmark_app` told one thread and float32.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

SIZES = ((49, 512), (196, 384), (784, 128))
"""Tokens and dim, of MHSA in its eager form, batch 1."""
TURNS = 4
ONNXRUNTIME_TEST = """
import onnxruntime
from onnxruntime.tools import onnxruntime_test

options, made = onnxruntime.SessionOptions(), onnxruntime.InferenceSession
options.intra_op_num_threads = 1
onnxruntime.InferenceSession = lambda path, sess_options, **others: made(path, options, **others)
onnxruntime_test.main()
"""
ONE_THREAD = ("-d", "CPU", "-api", "sync", "-hint", "none", "-nstreams", "1", "-nthreads", "1")
ONE_THREAD += ("-infer_precision", "f32", "-t", "1")


def own_ms(entry: Any, runtime: str) -> float:
    """The median by the wall clock."""
    from skaprof.bench.configuration import Options, open_device
    from skaprof.bench.measuring import measure_configuration
    from skaprof.bench.runtimes import InRuntime

    device = open_device("cpu", runtimes=(runtime,))
    contender = InRuntime(entry, runtime, "float32")
    options = Options(clock="wall", baseline=f"{contender.name} ({contender.form})")
    (row,) = measure_configuration([contender], options, device, device.now() + 2)
    return float(row["wall_ms"])


def tool_ms(runtime: str, file: Path, calls: int) -> float:
    """What the runtime's own tool says."""
    if runtime == "onnxruntime":
        command = [sys.executable, "-c", ONNXRUNTIME_TEST, str(file), str(calls)]
        found = r"avg latency: ([\d.]+) ms"
    else:
        tool = str(Path(sys.executable).parent / "benchmark_app")
        command, found = [tool, "-m", str(file), *ONE_THREAD], r"Median:\s+([\d.]+) ms"
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(re.findall(found, done.stdout)[0])


def main() -> None:
    """Each size and runtime: ours and the tool's in turn."""
    import torch

    from skaprof.analysis.plan import SizeGrid, make_plan
    from skaprof.bench.configuration import configurations
    from skaprof.bench.onnx_export import export
    from skaprof.grids import token_grid_sides
    from skaprof.model.spec import parse_mixer

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mhsa.onnx"
        for tokens, dim in SIZES:
            sides = token_grid_sides(str(tokens), None, None, None, 1)
            plan = make_plan([parse_mixer("mhsa")], SizeGrid((1,), sides, (dim,)))
            ((entry,),) = configurations(plan, ("eager",))
            made = entry.exportable()
            file.write_bytes(export(made.module, made.x).data)
            for runtime in ("onnxruntime", "openvino"):
                ours: list[float] = []
                theirs: list[float] = []
                for _ in range(TURNS):
                    ours.append(own_ms(entry, runtime))
                    theirs.append(tool_ms(runtime, file, max(20, round(500 / ours[-1]))))
                one, other = median(ours), median(theirs)
                print(
                    f"{runtime}, {tokens} tokens, dim {dim}: {one:.3f} ms, its own tool {other:.3f} ms, "
                    f"ratio {one / other:.3f} (ours {min(ours):.3f} to {max(ours):.3f}, "
                    f"theirs {min(theirs):.3f} to {max(theirs):.3f})"
                )
