"""What a file of --results holds, for commands that hold it against a machine of --hardware."""

from __future__ import annotations

from collections.abc import Sequence

from skaprof.analysis.roofline_rows import RooflinePoint, measured_points
from skaprof.cli.output import say
from skaprof.model.hardware import Hardware, known_hardware
from skaprof.saved import SavedResults


def points_of(saved: SavedResults, mixers: Sequence[str] | None, machine: Hardware) -> list[RooflinePoint]:
    """The file's points of these mixers; what was left out, or does not fit the machine, is said on stderr.

    Raises:
        SkaprofError: there is none.
    """
    found = measured_points(saved, mixers)
    devices = sorted({str(point.conditions[0]) for point in found.points})
    for notice in (saved.warning, found.notice(), _another_machine(devices, machine)):
        if notice is not None:
            say(f"skaprof: --results: {notice}")
    return found.points


def _another_machine(devices: Sequence[str], machine: Hardware) -> str | None:
    """That a machine of the packaged file cannot be the one the times are of: one is a GPU, the other is none."""
    is_gpu = "NVIDIA" in machine.name
    if machine.id not in known_hardware() or is_gpu == any("NVIDIA" in device for device in devices):
        return None
    return f"its times are of {', '.join(devices)}, and --hardware {machine.id} is another machine"
