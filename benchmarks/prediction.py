"""Predicted against measured time at sizes that no calibration has, by four predictors on the same rows; and networks.

Rows and networks are timed in CPU time of one thread, one pass before the calibration and one after it, and the lesser
of the two lower quartiles counts, as in calibrations: the speed of a machine is another from one minute to the next.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from math import exp, log
from pathlib import Path
from typing import NamedTuple

import torch

from skaprof.analysis.costs import cost_row
from skaprof.analysis.kernel_model import Predicted
from skaprof.analysis.plan import Variant
from skaprof.analysis.roofline_rows import RooflinePoint, mixer_row, predict_by_rates
from skaprof.bench.allocator import put_allocator
from skaprof.bench.chains import Chain, chains, timed_chain
from skaprof.bench.predicting import Predictor
from skaprof.model.choice import parse_backbone
from skaprof.model.hardware import Hardware, find_hardware
from skaprof.model.network import Network, make_network
from skaprof.model.spec import parse_mixer
from skaprof.nn.backbones import build_network
from skaprof.nn.build import build_mixer
from skaprof.workload import MODES, Workload, nearly_square

TOKENS, DIMS, BATCHES = (77, 81, 144, 289), (96, 160, 320), (1, 2, 4)
MIXERS, FORMS = ("mhsa", "ska", "cska"), ("eager", "sdpa")
NETWORKS = ("caformer_s18", "caformer_s18[stage3=ska]", "vit_tiny")
ROW_SECONDS, NETWORK_SECONDS = 0.15, 1.5
MOST_CHAINS = 700
"""More than a calibration of three minutes times: what has the shape of one of them is no row."""


class Row(NamedTuple):
    """A mixer in a form at a size, and its seconds."""

    point: RooflinePoint
    seconds: float

    @property
    def group(self) -> str:
        """Mixer and form."""
        return f"{self.point.variant.spec.text} {self.point.variant.implementation}"


def prediction(budget: int = 180) -> None:
    """Calibrates for so many seconds, times the rows, and prints how far each predictor is off, as markdown."""
    torch.set_num_threads(1)
    put_allocator("keep")
    known = {chain.shape for chain in islice(chains(), MOST_CHAINS)}
    points = [point for point in _points() if _chain(point).shape not in known]
    own, networks = [_chain(point) for point in points], list(_networks())
    first = _pass(own, networks)
    machine = _calibrated(budget)
    second = _pass(own, networks)
    seconds = list(map(min, zip(first, second, strict=True)))
    rows = [Row(point, taken) for point, taken in zip(points, seconds, strict=False)]
    assert machine.kernels is not None
    predictor = Predictor(machine.kernels, machine.peaks)
    said = {id(row.point): _of_ops(predictor, row.point) for row in rows}
    _tables(rows, machine, said)
    print("\n| network at 224 x 224 | mode | predicted (ms) | measured (ms) | off |\n|---|---|---:|---:|---:|")
    for (text, network, mode, _), taken in zip(networks, seconds[len(rows) :], strict=True):
        _print_network(text, mode, predictor.network(network, "float32", mode)["total"], taken)


def _calibrated(budget: int) -> Hardware:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "machine.toml"
        command = [sys.executable, "-m", "skaprof", "calibrate", "--device", "cpu", "--budget", str(budget)]
        start = time.perf_counter()
        subprocess.run([*command, "--output", str(path)], check=True)
        print(f"calibrated in {time.perf_counter() - start:.0f} s, start and ceilings included")
        return find_hardware(str(path))


def _points() -> Iterator[RooflinePoint]:
    for spec in map(parse_mixer, MIXERS):
        kernel = spec.resolve_kernel_size()
        for form in FORMS:
            for tokens in TOKENS:
                for dim in DIMS:
                    for batch in BATCHES:
                        w = Workload(batch, *nearly_square(tokens), *spec.resolve_channels(dim), kernel)
                        yield RooflinePoint(Variant(spec, form), w)


def _chain(point: RooflinePoint) -> Chain:
    w, variant = point.workload, point.variant
    shape = w.batch, w.height, w.width, w.dim
    return Chain(lambda: build_mixer(variant.spec, w, variant.implementation), shape, False)


Whole = tuple[str, Network, str, Chain]


def _networks() -> Iterator[Whole]:
    for text in NETWORKS:
        choice = parse_backbone(text)
        network = make_network(choice, choice.backbone.resolution, choice.backbone.resolution)
        shape = 1, 3, network.height, network.width
        for mode in MODES:
            yield text, network, mode, _network_chain(network, shape, trains=mode == "train")


def _network_chain(network: Network, shape: tuple[int, ...], *, trains: bool) -> Chain:
    return Chain(lambda: build_network(network), shape, trains)


def _pass(own: Iterable[Chain], networks: Iterable[Whole]) -> list[float]:
    found = [timed_chain(chain, ROW_SECONDS).seconds for chain in own]
    return found + [timed_chain(chain, NETWORK_SECONDS).seconds for *_, chain in networks]


def _of_ops(predictor: Predictor, point: RooflinePoint) -> Predicted:
    return predictor.mixer(point.variant.spec, point.workload, point.variant.implementation)


Predict = Callable[[RooflinePoint], float]


def _tables(rows: Sequence[Row], machine: Hardware, said: dict[int, Predicted]) -> None:
    predictors = _predictors(machine, rows, said)
    assert machine.kernels is not None
    print(f"\n{len(rows)} rows, none of whose sizes the calibration has; beside ops: {dict(machine.kernels.calls)}\n")
    print("| predictor | median error | 90th percentile | in the middle | within 5 % | within 10 % |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, predict in predictors.items():
        off = [predict(row.point) / row.seconds - 1 for row in rows]
        sizes = sorted(map(abs, off))
        within = [sum(each <= limit for each in sizes) / len(sizes) for limit in (0.05, 0.1)]
        print(
            f"| {name} | {100 * statistics.median(sizes):.1f} % | {100 * sizes[int(0.9 * len(sizes))]:.1f} % | "
            f"{100 * statistics.median(off):+.1f} % | {100 * within[0]:.0f} % | {100 * within[1]:.0f} % |"
        )
    groups = list(dict.fromkeys(row.group for row in rows))
    print(f"\n| median error | {' | '.join(groups)} |\n|---|{'---:|' * len(groups)}")
    for name, predict in predictors.items():
        medians = (
            statistics.median(abs(predict(row.point) / row.seconds - 1) for row in rows if row.group == group)
            for group in groups
        )
        print(f"| {name} | {' | '.join(f'{100 * each:.1f} %' for each in medians)} |")
    held = [said[id(row.point)] for row in rows]
    covered = sum((each.low or 0) <= row.seconds <= (each.high or 0) for row, each in zip(rows, held, strict=True))
    print(f"\nThe intervals, for nine in ten, hold {covered} of {len(rows)} rows, {100 * covered / len(rows):.0f} %.")


def _predictors(machine: Hardware, rows: Sequence[Row], said: dict[int, Predicted]) -> dict[str, Predict]:
    def macs(point: RooflinePoint) -> float:
        return float(cost_row(point.variant, point.workload).macs)

    factor = exp(statistics.fmean(log(row.seconds / macs(row.point)) for row in rows))
    by_rates = predict_by_rates(machine)
    return {
        "proportional to MACs, fitted to these rows": lambda point: factor * macs(point),
        "roofline of the calibrated ceilings": lambda point: mixer_row(point, machine, "float32").ideal_ms / 1e3,
        "rates of kernels by their work (dbb2b04)": lambda point: by_rates(point).seconds or 0.0,
        "ops in calls": lambda point: said[id(point)].seconds or 0.0,
    }


def _print_network(text: str, mode: str, said: Predicted, seconds: float) -> None:
    if said.seconds is None:
        print(f"| {text} | {mode} | never timed: {', '.join(said.unknown)} | {1e3 * seconds:.1f} | |")
        return
    off = f"{100 * (said.seconds / seconds - 1):+.1f} %"
    print(f"| {text} | {mode} | {1e3 * said.seconds:.1f} | {1e3 * seconds:.1f} | {off} |")
