"""What is asked of a roofline: which points, against which peaks of a machine."""

from __future__ import annotations

from collections.abc import Sequence

from skaprof.analysis.roofline_rows import (
    Predict,
    RooflinePoint,
    kernel_rows,
    measured_points,
    mixer_row,
    require_possible,
)
from skaprof.answers import RooflineRow
from skaprof.errors import SkaprofError, named
from skaprof.model.hardware import Hardware, known_hardware
from skaprof.saved import SavedResults


def measured_against(
    saved: SavedResults, mixers: Sequence[str] | None, machine: Hardware
) -> tuple[list[RooflinePoint], list[str]]:
    """The file's points of these mixers; and in words what was left out, or does not fit the machine.

    Raises:
        SkaprofError: there is none.
    """
    found = measured_points(saved, mixers)
    devices = sorted({str(point.conditions[0]) for point in found.points})
    notices = (saved.warning, found.notice(), _another_machine(devices, machine), _other_conditions(saved, machine))
    return found.points, [f"{named('results')}: {notice}" for notice in notices if notice is not None]


def _another_machine(devices: Sequence[str], machine: Hardware) -> str | None:
    """That a machine of the packaged file cannot be the one the times are of: one is a GPU, the other is none."""
    is_gpu = "NVIDIA" in machine.name
    if machine.id not in known_hardware() or is_gpu == any("NVIDIA" in device for device in devices):
        return None
    return f"its times are of {', '.join(devices)}, and {named('hardware')} {machine.id} is another machine"


def _other_conditions(saved: SavedResults, machine: Hardware) -> str | None:
    """What the calibration of the machine and the measurement of the times do not have in common."""
    calibrated = machine.kernels.conditions if machine.kernels else {}
    pairs = {key: (calibrated[key], str(saved.environment.get(key))) for key in calibrated if key in saved.environment}
    differ = [f"{key} {theirs}, calibrated with {ours}" for key, (ours, theirs) in pairs.items() if ours != theirs]
    return f"its times are of another setting than the predictions: {'; '.join(differ)}" if differ else None


def peaks_of(points: Sequence[RooflinePoint], *, tf32: bool) -> list[str]:
    """The names of the peaks that the points are held against, each once.

    Raises:
        SkaprofError: TF32 is asked for where no point is in float32.
    """
    found = list(dict.fromkeys(point.peak(tf32=tf32) for point in points))
    if tf32 and "tf32" not in found:
        said = f"it is for float32, and the dtype is {', '.join(found)}: expected float32"
        raise SkaprofError(f"{named('tf32')}: {said}")
    return found


def machine_rows(
    points: Sequence[RooflinePoint],
    machine: Hardware,
    *,
    tf32: bool,
    per_op: bool,
    predict: Predict | None = None,
) -> list[RooflineRow]:
    """A row for each point, or for each of its kernels; `predict` says what a call of one will take.

    Raises:
        SkaprofError: a time that the machine could not reach, or a dtype that it has no peak of.
    """
    require_possible(points, machine, tf32=tf32)
    found: list[RooflineRow] = []
    for point in points:
        peak = point.peak(tf32=tf32)
        found += kernel_rows(point, machine, peak) if per_op else [mixer_row(point, machine, peak, predict)]
    return found
