"""How long the ops that PyTorch dispatches take on a machine, at the sizes they were measured at (standard library)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from statistics import geometric_mean
from typing import NamedTuple

from skaprof.errors import SkaprofError, bad_value
from skaprof.toml_file import TomlTable, toml_text
from skaprof.workload import MODES

LEAST = 1e-7
"""Seconds: an op that is said to take less was not seen by the clock."""
VIEW = "view"
"""What ops that look at memory otherwise, and touch none of it, are alike; the kind of each has its name behind it."""


class DispatchedKernel(NamedTuple):
    """An op as a processor runs it: the op and its layouts, its dtype, and the sizes that decide its time.

    The last of the sizes is of the call that it stands in: how many KiB are touched from one such call to the next.
    """

    kind: str
    dtype: str
    sizes: tuple[int, ...]

    @property
    def op(self) -> str:
        """The op without its layouts."""
        return self.kind.partition("/")[0]

    @property
    def is_view(self) -> bool:
        """Whether it touches no memory; it has no sizes then."""
        return self.op == VIEW

    def among(self, kibibytes: int) -> DispatchedKernel:
        """The same kernel in a call that touches so many KiB."""
        return self if self.is_view else self._replace(sizes=(*self.sizes[:-1], kibibytes))


class KernelTime(NamedTuple):
    """A kernel and its measured time in seconds."""

    kernel: DispatchedKernel
    seconds: float


class TimedCall(NamedTuple):
    """A call that was timed whole and op by op: its ops, each with its seconds, and the seconds of all."""

    times: tuple[KernelTime, ...]
    seconds: float
    mode: str = "forward"


class CallCosts(NamedTuple):
    """What a call takes beside its ops: `scale` times their sum, and so many seconds an op and a call, less than 0
    where timing an op by itself took more than that.

    `spread` is the factor within which nine in ten calls were predicted that nothing was learned from, less 1.
    """

    scale: float
    per_op: float
    per_call: float
    spread: float

    def of(self, seconds: float, ops: int) -> float:
        """The seconds of a call of so many ops that sum up to these seconds."""
        return max(self.scale * seconds + self.per_op * ops + self.per_call, 0.5 * seconds)


class KernelTimes(NamedTuple):
    """What predicts a machine's times: kernels measured in calls, and by mode what calls cost beside them."""

    times: tuple[KernelTime, ...]
    calls: Mapping[str, CallCosts]
    conditions: Mapping[str, str]


def averaged(times: Iterable[KernelTime]) -> list[KernelTime]:
    """One time for each kernel: the mean of the logarithms of what was measured of it, in each place where it stood."""
    found: dict[DispatchedKernel, list[float]] = {}
    for kernel, seconds in times:
        found.setdefault(kernel, []).append(max(seconds, LEAST))
    return [KernelTime(kernel, geometric_mean(seconds)) for kernel, seconds in found.items()]


_COSTS_KEYS = ("scale", "per_op_us", "per_call_us", "spread")
_CONDITIONS = ("threads", "torch", "cpu")
_KERNEL_KEYS = ("kind", "dtype", "sizes", "microseconds")


def kernel_times_text(found: KernelTimes) -> Iterator[str]:
    """The tables of a hardware file that hold them, in microseconds."""
    yield "\n# Beside the sum of its ops a call takes so much; nine in ten calls that nothing was learned from were\n"
    yield "# predicted within 1 + spread. Times of ops are CPU time of one thread, in the calls that they stand in.\n"
    yield "[calls]\n"
    for key, value in found.conditions.items():
        yield f"{key} = {toml_text(value)}\n"
    for mode, costs in found.calls.items():
        yield f"{mode} = {{ scale = {costs.scale:.5g}, per_op_us = {1e6 * costs.per_op:.5g}, "
        yield f"per_call_us = {1e6 * costs.per_call:.5g}, spread = {costs.spread:.4g} }}\n"
    kinds: dict[tuple[str, str], list[KernelTime]] = {}
    for time in found.times:
        kinds.setdefault(time.kernel[:2], []).append(time)
    for (kind, dtype), times in kinds.items():
        sizes = ", ".join(str(list(time.kernel.sizes)) for time in times)
        microseconds = ", ".join(f"{1e6 * time.seconds:.4g}" for time in times)
        yield f"\n[[kernels]]\nkind = {toml_text(kind)}\ndtype = {toml_text(dtype)}\n"
        yield f"sizes = [{sizes}]\nmicroseconds = [{microseconds}]\n"


def read_kernel_times(top: TomlTable) -> KernelTimes | None:
    """Those of a hardware file; None where it has none.

    Raises:
        SkaprofError: an unknown or missing key, or a value that is no size, time or text.
    """
    if "kernels" not in top.values and "calls" not in top.values:
        return None
    for key in ("calls", "kernels"):
        if key not in top.values:
            raise SkaprofError(f"{top.label(key)}: missing: expected [calls] and [[kernels]] together")
    calls = top.table("calls", (*MODES, *_CONDITIONS))
    conditions = {key: calls.sentence(key) for key in _CONDITIONS if key in calls.values}
    costs = {mode: _costs(calls.table(mode, _COSTS_KEYS)) for mode in MODES if mode in calls.values}
    times = [time for table in top.tables("kernels") for time in _times(table)]
    return KernelTimes(tuple(times), costs, conditions)


def _costs(table: TomlTable) -> CallCosts:
    scale, per_op, per_call, spread = (_number(table, key) for key in _COSTS_KEYS)
    return CallCosts(scale, per_op / 1e6, per_call / 1e6, spread)


def _number(table: TomlTable, key: str) -> float:
    value = table.values.get(key)
    if value is None:
        raise SkaprofError(f"{table.label(key)}: missing: expected what skaprof calibrate writes today")
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        raise bad_value(table.label(key), value, "a number")
    return float(value)


def _times(table: TomlTable) -> list[KernelTime]:
    table.require_keys(_KERNEL_KEYS)
    kind, dtype = table.values.get("kind"), table.values.get("dtype")
    sizes, microseconds = table.values.get("sizes"), table.values.get("microseconds")
    if not isinstance(kind, str) or not isinstance(dtype, str):
        raise bad_value(table.label("kind"), kind, "a kind and a dtype, both texts")
    if not isinstance(sizes, list) or not isinstance(microseconds, list) or len(sizes) != len(microseconds):
        raise SkaprofError(f"{table.label('sizes')}: expected as many lists of sizes as microseconds")
    if not all(_is_time(value) for value in microseconds):
        raise SkaprofError(f"{table.label('microseconds')}: expected numbers above 0")
    if len({len(of_one) for of_one in sizes if _are_sizes(of_one)}) != 1 or not all(map(_are_sizes, sizes)):
        raise SkaprofError(f"{table.label('sizes')}: expected lists of whole numbers, all of one length")
    pairs = zip(sizes, microseconds, strict=True)
    return [KernelTime(DispatchedKernel(kind, dtype, tuple(of_one)), value / 1e6) for of_one, value in pairs]


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value > 0


def _are_sizes(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(size, int) and size >= 0 for size in value)
