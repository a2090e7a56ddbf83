"""What a machine can do: peaks, bandwidth, launch cost; from data sheets, or measured by `skaprof calibrate`.

Every figure in a file has its unit beside it. All values here are in FLOP/s, B/s, B and s.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from math import exp, log
from typing import NamedTuple

from skaprof.errors import SkaprofError, bad_value, named, shown
from skaprof.model.kernel_times import KernelTimes, read_kernel_times
from skaprof.toml_file import TomlTable, read_toml
from skaprof.words import meant
from skaprof.workload import DTYPE_BYTES

UNITS = {
    "FLOP/s": {"MFLOP/s": 1e6, "GFLOP/s": 1e9, "TFLOP/s": 1e12},
    "B/s": {"MB/s": 1e6, "GB/s": 1e9, "TB/s": 1e12},
    "B": {"kB": 1e3, "MB": 1e6, "GB": 1e9},
    "s": {"ns": 1e-9, "us": 1e-6, "ms": 1e-3},
    "FLOP": {"kFLOP": 1e3, "MFLOP": 1e6, "GFLOP": 1e9, "TFLOP": 1e12},
}
"""Each dimension and the units a file may use for it, in its base unit."""

POSSIBLE = {"FLOP/s": (1e3, 1e17), "B/s": (1e3, 1e15), "B": (1.0, 1e14), "s": (1e-9, 1e-1), "FLOP": (1.0, 1e16)}
"""What no machine or kernel of today is below or above: a figure outside is a slip of unit."""

PEAK_NAMES = (*DTYPE_BYTES, "tf32")
KINDS = ("linear", "matmul", "conv2d", "depthwise", "attention", "attention_wide", "elementwise", "softmax", "unfold")
"""Kinds of kernel that a calibration tells apart. The first six are counted in FLOPs, the others in bytes moved."""
COUNTED_IN_FLOPS = KINDS[:6]

CALIBRATED_HEAD_DIM, CALIBRATED_KERNEL_SIZE = 32, 3
"""What the kernels of a calibration have; rates of others are taken to be the same."""

_FIGURE = re.compile(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*(\S*)\s*")
_KEYS = ("id", "name", "peaks", *(f"peak_{name}" for name in PEAK_NAMES), "vector", "bandwidth", "memory", "cache")
_TEXT_KEYS = ("source", "date")
_CALIBRATED_KEYS = ("launch", "versions")
_RATE_KEYS = ("kind", "dtype", "work", "rate")


class Rate(NamedTuple):
    """What one kernel of a kind reached, launch cost taken off: `per_second` FLOPs or bytes, at `work` of them."""

    kind: str
    dtype: str
    work: float
    per_second: float


class Hardware(NamedTuple):
    """A machine. What a file does not give is None, and no figure is derived from it.

    `peaks` dense matrix products in FLOP/s by dtype, and by "tf32"; `vector` other arithmetic in FLOP/s; `bandwidth`
    B/s; `memory` and `cache` B; `launch` s a kernel. `rates` and `kernels` are there where it was calibrated.
    """

    id: str
    name: str
    peaks: Mapping[str, float]
    vector: float | None
    bandwidth: float
    memory: float | None
    cache: float | None
    launch: float | None
    rates: tuple[Rate, ...]
    source: str
    date: str
    kernels: KernelTimes | None = None

    @property
    def calibrated(self) -> bool:
        """Whether times can be predicted: launch cost and rates were measured."""
        return self.launch is not None and bool(self.rates)

    def peak(self, name: str) -> float:
        """The peak under a dtype or "tf32", in FLOP/s.

        Raises:
            SkaprofError: this machine has no such figure.
        """
        if name not in self.peaks:
            raise SkaprofError(
                f"{named('hardware')}: {self.id} has no peak for {name}: expected a machine that has, or a dtype it "
                f"has a peak of: {', '.join(self.peaks)}"
            )
        return self.peaks[name]

    def rate(self, kind: str, dtype: str, work: float) -> float | None:
        """What a kernel of this kind and dtype reaches at so much work, between the measured sizes by logarithms.

        Beyond them the nearest holds. None where none was measured.
        """
        points = sorted((rate.work, rate.per_second) for rate in self.rates if (rate.kind, rate.dtype) == (kind, dtype))
        if not points:
            return None
        below = max((point for point in points if point[0] <= work), default=points[0])
        above = min((point for point in points if point[0] >= work), default=points[-1])
        if above[0] <= below[0]:
            return below[1]
        share = log(work / below[0]) / log(above[0] / below[0])
        return exp(log(below[1]) + share * log(above[1] / below[1]))


@cache
def known_hardware() -> dict[str, Hardware]:
    """The machines of the packaged file, by id."""
    path = files("skaprof.model").joinpath("hardware.toml")
    return {machine.id: machine for machine in read_hardware(str(path))}


def find_hardware(name: str, option: str = named("hardware")) -> Hardware:
    """The machine that a name or a TOML file means.

    Raises:
        SkaprofError: an unknown name, or a file that is not right, naming line and key.
    """
    if not name.endswith(".toml"):
        known = known_hardware()
        found = known.get(meant(name, known))
        if found is None:
            raise bad_value(option, name, f"a file ending in .toml, or one of {', '.join(known)}", known)
        return found
    machines = read_hardware(name, option)
    if len(machines) > 1:
        raise SkaprofError(f"{option}: {shown(name)} has {len(machines)} machines: expected one [[hardware]] table")
    return machines[0]


def read_hardware(path: str, option: str | None = None) -> list[Hardware]:
    """The machines of a file that `option` names.

    Raises:
        SkaprofError: no such file, an unknown or missing key, a figure without unit, or an impossible one.
    """
    top = read_toml(path, option)
    top.require_keys(("hardware", "rates", "calls", "kernels"))
    kernels = read_kernel_times(top)
    rates = tuple(_rate(table) for table in top.tables("rates")) if "rates" in top.values else ()
    machines = [_machine(table, rates)._replace(kernels=kernels) for table in top.tables("hardware")]
    if (rates or kernels) and len(machines) > 1:
        raise SkaprofError(f"{top.label('rates')}: expected one [[hardware]] table in a file with rates")
    return machines


def _machine(table: TomlTable, rates: tuple[Rate, ...]) -> Hardware:
    table.require_keys((*_KEYS, *_TEXT_KEYS, *_CALIBRATED_KEYS))
    for key in ("id", "name", "bandwidth", *_TEXT_KEYS):
        if key not in table.values:
            raise SkaprofError(f"{table.label(key)}: missing: expected {_EXPECTED.get(key, 'a text')}")
    peaks = {name: _figure(table, f"peak_{name}", "FLOP/s") for name in PEAK_NAMES if f"peak_{name}" in table.values}
    if not peaks:
        raise SkaprofError(f"{table.label('peak_float32')}: missing: expected a peak, such as '66.9 TFLOP/s'")
    machine = Hardware(
        table.sentence("id"),
        table.sentence("name"),
        peaks,
        _optional(table, "vector", "FLOP/s"),
        _figure(table, "bandwidth", "B/s"),
        _optional(table, "memory", "B"),
        _optional(table, "cache", "B"),
        _optional(table, "launch", "s"),
        rates,
        table.sentence("source"),
        table.sentence("date"),
    )
    _require_possible(table, machine)
    return machine


_ORDER = (("peak_float64", "peak_float32"), ("peak_float32", "peak_tf32"), ("vector", "the highest peak"))
"""Figures of which the second is at least the first. bfloat16 is not among them: some processors emulate it."""
_EXPECTED = {"bandwidth": "a figure such as '3350 GB/s'"}


def _require_possible(table: TomlTable, machine: Hardware) -> None:
    """Refuse peaks that contradict what was measured, or each other."""
    for rate in machine.rates:
        if rate.dtype not in machine.peaks:
            raise SkaprofError(
                f"{table.label(f'peak_{rate.dtype}')}: missing: the file has rates of {rate.dtype}: expected its peak"
            )
        if rate.kind in COUNTED_IN_FLOPS and rate.per_second > machine.peaks[rate.dtype]:
            raise SkaprofError(
                f"{table.label(f'peak_{rate.dtype}')}: {in_unit(machine.peaks[rate.dtype], 'FLOP/s')} is impossible: "
                f"the file's own {rate.kind} reached {in_unit(rate.per_second, 'FLOP/s')}"
            )
    figures = {f"peak_{name}": peak for name, peak in machine.peaks.items()} | {"vector": machine.vector}
    figures["the highest peak"] = max(machine.peaks.values())
    for lower, higher in _ORDER:
        low, high = figures.get(lower), figures.get(higher)
        if low is not None and high is not None and low > high and not machine.rates:
            raise SkaprofError(
                f"{table.label(lower)}: {in_unit(low, 'FLOP/s')} is impossible: "
                f"expected no more than {higher}, {in_unit(high, 'FLOP/s')}"
            )


def _rate(table: TomlTable) -> Rate:
    table.require_keys(_RATE_KEYS)
    for key in _RATE_KEYS:
        if key not in table.values:
            raise SkaprofError(f"{table.label(key)}: missing: expected {', '.join(_RATE_KEYS)}")
    kind = table.word("kind", KINDS)
    base = "FLOP" if kind in COUNTED_IN_FLOPS else "B"
    dtype = table.word("dtype", tuple(DTYPE_BYTES))
    return Rate(kind, dtype, _figure(table, "work", base), _figure(table, "rate", f"{base}/s"))


def _optional(table: TomlTable, key: str, dimension: str) -> float | None:
    return _figure(table, key, dimension) if key in table.values else None


def _figure(table: TomlTable, key: str, dimension: str) -> float:
    """The figure under a key, in its base unit.

    Raises:
        SkaprofError: no number, no unit, another unit, or a figure that no machine has.
    """
    value = table.values[key]
    units = UNITS[dimension]
    example = f"a number and a unit, {' or '.join(units)}, such as '100 {list(units)[-1]}'"
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise SkaprofError(f"{table.label(key)}: {value} has no unit: expected {example}")
    match = _FIGURE.fullmatch(value) if isinstance(value, str) else None
    if match is None or match[1].count(".") > 1 or match[1] == ".":
        raise bad_value(table.label(key), value, example)
    if match[2] not in units:
        said = "has no unit" if not match[2] else f"has the unit {shown(match[2])}"
        raise SkaprofError(f"{table.label(key)}: {shown(value)} {said}: expected {example}")
    low, high = POSSIBLE[dimension]
    figure = float(match[1]) * units[match[2]]
    if not low <= figure <= high:
        raise SkaprofError(
            f"{table.label(key)}: {shown(value)} is impossible: expected from {in_unit(low, dimension)} to "
            f"{in_unit(high, dimension)}"
        )
    return figure


def in_unit(value: float, dimension: str, digits: int = 6) -> str:
    """A value of a dimension with the largest unit that it has one of, by default to the 6 digits that files hold."""
    units = sorted(UNITS[dimension].items(), key=lambda unit: unit[1])
    name, size = max((unit for unit in units if unit[1] <= value), key=lambda unit: unit[1], default=units[0])
    return f"{value / size:.{digits}g} {name}"
