"""What files may be merged: times, accuracies and counts by other counters; which rows of each belong together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from skaprof.analysis.row_trust import identity
from skaprof.answers import AbsentCounter, AuditRow
from skaprof.errors import SkaprofError, named, shown, shown_path
from skaprof.measured import FailedRow, MeasuredRow
from skaprof.records import Record
from skaprof.results import SIZE_KEYS, values_of
from skaprof.saved import SavedResults
from skaprof.trained import TrainedRow, TrialRow, VerdictRow

Key = tuple[Any, ...]


class Item(NamedTuple):
    """A row as its file has it, as a record, all that is known of where it was measured, and the place of its file."""

    row: Mapping[str, Any]
    record: Any
    environment: Mapping[str, Any]
    file: int


class Kind(NamedTuple):
    """A kind of results: the command that writes it, its rows, and a key of its settings, None where it has none.

    `identity` makes two rows the same row. `unit` is what stands or falls together, being measured together: a size
    with all its contenders, a network with all its seeds and trials, a counter with all its counts. `words` say what a
    row is of. `volatile` are the keys in which one measurement, made twice, may differ.
    """

    command: str
    records: tuple[type[Record], ...]
    told_by: str | None
    identity: Callable[[Any], Key]
    unit: Callable[[Any], Key]
    words: Callable[[Any], str]
    volatile: tuple[str, ...] = ()


def plainly(value: object) -> str:
    """A value of a file in a message: numbers as they are."""
    return str(value) if isinstance(value, int | float | None) else shown(value)


def _time_words(row: MeasuredRow | FailedRow) -> str:
    size = row.image if row.tokens is None or row.dim is None else f"{row.tokens:,} tokens, dim {row.dim:,}"
    return f"{row.contender} at {size}, batch {row.batch:,}, {row.mode}, {row.dtype} on {row.device}"


def _identity_of_run(row: TrainedRow | TrialRow | VerdictRow) -> Key:
    """A run's is its seed, whatever its learning rate: two of one seed contradict each other."""
    if isinstance(row, TrialRow):
        return row.model, row.data, row.learning_rate, "trial"
    return row.model, row.data, row.seed if isinstance(row, TrainedRow) else "verdict"


def _run_words(row: TrainedRow | TrialRow) -> str:
    told = f"learning rate {row.learning_rate:g}" if isinstance(row, TrialRow) else f"seed {row.seed}"
    return f"{row.model} with {told}"


def _count_words(row: AuditRow | AbsentCounter) -> str:
    if isinstance(row, AbsentCounter):
        return row.counter
    return f"{row.counter} of {row.mixer} ({row.spelling}, {row.mode}) at {row.tokens:,} tokens"


TIMES = Kind(
    "latency",
    (MeasuredRow, FailedRow),
    "timing",
    identity,
    lambda row: (row.place, row.device, row.timing),
    _time_words,
)
ACCURACIES = Kind(
    "accuracy",
    (TrainedRow, TrialRow, VerdictRow),
    "learning_rates",
    _identity_of_run,
    lambda row: (row.model, row.data),
    _run_words,
    ("train_images_per_cpu_s",),
)
COUNTS = Kind(
    "audit",
    (AuditRow, AbsentCounter),
    None,
    lambda row: values_of(row, (*SIZE_KEYS, "counter", "spelling")),
    lambda row: (row.counter,),
    _count_words,
    ("seconds",),
)
_KINDS = (TIMES, ACCURACIES, COUNTS)


def kind_of_files(files: Sequence[SavedResults]) -> Kind:
    """What all of these are.

    Raises:
        SkaprofError: one is nothing that can be merged, they are of several kinds, or one lacks the settings that say
            how it was measured.
    """
    kinds = [_kind_of(saved) for saved in files]
    for saved, kind in zip(files, kinds, strict=True):
        if kind is not kinds[0]:
            first = f"{shown_path(files[0].path)} is of skaprof {kinds[0].command}"
            raise SkaprofError(
                f"{first}, {shown_path(saved.path)} of skaprof {kind.command}: expected files of one kind"
            )
    return kinds[0]


def _kind_of(saved: SavedResults) -> Kind:
    settings = saved.settings or {}
    known = len(saved.records) == len(saved.rows) and not any("section" in row for row in saved.rows)
    fitting = [
        kind
        for kind in _KINDS
        if known
        and all(isinstance(row, kind.records) for row in saved.records)
        and (saved.rows or kind.told_by in settings)
    ]
    if not fitting:
        commands = " or ".join(f"skaprof {kind.command}" for kind in _KINDS)
        raise SkaprofError(f"{shown_path(saved.path)} cannot be merged: expected a file that {commands} wrote")
    found = fitting[0]
    if found.told_by is not None and found.told_by not in settings:
        raise SkaprofError(
            f"{shown_path(saved.path)} does not say how it was measured: expected the FILE.jsonl of skaprof "
            f"{found.command} {named('output')}"
        )
    return found
