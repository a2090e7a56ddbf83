"""Results of several devices: side by side in a report, and never taken for those of one."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run

from skaprof.analysis.fleet import Predictor, fleet_rows, turns
from skaprof.analysis.kernel_model import Predicted
from skaprof.analysis.roofline_rows import RooflinePoint
from skaprof.api.trade_offs import _times
from skaprof.measured import result_row
from skaprof.report.fleet import fleet_section, turn_sentences
from skaprof.saved import read_results

Row = dict[str, Any]
HEAD, *ROWS = [json.loads(line) for line in (ROOT / "tests/data/runs.jsonl").read_text().splitlines()]
XEON, ALTRA = "cpu (Intel(R) Xeon(R) Processor)", "cpu (Ampere Altra)"
TIMES = ("median_ms", "ci_low_ms", "ci_high_ms", "ratio", "ratio_low", "ratio_high")


def scaled(row: Row, factor: float, **changes: Any) -> Row:
    """A row whose time and ratio are so many times those of the committed run, with its own verdict."""
    row = copy.deepcopy(row) | {key: row[key] and row[key] * factor for key in TIMES}
    if row["ratio_low"]:
        row["verdict"] = (
            "faster" if row["ratio_high"] < 0.97 else "slower" if row["ratio_low"] > 1.03 else "inconclusive"
        )
    return row | changes


def write(path: Path, rows: list[Row], **environment: Any) -> str:
    head = {**HEAD, "environment": HEAD["environment"] | environment}
    path.write_text("".join(f"{json.dumps(each)}\n" for each in (head, *rows)))
    return path.name


@pytest.fixture
def here(tmp_path: Path, skaprof: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with times of two processors, apart and merged: ska is faster on the one and slower on the other."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "xeon.jsonl", ROWS)
    altra = [ROWS[0], scaled(ROWS[1], 1.1), *(scaled(row, 1.5) for row in ROWS[2:4]), *ROWS[4:]]
    write(tmp_path / "altra.jsonl", altra, cpu="Ampere Altra")
    (tmp_path / "timed.toml").write_text('sections = ["latency"]\n')
    assert skaprof("merge", "xeon.jsonl", "altra.jsonl", "-o", "fleet.jsonl").returncode == 0
    return tmp_path


def test_a_report_of_several_devices_has_them_side_by_side_and_each_alone(skaprof: Run, here: Path) -> None:
    times = ("--latency", "xeon.jsonl", "--latency", "altra.jsonl")
    report = ("report", "--config", "timed.toml", "--output", "report")
    done = skaprof(*report, *times)
    assert done.returncode == 0, done.stderr
    page = (here / "report/report.md").read_text()
    at = "7 x 7 tokens, dim 512, 16 heads, batch 1: "
    assert (
        f"ska (eager) is faster than mhsa (eager) on {XEON}, and slower on {ALTRA} (train, float32, hot), at {at}"
        in (page.replace("\\", ""))
    )
    for heading in ("## Devices side by side", "## Latency", f"### {XEON}", f"### {ALTRA}"):
        assert f"\n{heading}\n" in page.replace("\\", "")
    assert f"{ALTRA}: ska (eager) against mhsa (eager), train, float32: 1 slower of 1 case" in page
    assert f"{XEON}: ska (eager) against mhsa (eager), train, float32: 1 faster of 1 case" in page
    assert {"fleet.csv", "fleet.png", "promise-1.png", "promise-2.svg"} <= {
        path.name for path in (here / "report").iterdir()
    }
    found = read_results(here / "report/results.json", "")
    assert [row.device for row in found.measured] == [XEON] * 6 + [ALTRA] * 6
    assert found.environment["devices"] == f"{XEON}; {ALTRA}"
    assert "cpu" not in found.environment
    assert skaprof(*report, *times, "--check").returncode == 0
    assert skaprof(*report, "--latency", "fleet.jsonl", "--force").returncode == 0  # a merged file says the same
    again = (here / "report/report.md").read_text()
    assert again.partition("## Commands")[0] == page.partition("## Commands")[0]


def test_one_device_has_no_fleet_and_its_figures_no_number(skaprof: Run, here: Path) -> None:
    assert skaprof("report", "--config", "timed.toml", "--latency", "xeon.jsonl", "--output", "one").returncode == 0
    assert sorted(path.name for path in (here / "one").iterdir() if path.suffix == ".png") == ["promise.png"]
    assert "side by side" not in (here / "one/report.md").read_text()


def test_what_is_of_one_device_refuses_several_or_tells_them_apart(skaprof: Run, here: Path) -> None:
    both = f"'fleet.jsonl' has times of several devices: {XEON}, {ALTRA}: expected one"
    for command in (("explain", "--results", "fleet.jsonl"), ("roofline", "--results", "fleet.jsonl")):
        done = skaprof(*command, "--hardware", "xeon-8480")
        assert (done.returncode, both in done.stderr) == (2, True), done.stderr
    done = skaprof("crossover", "--results", "fleet.jsonl", "--mixer", "ska", "--dim", "512")
    for device in (XEON, ALTRA):
        assert f"(eager, train, hot on {device})" in done.stdout
    claim = "ska.median_ms < mhsa.median_ms @ tokens=49,dim=512,mode=train,implementation=eager"
    done = skaprof("check", claim, "--results", "fleet.jsonl", "--format", "json")
    apart = skaprof("check", claim, "--results", "xeon.jsonl", "--results", "altra.jsonl", "--format", "json")
    rows = [json.loads(each.stdout)["rows"] for each in (done, apart)]
    assert rows[0] == rows[1]
    assert (rows[0][0]["outcome"], rows[0][0]["device"]) == ("fails", ALTRA)
    said = skaprof("check", claim, "--results", "fleet.jsonl").stdout
    assert f"fails at 1 of 2 sizes on 2 devices, first {claim.partition('@ ')[2]} on {ALTRA}: " in said
    assert "holds" in skaprof("check", f"{claim},device=xeon", "--results", "fleet.jsonl").stdout
    assert "not testable" in skaprof("check", f"{claim},device=cuda", "--results", "fleet.jsonl").stdout


def test_a_device_is_predicted_where_its_calibration_is_known_measured_or_not() -> None:
    rows = [result_row(row) for row in (*ROWS, *({**row, "device": "NVIDIA L4"} for row in ROWS[:3]))]

    def predict(point: RooflinePoint) -> Predicted:
        return Predicted(2e-3 if point.variant.spec.text == "mhsa" else 1e-3)

    found = fleet_rows(rows, {"NVIDIA L4": Predictor("my-l4", predict)})
    told = {(row.mixer, row.implementation): row for row in found if row.device == "NVIDIA L4"}
    assert set(told) == {("ska", "eager"), ("ska", "sdpa"), ("cska", "eager"), ("cska", "sdpa")}
    eager, fused = told["ska", "eager"], told["ska", "sdpa"]
    assert (eager.ratio, eager.predicted_ratio, eager.predicted_ms) == (ROWS[2]["ratio"], 0.5, 1.0)
    assert (fused.ratio, fused.verdict, fused.predicted_ratio, fused.hardware) == (None, None, 0.5, "my-l4")
    assert {row.predicted_ratio for row in found if row.device == "cpu"} == {None}
    body, _, figures = fleet_section(found, lambda name, alt: f"![{alt}]({name}.png)")
    assert "NVIDIA L4: 4 ratios predicted by my-l4; half of the 1 measured are within" in body
    assert len(figures["fleet"]().axes) == 2


def test_an_unsound_verdict_turns_nothing_and_nothing_turned_is_said() -> None:
    def told(*others: Row) -> list[str]:
        return turn_sentences(fleet_rows([result_row(row) for row in (*ROWS[:3], ROWS[4], *others)], {}))

    def there(*rows: Row) -> list[Row]:
        return [{**row, "device": "there"} for row in rows]

    slower, faster = scaled(ROWS[2], 1.5), scaled(ROWS[2], 0.9)
    assert told(*there(ROWS[0], slower))[0].startswith(
        "The verdict turns: ska (eager) is faster than mhsa (eager) on cpu,"
    )
    assert told(*there(ROWS[0], faster)) == ["Devices: no verdict turns in 1 case that several of them decide."]
    unsound = told(*there(ROWS[0], {**slower, "flags": ["throttled"]}))
    assert unsound == ["Devices: no mixer is faster or slower on several of them, so that none can be said to turn."]
    assert turns(fleet_rows([result_row(row) for row in ROWS], {})) == []


def test_networks_have_times_of_one_device_beside_their_accuracies(tmp_path: Path) -> None:
    networks = [{**row, "model": "vit_micro", "image_height": 28, "image_width": 28} for row in ROWS[:2]]
    paths = [tmp_path / name for name in ("xeon.jsonl", "altra.jsonl")]
    for path, environment in zip(paths, ({}, {"cpu": "Ampere Altra"}), strict=True):
        write(path, networks, **environment)
    times, warnings = _times(list(map(str, paths)), None)
    assert [row.device for row in times.measured] == [XEON, XEON]
    assert warnings == [f"times of several devices: of {XEON}, {ALTRA} those of the first are beside accuracies"]
