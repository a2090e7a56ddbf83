"""In what files must have been measured alike to be merged, and in what their rows may differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skaprof.analysis.merged_kinds import TIMES, Item, Kind, plainly
from skaprof.errors import SkaprofError, shown, shown_path
from skaprof.saved import SavedResults
from skaprof.trained import DEFAULT_MARGIN, TrainedRow, VerdictRow
from skaprof.where import environment_of, machine_of

_OWN = ("shard", "device", "margin", "merged")
"""In what files may differ: which share of the whole they are, of which device, and what verdicts were drawn within."""
_BOUNDS = {"rounds": max, "min_rounds": min}
"""Those that bound how long a size takes, and of which the widest holds: each row has its own rounds."""
_NETWORK_KEYS = ("model_hash", "learning_rate")


def merged_settings(kind: Kind, files: Sequence[SavedResults]) -> dict[str, Any]:
    """What all files were measured with, and the commands that did, as `merged`.

    Raises:
        SkaprofError: they were not measured alike.
    """
    all_settings = [saved.settings or {} for saved in files]
    keys = dict.fromkeys(key for settings in all_settings for key in settings if key not in (*_OWN, *_BOUNDS))
    for key in keys:
        _require_one(
            key, [(saved.path, settings.get(key)) for saved, settings in zip(files, all_settings, strict=True)]
        )
    if kind is TIMES:
        _require_same_threads(files)
    found = {key: value for key, value in all_settings[0].items() if key not in ("shard", "merged")}
    found |= {key: None for key in keys if key not in found}
    for key, widest in _BOUNDS.items():
        if values := [settings[key] for settings in all_settings if isinstance(settings.get(key), int)]:
            found[key] = widest(values)
    if len({settings.get("device") for settings in all_settings}) > 1:
        del found["device"]
    return {**found, "merged": [command for saved in files for command in _commands(saved)]}


def _commands(saved: SavedResults) -> list[str]:
    """What measured a file, or the files that it was merged from."""
    before = (saved.settings or {}).get("merged")
    return [str(command) for command in before] if isinstance(before, list) else [saved.command]


def _require_one(key: str, values: Sequence[tuple[str, Any]]) -> None:
    first_path, first = values[0]
    for path, value in values:
        if value != first:
            raise SkaprofError(
                f"{shown_path(first_path)} was measured with {key} {plainly(first)}, {shown_path(path)} with "
                f"{plainly(value)}: expected files that were measured alike"
            )


def _require_same_threads(files: Sequence[SavedResults]) -> None:
    """Times of one device by another number of threads are of another thing; a larger machine may have more."""
    found: dict[str | None, list[tuple[str, Any]]] = {}
    for saved in files:
        for row in saved.rows:
            known = environment_of(row, saved.environment)
            found.setdefault(machine_of(row, saved.environment), []).append((saved.path, known.get("threads")))
    for values in found.values():
        _require_one("threads", values)


def margin_of(files: Sequence[SavedResults]) -> float:
    """Within which the files' verdicts were drawn, or are to be.

    Raises:
        SkaprofError: within several.
    """
    found: dict[float, str] = {}
    for saved in files:
        drawn = [row.margin for row in saved.records if isinstance(row, VerdictRow)]
        stated = (saved.settings or {}).get("margin")
        for margin in drawn or ([float(stated)] if isinstance(stated, int | float) else []):
            found.setdefault(margin, saved.path)
    _require_one("margin", [(path, margin) for margin, path in found.items()] or [("", DEFAULT_MARGIN)])
    return next(iter(found), DEFAULT_MARGIN)


def require_one_rate(items: Sequence[Item], files: Sequence[SavedResults]) -> None:
    """Raise unless all seeds of each network are of one network, and were trained with one learning rate.

    Raises:
        SkaprofError: naming the network and what differs.
    """
    first: dict[str, Item] = {}
    for item in items:
        if not isinstance(item.record, TrainedRow):
            continue
        own = first.setdefault(item.record.model, item)
        for key in _NETWORK_KEYS:
            ours, theirs = (getattr(each.record, key) for each in (own, item))
            if ours != theirs:
                one, other = (shown_path(files[each.file].path) for each in (own, item))
                raise SkaprofError(
                    f"{shown(item.record.model)} has {key} {plainly(ours)} in {one}, {plainly(theirs)} in {other}: "
                    "expected one: all seeds of a network are trained alike"
                )
