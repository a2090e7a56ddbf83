"""Bencher Metric Format: an object of benchmarks by name, each an object of measures with a value and its bounds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from conftest import ROOT, SPEC_TEXTS, Run
from jsonschema import Draft7Validator

from skaprof.analysis.costs import cost_row, op_rows
from skaprof.analysis.plan import SizeGrid, make_plan
from skaprof.model.spec import parse_mixer
from skaprof.report.formats import Row, to_bmf

METRIC = {
    "type": "object",
    "required": ["value"],
    "properties": {key: {"type": "number"} for key in ("value", "lower_value", "upper_value")},
    "additionalProperties": False,
}
BMF = {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": METRIC}}


def benchmarks(rows: Sequence[Row]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads("".join(to_bmf(rows)))
    Draft7Validator(BMF).validate(found)
    return found


def test_every_row_has_a_name_of_its_own() -> None:
    grid = SizeGrid((1, 2), ((14, 14), (7, 28)), (64, 128), (), (16, 32), (3, 5))
    plan = make_plan([parse_mixer(text) for text in SPEC_TEXTS], grid, ("eager",), ("forward", "train"), ("float32",))
    rows = [cost_row(variant, workload).as_dict() for variant, workload, *_ in plan.rows()]
    found = benchmarks(rows)
    assert len(found) == len(rows)
    assert max(map(len, found)) <= 1024
    assert [measures["macs"]["value"] for measures in found.values()] == [row["macs"] for row in rows]
    variant, workload, *_ = next(plan.rows())
    assert len(benchmarks(op_rows(variant, workload))) == len(op_rows(variant, workload))


def test_a_name_does_not_depend_on_the_other_rows() -> None:
    rows = [json.loads(line) for line in (ROOT / "tests/data/runs.jsonl").read_text().splitlines()[1:]]
    together = benchmarks(rows)
    assert [*together] == [name for row in rows for name in benchmarks([row])]
    assert [*together][2] == "ska/eager/train/batch=1/size=7x7/dim=512/heads=16x32/float32/cpu/hot"


def test_times_carry_their_interval_and_what_is_missing_is_left_out() -> None:
    row = json.loads((ROOT / "tests/data/runs.jsonl").read_text().splitlines()[1])
    (measures,) = benchmarks([row]).values()
    median = {"value": row["median_ms"], "lower_value": row["ci_low_ms"], "upper_value": row["ci_high_ms"]}
    assert measures["median_ms"] == median
    assert "peak_memory_bytes" not in measures
    (cut,) = benchmarks([{**row, "ci_low_ms": None, "ci_high_ms": None}]).values()
    assert cut["median_ms"] == {"value": row["median_ms"]}
    (failed,) = benchmarks([{**row, "median_ms": None, "images_per_s": None, "tflops": None}]).values()
    assert set(failed) == {"params", "macs", "flops", "elementwise_flops", "weight_bytes", "traffic_bytes"}


def test_no_rows_are_no_benchmarks() -> None:
    assert benchmarks([]) == {}


def test_flops_writes_it(skaprof: Run) -> None:
    for options, rows in (((), 3), (("--per-op",), 8 + 7 + 8), (("--implementation", "eager,sdpa"), 6)):
        done = skaprof("flops", "--format", "bmf", *options)
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)) == rows
