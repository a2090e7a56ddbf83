"""Accuracies from files, beside costs and times: what trade-offs, searches, reports and figures read."""

from __future__ import annotations

from collections.abc import Sequence

from skaprof.analysis.scopes import TOTAL
from skaprof.analysis.trade_off import Predict, Times, trade_off_rows, with_front
from skaprof.errors import SkaprofError, named, shown, shown_path
from skaprof.model.hardware import find_hardware
from skaprof.model.network import Network
from skaprof.published import ImportedRow, TradeOffRow
from skaprof.records import Record
from skaprof.saved import read_results, several
from skaprof.trained import TrainedRow
from skaprof.workload import DEFAULT_DTYPE


def read_trade_offs(
    paths: Sequence[str], option: str, data: str | None, latency: Sequence[str], hardware: str | None
) -> tuple[list[TradeOffRow], list[str]]:
    """What files of accuracies say, on `data` or on all, joined to times; and what there is to know of the files.

    Raises:
        SkaprofError: one cannot be read, or holds no accuracies; none is of a network that is known here.
    """
    records, warnings = _read(paths, option)
    times, more = _times(latency, hardware)
    rows = trade_off_rows(records, times)
    if data is not None:
        rows = with_front([row for row in rows if row.data == data])
    if not rows:
        about = "" if data is None else f" on {shown(data)}"
        raise SkaprofError(f"{option}: {', '.join(map(shown_path, paths))}: no accuracy{about} of a network known here")
    return rows, warnings + more


def _read(paths: Sequence[str], option: str) -> tuple[list[Record], list[str]]:
    records: list[Record] = []
    warnings = []
    for path in paths:
        saved = read_results(path, option)
        found = [row for row in saved.records if isinstance(row, TrainedRow | ImportedRow)]
        if not found:
            expected = "expected a file of skaprof accuracy, or of skaprof accuracy import"
            raise SkaprofError(f"{option}: {shown_path(path)} holds no accuracies: {expected}")
        records += found
        warnings += [saved.warning] if saved.warning else []
    return records, warnings


def _times(latency: Sequence[str], hardware: str | None) -> tuple[Times, list[str]]:
    files = several([read_results(path, named("latency")) for path in latency])
    measured = [row for saved in files for row in saved.measured if row.model is not None]
    warnings = [saved.warning for saved in files if saved.warning]
    devices = list(dict.fromkeys(row.device for row in measured))
    if len(devices) > 1:  # times of two do not compare, and a network has one
        measured = [row for row in measured if row.device == devices[0]]
        warnings.append(f"times of several devices: of {', '.join(devices)} those of the first are beside accuracies")
    if latency and not measured:
        expected = "no times of networks in it, as skaprof latency --model has them"
        warnings.append(f"{', '.join(map(shown_path, latency))}: {expected}")
    return Times(measured, hardware, None if hardware is None else _predict(hardware)), warnings


def _predict(hardware: str) -> Predict:
    from skaprof.api.loading import load_predictor

    predict = load_predictor(find_hardware(hardware)).network

    def milliseconds(network: Network) -> float | None:
        seconds = predict(network, DEFAULT_DTYPE)[TOTAL].seconds
        return None if seconds is None else 1e3 * seconds

    return milliseconds
