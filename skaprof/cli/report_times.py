"""Times from files in a report: of which devices they are, which sections they make, and what is predicted beside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from skaprof.errors import SkaprofError, shown_path
from skaprof.measured import result_row
from skaprof.model.hardware import Hardware, find_hardware
from skaprof.results import ResultRow
from skaprof.saved import SavedResults, read_results, several
from skaprof.where import beside, environment_of, processors_of, shared, told_apart

Row = dict[str, Any]


class Timings(NamedTuple):
    """Results files with the rows of each, in which every device has a name of its own, and what their environments
    have alike. `places` is the environment of each device, by its name."""

    files: Sequence[SavedResults]
    rows: Sequence[Sequence[Row]]
    environment: Row
    places: dict[str, Row]


def read_timings(paths: Sequence[str]) -> Timings:
    """The files of --latency.

    Raises:
        SkaprofError: one cannot be read, or holds something else than times.
    """
    files = several([read_results(path, "--latency") for path in paths])
    for saved in files:
        if not all("median_ms" in row for row in saved.rows):
            raise SkaprofError(
                f"--latency: {shown_path(saved.path)} holds no times: expected a file of skaprof latency"
            )
    processors = {name for saved in files for name in processors_of(saved.rows, saved.environment)}
    rows = [list(map(dict, told_apart(saved.rows, saved.environment, processors))) for saved in files]
    known = [
        (row, environment_of(row, saved.environment)) for saved, own in zip(files, rows, strict=True) for row in own
    ]
    places = {str(row["device"]): environment for row, environment in reversed(known)}
    places = {device: places[device] for device in dict.fromkeys(str(row["device"]) for row, _ in known)}
    if len(places) < 2:
        return Timings(files, rows, dict(files[0].environment) if files else {}, places)
    header = shared([environment for _, environment in known])
    for row, environment in known:
        row["environment"] = beside(environment, header)
    return Timings(files, rows, {**header, "devices": "; ".join(places)}, places)


def by_section(timings: Timings) -> dict[str, list[Row]]:
    """The rows by section: runs in other runtimes and networks stand apart, sweeps over heads are figure 3, the rest is
    latency.

    {} without files.
    """
    if not timings.files:
        return {}
    found: dict[str, list[Row]] = {"latency": [], "network-latency": [], "figure-3": [], "runtimes": []}
    for saved, rows in zip(timings.files, timings.rows, strict=True):
        if any(row.elsewhere for row in saved.costs):
            found["runtimes"] += rows
            continue
        if any(row.get("model") is not None for row in rows):
            found["network-latency"] += rows
            continue
        heads = {row["heads"] for row in rows if row["heads"] is not None and row["mixer"] == "mhsa"}
        sizes = {(row["height"], row["width"], row["dim"]) for row in rows}
        found["figure-3" if len(sizes) == 1 and len(heads) > 1 else "latency"] += rows
    return found


def side_by_side(timings: Timings, hardware: Sequence[str], notes: list[str]) -> list[Row]:
    """The rows of devices side by side, with what is predicted of each that a file of `hardware` is of; `notes` gets
    those files that say nothing."""
    from skaprof.analysis.fleet import Predictor, fleet_rows
    from skaprof.api.loading import load_predict

    predictors: dict[str, Predictor] = {}
    for name in hardware:
        machine = find_hardware(name, "--hardware")
        devices = of_machine(timings, machine)
        if not devices:
            notes.append(f"Devices side by side: {machine.id} is the calibration of none of them.")
            continue
        try:
            predict = load_predict(machine)
        except SkaprofError as error:
            notes.append(f"Devices side by side: {error.in_options()}.")
            continue
        predictors |= dict.fromkeys(devices, Predictor(machine.id, predict))
    rows: list[ResultRow] = [result_row(row) for own in timings.rows for row in own]
    return [row.as_dict() for row in fleet_rows(rows, predictors)]


def of_machine(timings: Timings, machine: Hardware) -> list[str]:
    """The devices that a calibration is of."""
    from skaprof.analysis.same_machine import is_of

    return [device for device, environment in timings.places.items() if is_of(machine, environment)]
