"""Whether times are of the machine, the PyTorch and the threads that a calibration is of, as predictions must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skaprof.errors import SkaprofError, named
from skaprof.model.hardware import Hardware
from skaprof.where import PROCESSOR

_NAMES = {"cpu": "processor", "torch": "PyTorch", "threads": "threads"}


def differing(machine: Hardware, there: Mapping[str, Any]) -> str | None:
    """What differs between the conditions of a calibration and these, in words; None where nothing is known to."""
    calibrated = machine.kernels.conditions if machine.kernels else {}
    pairs = [
        f"{_NAMES.get(key, key)} {there[key]} there, {ours} in the calibration"
        for key, ours in calibrated.items()
        if there.get(key) is not None and str(there[key]) != ours
    ]
    return "; ".join(pairs) or None


def is_of(machine: Hardware, there: Mapping[str, Any]) -> bool:
    """Whether a calibration is known to be of the device that times were measured on: a processor by all that its
    predictions depend on, a GPU by its name."""
    if there.get("device") != PROCESSOR:
        return machine.calibrated and machine.name == there.get("device")
    conditions = machine.kernels.conditions if machine.kernels else {}
    return "cpu" in conditions and all(str(there.get(key)) == value for key, value in conditions.items())


def require_same_machine(machine: Hardware, there: Mapping[str, Any], what: str, *, allowed: bool) -> str | None:
    """What differs between a calibration and what is predicted, in words, where that is allowed; None where nothing.

    Args:
        there: the environment of `what`, by the keys of a stamp.

    Raises:
        SkaprofError: it is not allowed, and something differs.
    """
    found = differing(machine, there)
    if found is None:
        return None
    said = f"the predictions of {machine.id} are of another setting than {what}: {found}"
    if allowed:
        return said
    raise SkaprofError(
        f"{named('hardware')}: {said}: expected a calibration of the same; to go on all the same: "
        f"{named('allow_different_machine')}"
    )
