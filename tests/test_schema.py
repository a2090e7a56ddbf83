"""The JSON Schema in the package describes what every command writes, and nothing is written that it does not name."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run
from jsonschema import Draft202012Validator, ValidationError

from skaprof.results import METRICS
from skaprof.schema import KINDS, keys, kind_of, row_from, schema, schema_text

PROPERTIES = schema()["$defs"]["row"]["properties"]


def require_valid(document: dict[str, Any]) -> None:
    Draft202012Validator(schema()).validate(document)
    unnamed = {key for row in document["rows"] for key in row} - set(PROPERTIES)
    assert unnamed == set(), "the schema allows keys it does not know; a command must not write any"


def from_lines(text: str) -> dict[str, Any]:
    head, *rows = map(json.loads, text.splitlines())
    return {**head, "rows": rows}


@pytest.mark.parametrize(
    "arguments",
    [
        ("flops", "-m", "mhsa", "-m", "sepconv", "-m", "identity"),
        ("flops", "--mode", "train", "--dtype", "bfloat16", "--implementation", "sdpa"),
        ("flops", "--per-op"),
        ("flops", "--verify"),
        ("flops", "--verify", "--per-op", "-m", "cska"),
        ("flops", "--baseline", "mhsa"),
        ("flops", "--formula"),
        ("flops", "--tokens", "1:2000"),
        ("search", "caformer_s18", "--objective", "macs"),
        ("env",),
        ("model", "caformer_s18", "--stage", "3=ska"),
        ("model", "vit_small", "--depth", "block", "--verify"),
        ("crossover", "-m", "linear", "--baseline", "sepconv", "--axis", "heads", "--dim", "64", "--tokens", "9"),
        ("check", str(ROOT / "claims" / "paper.toml")),
    ],
    ids=" ".join,
)
def test_the_output_of_every_command_is_valid(skaprof: Run, arguments: tuple[str, ...]) -> None:
    document = json.loads(skaprof(*arguments, "--format", "json").stdout)
    assert document["rows"]
    require_valid(document)


@pytest.mark.usefixtures("steady_clock")
def test_latency_is_valid_as_json_and_as_json_lines(skaprof: Run, tmp_path: Path) -> None:
    fast = ("latency", "--device", "cpu", "--tokens", "9", "--dim", "16", "--max-seconds", "1", "--baseline", "mhsa")
    mixers = ("-m", "mhsa", "-m", "pooling")  # pooling has no sdpa form: a row with an error and no figures
    require_valid(json.loads(skaprof(*fast, *mixers, "--format", "json").stdout))
    path = tmp_path / "runs.jsonl"
    assert skaprof(*fast, *mixers, "--output", str(path)).returncode == 0
    document = from_lines(path.read_text())
    require_valid(document)
    assert any(row["error"] for row in document["rows"])


@pytest.mark.parametrize("path", sorted((ROOT / "reports").rglob("results.json")), ids=lambda path: path.parent.name)
def test_committed_reports_are_valid(path: Path) -> None:
    require_valid(json.loads(path.read_text()))


def test_compare_is_valid(skaprof: Run, tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    skaprof("flops", "--output", str(old))
    skaprof("flops", "-m", "mhsa", "-m", "linear", "--output", str(new))
    require_valid(json.loads(skaprof("compare", str(old), str(new), "--all", "--format", "json").stdout))


def broken(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((ROOT / "tests" / "data" / "latency.json").read_text())
    document["rows"][0].update(changes)
    return document


@pytest.mark.parametrize(
    "changes",
    [
        {"macs": 1.5},
        {"macs": None, "verdict": "quick"},
        {"mode": "backward"},
        {"flags": ["sunny"]},
        {"median_ms": "fast"},
        {"heads": 0},
        {"aa_low": "0.9"},
    ],
    ids=str,
)
def test_a_wrong_value_is_invalid(changes: dict[str, Any]) -> None:
    require_valid(broken())
    with pytest.raises(ValidationError):
        require_valid(broken(**changes))


def test_a_row_of_no_command_is_invalid() -> None:
    with pytest.raises(ValidationError):
        require_valid({**broken(), "rows": [{"mixer": "ska"}]})


def test_the_file_in_the_package_is_what_the_records_say() -> None:
    path = ROOT / "skaprof" / "schema.json"
    if os.environ.get("SKAPROF_WRITE_GOLDEN"):
        path.write_text(schema_text(), encoding="utf-8")
    committed = path.read_text(encoding="utf-8")
    assert committed == schema_text(), "a record has changed: SKAPROF_WRITE_GOLDEN=1 writes the file anew"
    assert json.loads(committed) == schema()
    Draft202012Validator.check_schema(json.loads(committed))


def test_every_key_says_what_it_means_and_every_kind_is_told_by_a_key_of_its_own() -> None:
    assert all(expected.key.words for expected in keys().values())
    for name, kind in KINDS.items():
        others = [other.record for other_name, other in KINDS.items() if other_name != name]
        assert kind.told_by in kind.record.fields
        assert not any(kind.told_by in other.fields for other in others), name


def test_costs_of_older_files_lack_the_memory() -> None:
    required = set(schema()["$defs"]["cost_row"]["required"])
    assert set(METRICS) - {"saved_bytes", "peak_bytes"} <= required
    assert not {"saved_bytes", "peak_bytes"} & required


@pytest.mark.parametrize("path", sorted((ROOT / "reports").rglob("results.json")), ids=lambda path: path.parent.name)
def test_every_row_of_a_committed_report_is_read_as_its_record(path: Path) -> None:
    for row in json.loads(path.read_text())["rows"]:
        record = row_from(row)
        assert record is not None
        assert type(record) is kind_of(row)
        assert {key: value for key, value in record.as_dict().items() if key in row} == {
            key: row[key] for key in row if key in record.fields
        }
