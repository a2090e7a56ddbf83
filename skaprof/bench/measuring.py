"""All contenders of one configuration, measured together: what fails while it is timed does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from typing import NamedTuple, TypeVar

import torch

from skaprof.bench.best_forms import best_forms
from skaprof.bench.capacity import release
from skaprof.bench.configuration import Options, Row, Timed
from skaprof.bench.contenders import Built
from skaprof.bench.device import Device
from skaprof.bench.engine import measure
from skaprof.bench.failures import CallError, UnsupportedError, explained, first_line
from skaprof.bench.gate import WrongOutputError
from skaprof.bench.measured_rows import failed_row, measured_row
from skaprof.bench.record import Measurement
from skaprof.foreign_code import contained

T = TypeVar("T")


class Failure(NamedTuple):
    """What could not be measured: its verdict, and why; the call that failed, where it was one."""

    verdict: str
    reason: str
    call: Callable[[], object] | None = None


def measure_configuration(
    entries: Sequence[Timed],
    options: Options,
    device: Device,
    deadline: float = inf,
    tick: Callable[[int], None] = lambda rounds: None,
) -> list[Row]:
    """One row for each entry, in order; what cannot run here is a row that says why."""
    failures: dict[int, Failure] = {}
    built: dict[int, Built] = {}
    for index, entry in enumerate(entries):
        found = _attempted(partial(entry.build, options, device))
        if isinstance(found, Failure):
            failures[index] = found
        else:
            built[index] = found
    order = sorted(built, key=lambda index: not _is_baseline(entries[index], options))
    left = {index: built[index] for index in order}
    rows = _timed_rows(entries, left, failures, options, device, deadline, tick)
    rows |= {index: failed_row(entries[index], device.name, options, *why[:2]) for index, why in failures.items()}
    built.clear()
    left.clear()
    release(options.device)
    return [rows[index] for index in range(len(entries))]


def _timed_rows(
    entries: Sequence[Timed],
    left: dict[int, Built],
    failures: dict[int, Failure],
    options: Options,
    device: Device,
    deadline: float,
    tick: Callable[[int], None],
) -> dict[int, Row]:
    """The rows of what was built, by index, the baseline first.

    A contender whose call fails while it is timed goes from `left` to `failures`, and the others are timed again.
    """
    settings = options.settings(deadline)

    def timed() -> Measurement:
        _pair_up(entries, left, options)
        with explained(options.device.partition(":")[0]):
            return measure(device, [of_one.contender for of_one in left.values()], settings, tick)

    while left:
        found = _attempted(timed)
        if not isinstance(found, Failure):
            return _measured_rows(entries, left, found, device, options)
        blamed = [index for index, of_one in left.items() if of_one.contender.call is found.call is not None]
        for index in blamed or list(left):
            failures[index] = found._replace(call=None)  # it holds a module
            del left[index]
    return {}


def _pair_up(entries: Sequence[Timed], left: dict[int, Built], options: Options) -> None:
    """Say of each contender which it is compared with: the first, or its mixer in the contender's own form and runtime,
    or else in its runtime."""
    first = entries[next(iter(left))]
    own = {place: entries[index] for place, index in enumerate(left) if _is_of(entries[index], first)}
    same_form = {each.form: place for place, each in own.items()}
    same_runtime = {_where(each): place for place, each in reversed(own.items())}
    for index, of_one in left.items():
        entry = entries[index]
        alike = options.same_form and not _is_of(entry, first)
        nearest = same_form.get(entry.form, same_runtime.get(_where(entry), 0))
        of_one.contender.against = nearest if alike else 0


def _is_of(entry: Timed, other: Timed) -> bool:
    return entry.name == other.name


def _where(entry: Timed) -> str:
    """Its runtime, and the precision there: its form without the implementation."""
    return entry.form.removeprefix(entry.implementation)


def _measured_rows(
    entries: Sequence[Timed], built: dict[int, Built], found: Measurement, device: Device, options: Options
) -> dict[int, Row]:
    names = [(entries[index].name, _where(entries[index])) for index in built]
    bests = best_forms(names, found.records, options.settings(inf))
    return {
        index: measured_row(entries[index], of_one, place, found, bests[place], device, options)
        for place, (index, of_one) in enumerate(built.items())
    }


def _attempted(make: Callable[[], T]) -> T | Failure:
    """What `make` makes, or why it cannot be made here; what foreign code sets of PyTorch does not outlast it."""
    try:
        with contained():
            return make()
    except UnsupportedError as error:
        return Failure("unsupported", str(error), _failed_call(error))
    except WrongOutputError as error:
        return Failure("wrong-output", str(error))
    except (torch.OutOfMemoryError, MemoryError) as error:
        return Failure("out-of-memory", first_line(error), _failed_call(error))


def _failed_call(error: BaseException) -> Callable[[], object] | None:
    return error.__cause__.call if isinstance(error.__cause__, CallError) else None


def _is_baseline(entry: Timed, options: Options) -> bool:
    return f"{entry.name} ({entry.form})" == options.baseline
