"""In which order the rows of several files stand in one: of shards as one process would have measured them all, else
file by file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from skaprof.analysis.merged_kinds import ACCURACIES, COUNTS, TIMES, Item, Kind
from skaprof.answers import AbsentCounter
from skaprof.counters import COUNTERS
from skaprof.errors import SkaprofError, shown, shown_path
from skaprof.measured import FailedRow, MeasuredRow
from skaprof.results import values_of
from skaprof.saved import SavedResults
from skaprof.shards import Shard, joined, parse_shard
from skaprof.trained import TrainedRow, TrialRow, VerdictRow

Place = tuple[Any, ...]


def in_order(kind: Kind, files: Sequence[SavedResults], items: Sequence[Item]) -> list[Item]:
    """The items of these files as one run would have them, where they are its shards.

    Raises:
        SkaprofError: accuracies that are judged against several baselines.
    """
    if kind is COUNTS:
        return _by_counter(items)
    if kind is ACCURACIES:
        networks = _networks(files)
        return sorted(items, key=lambda item: _place_of_run(item, networks))
    places = _places_of_sizes(files)
    return sorted(items, key=lambda item: places[id(item.record)]) if places else list(items)


def missing_shards(kind: Kind, files: Sequence[SavedResults]) -> list[str]:
    """The shards that no file has rows of, in words; those of each device apart."""
    found: dict[str, list[Shard]] = {}
    for saved in files:
        shard = _shard_of(saved)
        if shard is None:
            return []
        machines = dict.fromkeys(str(row.device) for row in saved.costs) if kind is TIMES else {"": None}
        for machine in machines:
            found.setdefault(machine, []).append(shard)
    missing = {machine: whole.missing for machine, shards in found.items() if (whole := joined(shards)) is not None}
    return [
        f"no file has rows of shard {shard}{f' of {machine}' if len(found) > 1 else ''}"
        for machine, shard in missing.items()
        if shard.numbers
    ]


def shard_of_all(kind: Kind, files: Sequence[SavedResults], items: Sequence[Item]) -> Shard | None:
    """The shards that ordered items are together, for them to be merged on; None where that is all, or not known.

    It is not known where one of them was not measured to its end: the place of a row tells no size then.
    """
    shards = [shard for shard in map(_shard_of, files) if shard is not None]
    whole = joined(shards) if len(shards) == len(files) else None
    if whole is None or not whole.missing.numbers:
        return None
    if kind is TIMES:
        found = _places_of_sizes(files)
        places = list(dict.fromkeys(found[id(item.record)] for item in items))
    else:
        places = [(0, place) for place in sorted(_networks(files).values())] if kind is ACCURACIES else []
    return whole if places == [(0, whole.place_of(index)) for index in range(len(places))] else None


def _shard_of(saved: SavedResults) -> Shard | None:
    text = (saved.settings or {}).get("shard")
    try:
        return parse_shard(shown_path(saved.path), text if isinstance(text, str) else None)
    except SkaprofError:  # of a file that somebody else wrote
        return None


def _by_counter(items: Sequence[Item]) -> list[Item]:
    """Those that counted in the order of counters, then those that no file has counts of."""
    counted = {item.record.counter for item in items if not isinstance(item.record, AbsentCounter)}
    places = {name: place for place, name in enumerate(COUNTERS)}
    kept = [item for item in items if not isinstance(item.record, AbsentCounter) or item.record.counter not in counted]
    return sorted(
        kept,
        key=lambda item: (isinstance(item.record, AbsentCounter), places.get(item.record.counter, len(places))),
    )


def _networks(files: Sequence[SavedResults]) -> dict[str, int]:
    """The place of each network: of shards that among all, else as they come; the baseline's is the first."""
    baselines = {row.baseline: saved.path for saved in files for row in saved.records if isinstance(row, VerdictRow)}
    if len(baselines) > 1:
        named = " and ".join(f"{shown(name)} in {shown_path(path)}" for name, path in baselines.items())
        raise SkaprofError(f"accuracies are judged against {named}: expected one baseline")
    shards = [_shard_of(saved) for saved in files]
    every = {shard.every for shard in shards if shard is not None}
    found: dict[str, int] = dict.fromkeys(baselines, -1)
    for saved, shard in zip(files, shards, strict=True):
        names = dict.fromkeys(row.model for row in saved.records if isinstance(row, TrainedRow | TrialRow))
        for index, name in enumerate(names):
            place = (
                shard.place_of(index) if shard is not None and None not in shards and len(every) == 1 else len(found)
            )
            found.setdefault(name, place)
    return found


def _place_of_run(item: Item, networks: dict[str, int]) -> Place:
    """Trials network by network, then runs seed by seed."""
    place = networks[item.record.model]
    return (0, place, 0) if isinstance(item.record, TrialRow) else (1, item.record.seed, place)


def _places_of_sizes(files: Sequence[SavedResults]) -> dict[int, Place]:
    """The place of each record, by its id, where all files of each device are shards of one run; else {}."""
    shards = [_shard_of(saved) for saved in files]
    every: dict[str | None, set[int]] = {}
    found: dict[int, Place] = {}
    for saved, shard in zip(files, shards, strict=True):
        for row, index in _sizes_of(saved.costs):
            if shard is None:
                return {}
            every.setdefault(row.device, set()).add(shard.every)
            found[id(row)] = (list(every).index(row.device), shard.place_of(index))
    return found if all(len(counts) == 1 for counts in every.values()) else {}


def _sizes_of(rows: Sequence[Any]) -> Iterator[tuple[MeasuredRow | FailedRow, int]]:
    """Each row with the place of its size in its file: those timed together follow each other, a mixer without heads
    among those of some heads."""
    last: tuple[Any, tuple[Any, ...]] | None = None
    index = -1
    for row in rows:
        heads = values_of(row, ("heads", "head_dim"))
        if last is None or last[0] != (row.place, row.device) or not _fit(last[1], heads):
            index += 1
            last = (row.place, row.device), heads
        elif None in last[1]:
            last = last[0], heads
        yield row, index


def _fit(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return None in one or None in other or one == other
