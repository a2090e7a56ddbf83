"""On which devices two files were measured that are compared, and what else may move their times."""

from __future__ import annotations

from skaprof.errors import SkaprofError, shown, shown_path
from skaprof.saved import SavedResults

_VERSIONS = ("torch", "cuda", "threads", "tf32")
_WITNESSES = ("gpu_uuid", *_VERSIONS, "driver")


def devices_of(saved: SavedResults) -> list[str]:
    """Those that a file has rows of."""
    return sorted({row.device for row in saved.costs if row.device is not None})


def require_one_device(*files: SavedResults) -> None:
    """Raise where rows of two devices would be one without its name.

    Raises:
        SkaprofError: a file has several.
    """
    for saved in files:
        if len(devices := devices_of(saved)) > 1:
            raise SkaprofError(
                f"{shown_path(saved.path)} has times of {', '.join(devices)}: expected one device a file"
            )


def different_device(old: SavedResults, new: SavedResults) -> str:
    """How the devices differ that the files were measured on; empty where they do not, or nothing was measured."""
    ours, theirs = devices_of(old), devices_of(new)
    if len(ours) > 1 or len(theirs) > 1:
        if not ours or not theirs or set(ours) & set(theirs):
            return ""
        there = f"{shown_path(new.path)} on {', '.join(theirs)}"
        return f"{shown_path(old.path)} was measured on {', '.join(ours)}, {there}"
    before, after = old.environment, new.environment
    keys = ("device", "cpu") if before.get("device") == "cpu" else ("device",)
    if "device" not in before or "device" not in after:
        return ""
    differing = [key for key in keys if before.get(key) != after.get(key)]
    return ", ".join(_difference(key, old, new) for key in differing)


def differing_witnesses(old: SavedResults, new: SavedResults) -> list[str]:
    """What else differs and may move a time: told, never refused, since a new version is often what is compared.

    Of what only one file says for all of its rows, nothing.
    """
    ours, theirs = old.environment, new.environment
    if "device" not in ours or "device" not in theirs:
        return []
    of_one = ours["device"] == theirs["device"]
    return [
        f"times may differ for another reason: {_difference(key, old, new)}"
        for key in (_WITNESSES if of_one else _VERSIONS)
        if ours.get(key) != theirs.get(key)
    ]


def _difference(key: str, old: SavedResults, new: SavedResults) -> str:
    ours, theirs = shown(old.environment.get(key)), shown(new.environment.get(key))
    return f"{shown_path(old.path)} was measured with {key} {ours}, {shown_path(new.path)} with {theirs}"
