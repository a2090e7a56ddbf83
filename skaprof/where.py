"""Where rows were measured: by the environment of their file, and by what a row says is otherwise for it alone.

Every processor is the device "cpu" in its own file. Among those of several, each is called after its model, so that
nothing takes rows of two for rows of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
PROCESSOR = "cpu"
OWN_KEYS = ("host", "environment", "reruns")
"""The keys of a row that say where it was measured, and how often that was tried."""


def environment_of(row: Row, header: Row) -> dict[str, Any]:
    """All that is known of where a row was measured; `header` is the environment of its file."""
    own = row.get("environment")
    return {**header, **(own if isinstance(own, dict) else {})}


def machine_of(row: Row, header: Row) -> str | None:
    """The device that a row was measured on, by its name; of a processor the model too, where that is known."""
    device = row.get("device")
    model = environment_of(row, header).get("cpu") if device == PROCESSOR else None
    return device if model is None else f"{device} ({model})"


def is_processor(device: str) -> bool:
    """Whether a device is one, whichever it is."""
    return device == PROCESSOR or device.startswith(f"{PROCESSOR} (")


def processors_of(rows: Sequence[Row], header: Row) -> set[str | None]:
    """The processors that rows were measured on."""
    return {machine_of(row, header) for row in rows if is_processor(str(row.get("device")))}


def told_apart(rows: Sequence[Row], header: Row, processors: set[str | None]) -> Sequence[Row]:
    """The rows; where there are several processors, each with its own as its device."""
    if len(processors) < 2:
        return rows
    return [{**row, "device": machine_of(row, header)} if "device" in row else row for row in rows]


def shared(environments: Sequence[Row]) -> dict[str, Any]:
    """What all of these say alike."""
    first, *others = environments or [{}]
    return {key: value for key, value in first.items() if all(key in one and one[key] == value for one in others)}


def beside(environment: Row, header: Row) -> dict[str, Any] | None:
    """What a row must say for itself, in a file with this environment; None where that is nothing."""
    return {key: value for key, value in environment.items() if key not in header or header[key] != value} or None
