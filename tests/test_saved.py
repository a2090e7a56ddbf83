"""Results files read back: what is ours is read whole, anything else is refused in one line that names the place."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from row_examples import measured_row

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.errors import SkaprofError
from skaprof.measured import FailedRow, MeasuredRow
from skaprof.model.spec import parse_mixer
from skaprof.report.formats import to_json
from skaprof.saved import read_results
from skaprof.workload import Workload

HEAD: dict[str, Any] = {"schema_version": 1, "command": "skaprof latency", "environment": {"device": "cpu"}}
W = Workload(1, 4, 4, 64, 2, 32)
ROW = measured_row(cost_row(Variant(parse_mixer("ska")), W), 0.5)


def lines(*rows: dict[str, Any], **head: Any) -> str:
    return "".join(json.dumps(document) + "\n" for document in ({**HEAD, "settings": {"tf32": False}, **head}, *rows))


def envelope(*rows: Any, **head: Any) -> str:
    return json.dumps({**HEAD, "rows": list(rows), **head})


def read(path: Path, text: str | bytes) -> Any:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_results(path, "--results")


@given(st.lists(st.fixed_dictionaries({"mixer": st.text(), "macs": st.integers(0, 10**30), "note": st.text()})))
def test_what_a_command_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    text = "".join(to_json("skaprof flops", {"python": "3"}, rows))
    saved = read(tmp_path_factory.getbasetemp() / "costs.json", text)
    assert (saved.command, dict(saved.environment), list(saved.rows)) == ("skaprof flops", {"python": "3"}, rows)
    assert (saved.settings, saved.warning) == (None, None)


def test_json_lines_are_read_with_their_settings(tmp_path: Path) -> None:
    saved = read(tmp_path / "runs.jsonl", lines(ROW, ROW))
    assert (len(saved.rows), saved.settings, saved.warning) == (2, {"tf32": False}, None)
    assert saved.good_bytes == len(lines(ROW, ROW))


def test_the_content_decides_not_the_ending(tmp_path: Path) -> None:
    assert len(read(tmp_path / "runs.json", lines(ROW)).rows) == 1
    assert len(read(tmp_path / "costs.jsonl", envelope(ROW)).rows) == 1


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_a_cut_last_line_is_told_and_left_out(tmp_path: Path, cut: int) -> None:
    saved = read(tmp_path / "runs.jsonl", lines(ROW, ROW)[:-cut])
    assert len(saved.rows) == 1
    assert saved.good_bytes == len(lines(ROW))
    assert "its last line, 3, was cut off and is left out" in saved.warning


BAD = [
    ("", "is empty"),
    (" \n ", "is empty"),
    ("[1, 2]", "has no rows"),
    ("{}", "has no schema_version"),
    ('{"ska": {"latency": {"value": 1}}}', "has no schema_version"),
    ('{\n"rows": [,]}', "is damaged in line 2, column 10: expected JSON"),
    (b'{\n"\xff": 1}', "is damaged in line 2: expected UTF-8"),
    ("[" * 100_000, "cannot be read as JSON"),
    (envelope(ROW, schema_version=2), "has schema version 2: expected 1"),
    (envelope(ROW, schema_version=0), "has schema version 0: expected 1"),
    (envelope(ROW, schema_version=True), "has no schema_version"),
    (envelope(ROW, environment=[]), "has no command or environment"),
    (envelope(ROW, command=None), "has no command or environment"),
    (envelope(ROW, settings=5), "has settings that are no object"),
    (envelope(ROW, rows={}), "has no rows"),
    (envelope(ROW, 7), "row 2: expected a JSON object"),
    (envelope({"median_ms": float("nan")}), "row 1: 'median_ms' is not finite"),
    (envelope({"samples_ms": [1.0, float("inf")]}), "row 1: 'samples_ms' is not finite"),
    (envelope(ROW).replace("0.5", "1e999"), "row 1: 'median_ms' is not finite"),
    (envelope({"ratio": 1e101}), "row 1: 'ratio' is not finite, or beyond 1e100"),
    (envelope({"ratio": 1e-320}), "row 1: 'ratio' is not finite, or beyond 1e100"),
    (envelope({"macs": 10**400}), "row 1: 'macs' is not finite, or beyond 1e100"),
    (envelope({"macs": "many"}), "row 1: macs is 'many': expected integer or null of 0 or more"),
    (envelope({"macs": 1.5}), "row 1: macs is '1.5'"),
    (envelope({"macs": True}), "row 1: macs is 'True'"),
    (envelope({"median_ms": -1}), "row 1: median_ms is '-1'"),
    (envelope({"mixer": ["ska"]}), "row 1: mixer is"),
    (envelope({"mode": 5}), "row 1: mode is '5': expected string or null"),
    (lines(ROW, {"macs": "many"}), "line 3: macs is 'many'"),
    (lines(ROW) + "no\n" + lines(ROW), "is damaged in line 3: expected a JSON object"),
    (lines(ROW, schema_version=9), "has schema version 9"),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=[words[:40] for _, words in BAD])
def test_any_other_file_is_refused(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(SkaprofError) as caught:
        read(tmp_path / "x\x1b[31m.json", text)
    message = caught.value.message
    assert message.startswith("--results: '")
    assert words in message
    assert "\n" not in message
    assert "\x1b" not in message


def changed(**changes: Any) -> str:
    return envelope({**ROW, **changes})


def without(*keys: str) -> str:
    return envelope({key: value for key, value in ROW.items() if key not in keys})


DAMAGED = [
    (changed(ratio=None), "row 1: ratio is null: expected number of 0 or more"),
    (changed(ratio=0), "row 1: ratio is '0': expected a figure above 0"),
    (changed(ratio=1e60), "row 1: ratio is '1e+60': expected a figure above 0 that could be measured"),
    (changed(ci_low_ms=0), "row 1: ci_low_ms is '0'"),
    (changed(median_ms=0), "row 1: median_ms is '0'"),
    (changed(dim=None), "row 1: dim is null: expected it of a mixer at a size"),
    (changed(mixer=None), "row 1: mixer is null"),
    (changed(verdict=None), "row 1: verdict is null: expected string"),
    (changed(tolerance=None), "row 1: tolerance is null: expected number of 0 or more"),
    (changed(flags=None), "row 1: flags is null: expected array"),
    (changed(flags=[{}]), "row 1: flags is '[{}]': expected array"),
    (changed(samples_ms=["fast"]), "row 1: samples_ms is"),
    (changed(implementation=None), "row 1: implementation is null: expected string"),
    (changed(dtype="int8"), "row 1: dtype is 'int8': expected one of float64, float32, bfloat16, float16"),
    (changed(mode="backward"), "row 1: mode is 'backward': expected one of forward, train"),
    (changed(median_ms=None, verdict=None), "row 1: verdict is null: expected string"),
    (without("rounds"), "row 1: rounds is missing: expected integer of 0 or more"),
    (without("verdict"), "row 1: verdict is missing: expected string"),
    (without("mixer"), "row 1: mixer is missing: expected string"),
    (without("params", "heads"), "row 1: heads is missing: expected integer or null of 1 or more"),
    (lines(ROW, {**ROW, "flags": 5}), "line 3: flags is '5': expected array"),
    (envelope({"winner_below": "ska"}), "row 1: metric is missing"),
]


@pytest.mark.parametrize(("text", "words"), DAMAGED, ids=[words[:60] for _, words in DAMAGED])
def test_a_damaged_row_is_refused_with_its_place_its_key_and_what_is_expected(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(SkaprofError) as caught:
        read(tmp_path / "x.json", text)
    assert words in caught.value.message


def test_rows_are_records_of_their_kind_and_unknown_kinds_are_kept_as_written(tmp_path: Path) -> None:
    untimed = {**ROW, "median_ms": None, "verdict": "crashed", "error": "why"}
    saved = read(tmp_path / "x.json", envelope(ROW, untimed, {"new_kind": 1, "dim": 4}))
    assert [type(row) for row in saved.records] == [MeasuredRow, FailedRow]
    assert (saved.measured, len(saved.costs), len(saved.rows)) == ([MeasuredRow.read(ROW)], 2, 3)


@pytest.mark.parametrize("path", ["", "nowhere.json", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_named(path: str) -> None:
    with pytest.raises(SkaprofError, match="cannot be read"):
        read_results(path, "OLD")


@given(st.binary(max_size=300))
def test_no_bytes_end_in_anything_but_results_or_the_users_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    with contextlib.suppress(SkaprofError):
        read(tmp_path_factory.getbasetemp() / "noise", data)
