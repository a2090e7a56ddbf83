"""Predicted against measured time at sizes that no calibration has, by four predictors on the same rows; and networks.

The rows are timed in CPU time of one thread, in two passes, the lesser of two lower quartiles, as calibrations are.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from math import exp, log
from pathlib import Path
from typing import NamedTuple

import torch

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.analysis.roofline_rows import RooflinePoint, mixer_row
from skaprof.bench.allocator import put_allocator
from skaprof.bench.chains import Chain, timed_chain
from skaprof.bench.predicting import Predictor
from skaprof.model.choice import parse_backbone
from skaprof.model.hardware import Hardware, find_hardware
from skaprof.model.network import make_network
from skaprof.model.spec import parse_mixer
from skaprof.nn.backbones import build_network
from skaprof.nn.build import build_mixer
from skaprof.workload import Workload, nearly_square

TOKENS, DIMS, BATCHES = (81, 144, 289), (96, 160, 320), (1, 4)
MIXERS, FORMS = ("mhsa", "ska", "cska"), ("eager", "sdpa")
NETWORKS = ("caformer_s18", "caformer_s18[stage3=ska]", "vit_tiny")
SECONDS = 0.3


class Row(NamedTuple):
    """A mixer in a form at a size, and its seconds."""

    point: RooflinePoint
    seconds: float


def prediction(budget: int = 180) -> None:
    """Calibrates for so many seconds, times the rows, and prints how far each predictor is off."""
    torch.set_num_threads(1)
    put_allocator("keep")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "machine.toml"
        command = [sys.executable, "-m", "skaprof", "calibrate", "--device", "cpu", "--budget", str(budget)]
        subprocess.run([*command, "--output", str(path)], check=True)
        machine = find_hardware(str(path))
    assert machine.kernels is not None
    predictor = Predictor(machine.kernels)
    rows = list(_rows())
    print(f"{len(rows)} rows, none of whose sizes the calibration has; beside ops: {dict(machine.kernels.calls)}")
    for name, predict in _predictors(machine, predictor, rows).items():
        _print(name, rows, predict)
    for text in NETWORKS:
        for mode in ("forward", "train"):
            _network(text, mode, predictor)


Predict = Callable[[RooflinePoint], float]


def _predictors(machine: Hardware, predictor: Predictor, rows: list[Row]) -> dict[str, Predict]:
    def macs(point: RooflinePoint) -> float:
        return float(cost_row(point.variant, point.workload).macs)

    factor = exp(statistics.fmean(log(row.seconds / macs(row.point)) for row in rows))

    def by_rates(point: RooflinePoint) -> float:
        return (mixer_row(point, machine, "float32").predicted_ms or 0) / 1e3

    def by_ops(point: RooflinePoint) -> float:
        return predictor.mixer(point.variant.spec, point.workload, point.variant.implementation).seconds or 0

    return {
        "proportional to MACs, fitted to these rows": lambda point: factor * macs(point),
        "roofline of the calibrated ceilings": lambda point: mixer_row(point, machine, "float32").ideal_ms / 1e3,
        "rates of kernels by their work (dbb2b04)": by_rates,
        "ops in calls": by_ops,
    }


def _rows() -> Iterator[Row]:
    """Each size timed in two passes."""
    points = [
        RooflinePoint(Variant(spec, form), Workload(batch, *nearly_square(tokens), *spec.resolve_channels(dim), kernel))
        for spec in map(parse_mixer, MIXERS)
        for kernel in [spec.resolve_kernel_size()]
        for form in FORMS
        for tokens in TOKENS
        for dim in DIMS
        for batch in BATCHES
    ]
    passes = [[timed_chain(_chain(point), SECONDS).seconds for point in points] for _ in range(2)]
    for point, *seconds in zip(points, *passes, strict=True):
        yield Row(point, min(seconds))


def _chain(point: RooflinePoint) -> Chain:
    w, variant = point.workload, point.variant
    shape = w.batch, w.height, w.width, w.dim
    return Chain(lambda: build_mixer(variant.spec, w, variant.implementation), shape, False)


def _print(name: str, rows: list[Row], predict: Predict) -> None:
    off = [(row, predict(row.point) / row.seconds - 1) for row in rows]
    sizes = sorted(abs(each) for _, each in off)
    within = [sum(each <= limit for each in sizes) / len(sizes) for limit in (0.05, 0.1)]
    print(
        f"| {name} | {100 * statistics.median(sizes):.1f} % | {100 * sizes[int(0.9 * len(sizes))]:.1f} % | "
        f"{100 * within[0]:.0f} % | {100 * within[1]:.0f} % |"
    )
    groups: dict[str, list[float]] = {}
    for row, each in off:
        groups.setdefault(f"{row.point.variant.spec.text} {row.point.variant.implementation}", []).append(each)
    medians = (f"{group} {100 * statistics.median(map(abs, each)):.1f}" for group, each in groups.items())
    print(f"  median, %: {', '.join(medians)}; in the middle {100 * statistics.median(e for _, e in off):+.1f} %")


def _network(text: str, mode: str, predictor: Predictor) -> None:
    choice = parse_backbone(text)
    network = make_network(choice, choice.backbone.resolution, choice.backbone.resolution)
    said = predictor.network(network, "float32", mode)["total"]
    shape = 1, 3, network.height, network.width
    chain = Chain(lambda: build_network(network), shape, mode == "train")
    seconds = min(timed_chain(chain, 3.0).seconds for _ in range(2))
    if said.seconds is None:
        print(f"{text}, {mode}: not predicted: {', '.join(said.unknown)}")
        return
    print(
        f"{text}, {mode}: predicted {1e3 * said.seconds:.1f} ms, measured {1e3 * seconds:.1f} ms, "
        f"{100 * (said.seconds / seconds - 1):+.1f} %"
    )
