"""What is asked of a roofline: which points, against which peaks of a machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skaprof.analysis.roofline_rows import (
    Predict,
    RooflinePoint,
    kernel_rows,
    measured_points,
    mixer_row,
    require_possible,
)
from skaprof.analysis.same_machine import is_of, require_same_machine
from skaprof.answers import RooflineRow
from skaprof.errors import SkaprofError, named, shown_path
from skaprof.model.hardware import Hardware, known_hardware
from skaprof.saved import SavedResults


def measured_against(
    saved: SavedResults, mixers: Sequence[str] | None, machine: Hardware, *, allow_different_machine: bool = False
) -> tuple[list[RooflinePoint], list[str]]:
    """The file's points of these mixers on one device; and in words what was left out, or does not fit the machine.

    Of a file of several devices, those of the device that the machine's calibration is of.

    Raises:
        SkaprofError: there is none, or they are of another machine, PyTorch or thread count than the predictions, or of
            several devices and the machine is not known to be one of them.
    """
    found = measured_points(saved, mixers)
    points, of_others = _of_one_device(saved, found.points, machine)
    devices = sorted({str(point.conditions[0]) for point in points})
    what = f"the times of {shown_path(saved.path)}"
    places = [_environment(saved, point) for point in points]
    others = [require_same_machine(machine, there, what, allowed=allow_different_machine) for there in places]
    notices = (
        saved.warning,
        found.notice(),
        of_others,
        _another_machine(devices, machine),
        *dict.fromkeys(others),
        _another_clock(points, machine),
    )
    return points, [f"{named('results')}: {notice}" for notice in notices if notice is not None]


def _environment(saved: SavedResults, point: RooflinePoint) -> dict[str, Any]:
    own = point.measured.environment if point.measured else None
    return {**saved.environment, **(own or {})}


def _of_one_device(
    saved: SavedResults, points: Sequence[RooflinePoint], machine: Hardware
) -> tuple[list[RooflinePoint], str | None]:
    """The points of the machine's device, where there are several, and in words those that are left out."""
    devices = list(dict.fromkeys(str(point.conditions[0]) for point in points))
    if len(devices) < 2:
        return list(points), None
    own = [point for point in points if is_of(machine, _environment(saved, point))]
    if len({point.conditions[0] for point in own}) != 1:
        raise SkaprofError(
            f"{named('results')}: {shown_path(saved.path)} has times of several devices: {', '.join(devices)}: "
            f"expected one, or a file of skaprof calibrate of one of them as {named('hardware')}"
        )
    left = [device for device in devices if device != own[0].conditions[0]]
    return own, f"rows left out: {len(points) - len(own):,} of {', '.join(left)}"


def _another_machine(devices: Sequence[str], machine: Hardware) -> str | None:
    """That a machine of the packaged file cannot be the one the times are of: one is a GPU, the other is none."""
    is_gpu = "NVIDIA" in machine.name
    if machine.id not in known_hardware() or is_gpu == any("NVIDIA" in device for device in devices):
        return None
    return f"its times are of {', '.join(devices)}, and {named('hardware')} {machine.id} is another machine"


def _another_clock(points: Sequence[RooflinePoint], machine: Hardware) -> str | None:
    """That times by another clock than the predictions' are among them."""
    others = [point for point in points if point.measured and point.measured.clock not in (None, "cpu")]
    if machine.kernels is None or not others:
        return None
    return f"{len(others)} of its {len(points)} times are by another clock than CPU time, which the predictions are in"


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
