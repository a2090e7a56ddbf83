"""Results files of one kind put together: one row an identity, whoever measured it, and nothing lost.

Where two files have other figures of one row, nothing is merged unless the user says which is meant; then all rows of
the unit that both have come from one of them, since their ratios are of the same rounds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from skaprof.analysis.merged_kinds import ACCURACIES, TIMES, Item, Key, Kind, kind_of_files, plainly
from skaprof.analysis.merged_order import in_order, missing_shards, shard_of_all
from skaprof.analysis.merged_settings import margin_of, merged_settings, require_one_rate
from skaprof.errors import SkaprofError, bad_value, named, shown_path
from skaprof.saved import SavedResults, several
from skaprof.trained import TrainedRow, VerdictRow
from skaprof.where import OWN_KEYS, beside, environment_of, shared
from skaprof.workload import check_choice

PREFERENCES = ("first", "last", "more-rounds")
Row = dict[str, Any]


class Merged(NamedTuple):
    """The rows of all files, the environment and the settings that they share, and what the user should know."""

    kind: Kind
    environment: Row
    settings: Row
    rows: list[Row]
    notices: list[str]


def merged(files: Sequence[SavedResults], prefer: str | None = None) -> Merged:
    """The files as one, with each row's own `environment` where they differ.

    Args:
        prefer: which file's figures are taken where two have other ones of one row: one of `PREFERENCES`; where None,
            that is refused.

    Raises:
        SkaprofError: files of several kinds, of other settings, or of other figures of one row.
    """
    if prefer is not None:
        prefer = check_choice(named("prefer"), prefer, PREFERENCES)
    kind = kind_of_files(files)
    if prefer == "more-rounds" and kind is not TIMES:
        raise bad_value(named("prefer"), prefer, "first or last: only times have rounds", PREFERENCES)
    settings = merged_settings(kind, files)
    apart = several(files)
    notices = [saved.warning for saved in files if saved.warning is not None]
    ordered = in_order(kind, apart, _one_each(kind, apart, prefer, notices))
    notices += missing_shards(kind, apart)
    if (shard := shard_of_all(kind, apart, ordered)) is not None:
        settings["shard"] = str(shard)
    environments = [dict(item.environment) for item in ordered] or [dict(saved.environment) for saved in files]
    header = shared(environments)
    notices += _differing(environments, header)
    rows = [_placed(item, header) for item in ordered]
    if kind is ACCURACIES:
        require_one_rate(ordered, files)
        rows += _verdicts(ordered, margin_of(files))
    return Merged(kind, header, settings, rows, notices)


def _one_each(kind: Kind, files: Sequence[SavedResults], prefer: str | None, notices: list[str]) -> list[Item]:
    """An item for each identity, those of the first file first."""
    held: dict[Key, Item] = {}
    conflicts: list[tuple[Item, Item]] = []
    taken: Counter[int] = Counter()
    for place, saved in enumerate(files):
        new = {kind.identity(item.record): item for item in _items(saved, place)}
        for keys in _by_unit(kind, new, held):
            differing = [key for key in keys if _figures(kind, held[key]) != _figures(kind, new[key])]
            if differing and prefer is None:
                conflicts += [(held[key], new[key]) for key in differing]
            elif differing:
                if _wins(prefer, [held[key] for key in keys], [new[key] for key in keys]):
                    held |= {key: new[key] for key in keys}
                taken.update(held[key].file for key in keys)
        held |= {key: item for key, item in new.items() if key not in held}
    if conflicts:
        raise _conflict(kind, files, conflicts)
    for place, count in sorted(taken.items()):
        path = shown_path(files[place].path)
        notices.append(f"of rows with different figures in several files, the {count:,} of {path} are taken")
    return list(held.values())


def _items(saved: SavedResults, place: int) -> Iterable[Item]:
    for row, record in zip(saved.rows, saved.records, strict=True):
        if not isinstance(record, VerdictRow):  # these follow from the runs
            yield Item(row, record, environment_of(row, saved.environment), place)


def _by_unit(kind: Kind, new: Mapping[Key, Item], held: Mapping[Key, Item]) -> Iterable[list[Key]]:
    """The identities that both have, unit by unit."""
    units: dict[Key, list[Key]] = {}
    for key in new:
        if key in held:
            units.setdefault(kind.unit(new[key].record), []).append(key)
    return units.values()


def _figures(kind: Kind, item: Item) -> Row:
    """What a row says of what it is about; null is nothing."""
    without = (*OWN_KEYS, *kind.volatile)
    return {key: value for key, value in item.row.items() if value is not None and key not in without}


def _wins(prefer: str | None, held: Sequence[Item], new: Sequence[Item]) -> bool:
    """Whether the rows of a later file take the place of those that are there."""
    if prefer == "more-rounds":
        before, now = (sum(item.row.get("rounds") or 0 for item in items) for items in (held, new))
        return now > before
    return prefer == "last"


def _conflict(kind: Kind, files: Sequence[SavedResults], conflicts: Sequence[tuple[Item, Item]]) -> SkaprofError:
    """That files contradict each other, by the first figure of the first such row."""
    (one, other), *rest = conflicts
    ours, theirs = _figures(kind, one), _figures(kind, other)
    key = next(key for key in (*ours, *theirs) if ours.get(key) != theirs.get(key))
    values = [
        f"{plainly(each.get(key))} in {shown_path(files[item.file].path)}"
        for each, item in ((ours, one), (theirs, other))
    ]
    more = f" (and {len(rest):,} more)" if rest else ""
    known = "first, last or more-rounds" if kind is TIMES else "first or last"
    return SkaprofError(
        f"{kind.words(one.record)}: {key} is {' and '.join(values)}{more}: expected one figure a row; "
        f"{named('prefer')} {known} says which is taken"
    )


def _placed(item: Item, header: Mapping[str, Any]) -> Row:
    """The row, with what its environment has beside the header's."""
    row = {key: value for key, value in item.row.items() if key != "environment"}
    own = beside(item.environment, header)
    return row if own is None and "environment" not in item.row else {**row, "environment": own}


def _differing(environments: Sequence[Mapping[str, Any]], header: Mapping[str, Any]) -> list[str]:
    """In what the files were measured otherwise, but for the load of the machine, which changes by the minute."""
    keys = [key for key in dict.fromkeys(key for one in environments for key in one) if key not in (*header, "load")]
    return [f"the files differ in {', '.join(keys)}: rows say their own as environment"] if keys else []


def _verdicts(items: Sequence[Item], margin: float) -> list[Row]:
    """What all runs together say."""
    from skaprof.analysis.accuracy import verdict_rows

    places: dict[str, int] = {}
    for item in items:
        places.setdefault(str(item.row["model"]), len(places))
    runs = [item.record for item in items if isinstance(item.record, TrainedRow)]
    return [row.as_dict() for row in verdict_rows(sorted(runs, key=lambda run: (places[run.model], run.seed)), margin)]
