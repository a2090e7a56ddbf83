"""`skaprof report`: one folder, whole or not at all, the same bytes for the same results, and safe to read anywhere."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run, heed_interrupts, wait_for_torch

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import SizeGrid, make_plan
from skaprof.analysis.promises import best_pairs, same_form_pairs
from skaprof.analysis.report_rows import PAPER_SIZES, Contents
from skaprof.bench.calibrate import Calibration
from skaprof.cli.measured_sections import MEASURED, section_rows, shared_limit
from skaprof.cli.report_config import read_contents
from skaprof.cli.time_limit import SharedLimit, largest_within_limit, within_limit
from skaprof.errors import SkaprofError
from skaprof.measured import result_row
from skaprof.model.hardware import Rate
from skaprof.model.spec import parse_mixer
from skaprof.report.macs_vs_time import promise_figure
from skaprof.report.sections import SECTIONS
from skaprof.report.timing import kept_promises, outcomes

ANALYTIC = ROOT / "reports" / "analytic"
SMALL = 'title = "Two mixers"\nsections = ["sizes"]\nmixers = ["mhsa", "ska"]\n[[sizes]]\ntokens = 49\ndim = 64\n'


def small_config(folder: Path) -> str:
    path = folder / "small.toml"
    path.write_text(SMALL)
    return str(path)


def contents_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_committed_analytic_report_is_what_the_program_writes(skaprof: Run) -> None:
    done = skaprof("report", "--analytic-only", "--check", "--output", "reports/analytic", cwd=ROOT)
    assert done.returncode == 0, done.stderr


FROM_FILES = "fleet"
"""The section that only files have rows for."""


def test_every_section_has_rows_from_closed_forms_or_from_pytorch() -> None:
    assert {name for name, section in SECTIONS.items() if section.rows is None} == {*MEASURED, FROM_FILES}


def test_figures_in_the_page_are_those_of_the_closed_forms() -> None:
    rows = list(csv.DictReader((ANALYTIC / "sizes.csv").read_text().splitlines()))
    assert len(rows) == len(PAPER_SIZES) * 3 * 2
    for row in rows:
        size = (int(row["height"]), int(row["width"]))
        plan = make_plan(
            [parse_mixer(row["mixer"])], SizeGrid((1,), (size,), (int(row["dim"]),)), (row["implementation"],)
        )
        variant, workload, *_ = next(plan.rows())
        assert int(row["macs"]) == cost_row(variant, workload).macs


def test_the_page_is_a_github_page(skaprof: Run) -> None:
    page = (ANALYTIC / "report.md").read_text()
    for image in re.findall(r"\]\((\S+?\.(?:png|svg))\)", page):
        assert (ANALYTIC / image).is_file(), image
    assert all(alt.strip() for alt in re.findall(r"!\[(.*?)\]", page))
    for table in re.findall(r"(?:^\|.*\|\n)+", page, re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(columns) == 1, table[:200]
    assert not re.search(r"\d\.\d{7,}", page), "no float with all its digits"


def test_redrawing_gives_the_same_bytes(skaprof: Run, tmp_path: Path) -> None:
    done = skaprof("report", "--from", str(ANALYTIC / "results.json"), "--output", str(tmp_path / "again"))
    assert done.returncode == 0, done.stderr
    assert contents_of(tmp_path / "again") == contents_of(ANALYTIC)


def test_a_configuration_chooses_title_sections_sizes_and_mixers(skaprof: Run, tmp_path: Path) -> None:
    done = skaprof("report", "--config", small_config(tmp_path), "--output", str(tmp_path / "report"))
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"report.md", "results.json", "sizes.csv"}
    page = (tmp_path / "report" / "report.md").read_text()
    assert page.startswith("# Two mixers\n")
    assert "### 7 x 7 tokens, dim 64" in page
    assert "cska" not in page


def test_a_section_that_the_analytic_report_leaves_out_is_there_when_asked_for(skaprof: Run, tmp_path: Path) -> None:
    config = tmp_path / "roofline.toml"
    config.write_text('sections = ["roofline", "memory"]\nhardware = "l4"\ndtype = "bfloat16"\n')
    done = skaprof("report", "--analytic-only", "--config", str(config), "--output", str(tmp_path / "report"))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report" / "report.md").read_text()
    assert page.index("## Memory") < page.index("## Roofline")
    assert "NVIDIA L4" in page


def test_a_report_draws_the_roofline_of_the_machine_that_it_is_made_on(
    skaprof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured, and said so; drawn again from what was saved, which has the ceilings."""
    found = Calibration([Rate("linear", "float32", 1e9, 5e10)], 1e10, 1e-6, frozenset())
    monkeypatch.setattr("skaprof.bench.calibrate.calibrate", lambda *given, **options: found)
    config, folder = tmp_path / "roofline.toml", tmp_path / "report"
    config.write_text('sections = ["roofline", "crossovers"]\nsizes = [{tokens = 49, dim = 64}]\n')
    done = skaprof("report", "--config", str(config), "--device", "cpu", "--output", str(folder))
    assert done.returncode == 0, done.stderr
    page = (folder / "report.md").read_text()
    assert "(measured): 50 GFLOP/s float32, 10 GB/s" in page
    assert "Ceilings: measured here" in page
    assert "H100" not in page
    again = tmp_path / "again"
    assert skaprof("report", "--from", str(folder / "results.json"), "--output", str(again)).returncode == 0
    assert contents_of(again) == contents_of(folder)
    config.write_text('sections = ["roofline", "latency"]\n')
    times = timing_file(tmp_path, environment={"device": "H100"})
    done = skaprof("report", "--config", str(config), "--latency", times, "--output", str(tmp_path / "other"))
    assert done.returncode == 0, done.stderr
    assert "the ceilings of the machine are not known here" in (tmp_path / "other" / "report.md").read_text()


class Clock:
    """Seconds that pass only where they are spent."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at

    def timed(self, size: int, seconds: float) -> list[dict[str, Any]]:
        """A size takes as many seconds a round as it is large; at most 32 rounds."""
        rounds = min(32, int(seconds / size))
        self.at += rounds * size
        return [{"size": size, "rounds": rounds}]


@pytest.mark.parametrize(
    ("seconds", "kept"),
    [
        (32 * 111, {1: 32, 10: 32, 100: 32}),
        (1600, {1: 32, 10: 32, 100: 12}),
        (1100, {1: 32, 10: 32}),
        (12, {1: 8}),
        (5, {1: 1}),
    ],
)
def test_a_time_limit_begins_with_the_sizes_that_it_is_enough_for(seconds: float, kept: dict[int, int]) -> None:
    """8 rounds are a verdict; 1, 10 and 100 seconds a round, in the order that they were asked for."""
    clock = Clock()
    rows = within_limit([100, 1, 10], lambda size: size, clock.timed, seconds, clock)
    assert {row["size"]: row["rounds"] for row in rows} == kept
    assert [row["size"] for row in rows] == [size for size in (100, 1, 10) if size in kept]
    assert clock.at <= seconds


@pytest.mark.parametrize(("seconds", "chosen"), [(200, 9), (100, 5), (60, 3), (10, 3), (2, 3)])
def test_networks_are_as_many_as_the_time_is_enough_for(seconds: float, chosen: int) -> None:
    """12 rounds' worth of time is asked for 8, beside the trial: 36 s of 3, 60 of 5, 108 of 9."""
    clock = Clock()
    (row,) = largest_within_limit([9, 5, 3], lambda size: size, clock.timed, seconds, clock)
    assert row["size"] == chosen
    assert clock.at <= seconds


def test_a_trial_that_takes_all_the_time_is_what_there_is() -> None:
    clock = Clock()

    def slow(size: int, seconds: float) -> list[dict[str, Any]]:
        clock.at += 20
        return [{"size": size, "rounds": 2}] if seconds > 0 else []

    assert largest_within_limit([9, 3], int, slow, 10, clock) == [{"size": 3, "rounds": 2}]


def networks(models: Sequence[str]) -> list[dict[str, Any]]:
    """Times of whole backbones, the second faster."""
    keys = {"model": "caformer_s18", "image_height": 224, "image_width": 224, "scope": "total", "tokens": None}
    keys |= {"height": None, "width": None, "dim": None, "baseline": f"caformer_s18 {models[0]} (eager)"}
    return [row | keys | {"mixer": model, "given": model} for row, model in zip(rows_of_times(), models, strict=False)]


def test_what_the_time_limit_left_out_is_named_and_a_backbone_has_its_milliseconds(
    skaprof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[str]] = []

    def timed_networks(models: Sequence[str], *rest: object) -> list[dict[str, Any]]:
        asked.append(models)
        return networks(models)

    def timed(plans: Sequence[Any], *rest: object) -> list[dict[str, Any]]:
        """Only the smaller size gets rows, as where the time runs out."""
        return rows_of_times() if next(plans[0].rows()).workload.tokens == 49 else []

    monkeypatch.setattr("skaprof.cli.measured_sections.timed", timed)
    monkeypatch.setattr("skaprof.cli.measured_sections.timed_networks", timed_networks)
    config = tmp_path / "latency.toml"
    config.write_text(
        'sections = ["latency", "network-latency"]\n'
        "[[sizes]]\ntokens = 49\ndim = 64\n[[sizes]]\ntokens = 576\ndim = 128\n[latency]\nmax_seconds = 1\n"
    )
    done = skaprof("report", "--config", str(config), "--device", "cpu", "--output", str(tmp_path / "report"))
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report" / "report.md").read_text()
    left_out = "Latency: 1 of 2 cases measured. Left out: 24 x 24 tokens, dim 128: a verdict takes more time there"
    assert left_out in page
    assert asked == [
        ("caformer_s18", "caformer_s18[stage3=ska]"),
        ("caformer_s18", "caformer_s18[stage3=ska]", "caformer_s18[stage3=cska]"),
    ]
    section = page.partition("## Latency of a whole backbone")[2]
    assert "### Images of 224 x 224" in section
    assert section.count("| eager |") == 2
    assert "1 faster of 1 case; time ratio 0.80." in page


def test_the_front_of_the_report_is_that_of_the_search(skaprof: Run) -> None:
    rows = list(csv.DictReader((ROOT / "reports" / "cpu" / "pareto.csv").read_text().splitlines()))
    found = json.loads(skaprof("search", "caformer_s18", "--format", "json").stdout)["rows"]
    assert len(rows) == 4**4
    assert {row["mixer"] for row in rows if row["on_front"] == "true"} == {row["mixer"] for row in found}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("title =", "titel =", "line 1: titel: 'titel' is not valid"),
        ('["sizes"]', '["sises"]', "line 2: sections: 'sises'"),
        ('"ska"', '"skka"', "line 3: mixers: 'skka'"),
        ("tokens = 49", "tokens = 0", "line 5: sizes.tokens"),
        ("tokens = 49", 'tokens = "49,64"', "line 5: sizes.tokens: '49,64'"),
        ("dim = 64\n", "", "sizes.dim: missing"),
        ("dim = 64", "dim = 64\n[latency]\nseconds = 3", "line 8: latency.seconds"),
        ("[[sizes]]", "[[sizes]", "is no TOML"),
    ],
)
def test_a_mistake_in_the_configuration_is_named_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "report.toml"
    path.write_text(SMALL.replace(old, new))
    with pytest.raises(SkaprofError) as caught:
        read_contents(str(path))
    assert words in caught.value.message


def test_everything_a_configuration_may_say_is_read(tmp_path: Path) -> None:
    path = tmp_path / "report.toml"
    size = '[[sizes]]\nresolution = "224"\npatch = 32\ndim = 96\n'
    latency = '[latency]\ndevice = "cpu"\nimplementations = ["sdpa"]\nmodes = ["train"]\nmax_seconds = 7\n'
    path.write_text(f'batch = 8\ndtype = "bfloat16"\n{size}{latency}')
    found = read_contents(str(path))
    assert found == Contents(
        sizes=((7, 7, 96),),
        batch=8,
        dtype="bfloat16",
        device="cpu",
        implementations=("sdpa",),
        modes=("train",),
        max_seconds=7.0,
    )


def test_a_folder_that_is_there_is_refused_and_with_force_replaced_whole(skaprof: Run, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    arguments = ("report", "--config", small_config(tmp_path), "--output", str(folder))
    assert skaprof(*arguments).returncode == 0
    before = contents_of(folder)
    refused = skaprof(*arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--force replaces it" in refused.stderr
    (tmp_path / "small.toml").write_text(SMALL.replace('sizes"]', 'formulas"]').replace("Two", "2"))
    assert skaprof(*arguments, "--force").returncode == 0
    assert set(contents_of(folder)) == {"report.md", "results.json", "formulas.csv"}
    assert before["report.md"] != contents_of(folder)["report.md"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["report", "small.toml"]


@pytest.mark.parametrize("foreign", ["notes.md", "results.json"])
def test_force_does_not_touch_what_is_not_the_reports(skaprof: Run, tmp_path: Path, foreign: str) -> None:
    folder = tmp_path / "report"
    arguments = ("report", "--config", small_config(tmp_path), "--output", str(folder), "--force")
    assert skaprof(*arguments).returncode == 0
    (folder / foreign).write_text("mine")
    done = skaprof(*arguments)
    assert done.returncode == 2
    assert "is not written" in done.stderr
    assert (folder / foreign).read_text() == "mine"


def test_check_tells_what_drifted_and_writes_nothing(skaprof: Run, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    arguments = ("report", "--config", small_config(tmp_path), "--output", str(folder))
    assert skaprof(*arguments).returncode == 0
    assert skaprof(*arguments, "--check").returncode == 0
    (folder / "sizes.csv").write_text("other")
    (folder / "extra.txt").write_text("")
    (folder / "report.md").unlink()
    done = skaprof(*arguments, "--check")
    assert done.returncode == 1
    said = sorted(line.rpartition("/")[2] for line in done.stderr.splitlines())
    assert said == ["extra.txt': not the report's", "report.md': missing", "sizes.csv': differs"]
    assert not (folder / "report.md").exists()


def timing_file(folder: Path, name: str = "runs.jsonl", **changes: Any) -> str:
    """A small file of times: mhsa, and ska that is faster, as `skaprof latency` writes them."""
    document = json.loads((ROOT / "tests" / "data" / "latency.json").read_text())
    document["environment"] |= changes.pop("environment", {})
    lines = [{key: value for key, value in document.items() if key != "rows"}, *document["rows"]]
    for row in lines[1:]:
        row.update(changes)
    path = folder / name
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def test_saved_times_become_the_latency_section(skaprof: Run, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    config = tmp_path / "latency.toml"
    config.write_text('sections = ["latency"]\n')
    done = skaprof("report", "--config", str(config), "--latency", timing_file(tmp_path), "--output", str(folder))
    assert done.returncode == 0, done.stderr
    page = (folder / "report.md").read_text()
    assert "### 7 x 7 tokens, dim 64" in page
    assert "ska (eager) against mhsa (eager), forward, float32: 1 faster of 1 case; time ratio 0.80." in page
    assert "were also faster in 1 of 1 decided case (forward, float32)." in page
    assert (folder / "promise.svg").is_file()
    redrawn = skaprof("report", "--from", str(folder / "results.json"), "--output", str(tmp_path / "again"))
    assert redrawn.returncode == 0, redrawn.stderr
    assert contents_of(tmp_path / "again") == contents_of(folder)


def test_hostile_names_are_escaped_everywhere(skaprof: Run, tmp_path: Path) -> None:
    hostile = "a|b <img src=x onerror=alert(1)>\n# `c` *d*"
    config = tmp_path / "latency.toml"
    config.write_text('title = "<script>|x"\nsections = ["latency"]\n')
    path = timing_file(tmp_path, device=hostile, environment={"device": hostile})
    folder = tmp_path / "report"
    done = skaprof("report", "--config", str(config), "--latency", path, "--output", str(folder))
    assert done.returncode == 0, done.stderr
    page = (folder / "report.md").read_text()
    assert "<img" not in page
    assert "<script" not in page
    assert "\n# `c`" not in page
    (row, *_) = csv.DictReader((folder / "latency.csv").read_text().splitlines(keepends=True))
    assert row["device"] == hostile.replace("\n", "\\n")  # on one line, as every cell


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "{costs}"), "is no report's results"),
        (("--latency", "{costs}"), "holds no times"),
        (("--latency", "{one}", "--hardware", "/nowhere.toml"), "--hardware: '/nowhere.toml'"),
        (("--from", "/nowhere.json"), "cannot be read"),
        (("--from", "{costs}", "--analytic-only"), "no option that chooses contents"),
        (("--config", "/nowhere.toml"), "cannot be read"),
        (("--mixer", "skka", "--analytic-only"), "did you mean 'ska'"),
        (("--check", "--analytic-only"), "expected a report to compare with"),
        (("--max-seconds", "0"), "--max-seconds: '0'"),
    ],
)
def test_bad_input_gets_one_clear_line(skaprof: Run, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    costs = tmp_path / "costs.json"
    assert skaprof("flops", "--output", str(costs)).returncode == 0
    config = tmp_path / "config.toml"
    config.write_text('sections = ["latency"]\n')
    files = {
        "costs": str(costs),
        "one": timing_file(tmp_path, "one.jsonl"),
    }
    named = [argument.format(**files) for argument in arguments]
    chosen = ("--config", str(config)) if "--latency" in named else ()
    done = skaprof("report", *named, *chosen, "--output", str(tmp_path / "report"))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "report").exists()


def test_ctrl_c_writes_a_report_of_what_was_measured(tmp_path: Path) -> None:
    config = tmp_path / "slow.toml"
    config.write_text('sections = ["sizes", "latency"]\n[latency]\ndevice = "cpu"\nimplementations = ["eager"]\n')
    program = [sys.executable, "-m", "skaprof", "report", "--config", str(config), "-o", str(tmp_path / "report")]
    environment = {**os.environ, "NO_COLOR": "1"}
    heed_interrupts()
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True, env=environment) as process:
        wait_for_torch(process, 3)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    if "interrupted; the report has what was measured" in stderr:
        assert (tmp_path / "report" / "sizes.csv").is_file()


def rows_of_times() -> list[dict[str, Any]]:
    return list(json.loads((ROOT / "tests" / "data" / "latency.json").read_text())["rows"])


def said_of(rows: list[dict[str, Any]]) -> list[str]:
    return outcomes(same_form_pairs(map(result_row, rows)))


def test_unsound_rows_count_as_such_and_leave_ratios_alone() -> None:
    rows = rows_of_times()
    assert said_of(rows) == ["ska (eager) against mhsa (eager), forward, float32: 1 faster of 1 case; time ratio 0.80."]
    rows[1] |= {"flags": ["shared"], "verdict": "inconclusive"}
    assert said_of(rows) == [
        "ska (eager) against mhsa (eager), forward, float32: 1 without a verdict (shared) of 1 case."
    ]


def fused(row: dict[str, Any], median: float, **changes: Any) -> dict[str, Any]:
    """The row in its sdpa form, timed against the eager baseline as older files have it."""
    times = {"median_ms": median, "ci_low_ms": 0.99 * median, "ci_high_ms": 1.01 * median}
    return row | {"implementation": "sdpa", **times, **changes}


def test_findings_compare_a_form_with_the_same_form_and_the_best_with_the_best() -> None:
    """ska (sdpa) takes half of the time of mhsa (eager), and twice that of mhsa (sdpa): slower, like with like."""
    mhsa, ska = rows_of_times()
    base = mhsa["median_ms"]
    rows = [mhsa, ska, fused(mhsa, 0.25 * base, verdict="faster", ratio=0.25), fused(ska, 0.5 * base, ratio=0.5)]
    assert said_of(rows) == [
        "ska (eager) against mhsa (eager), forward, float32: 1 faster of 1 case; time ratio 0.80.",
        "ska (sdpa) against mhsa (sdpa), forward, float32: 1 slower of 1 case; time ratio 2.00.",
    ]
    best = "ska against mhsa, each in its fastest form, forward, float32: 1 slower of 1 case; time ratio 2.00."
    assert outcomes(best_pairs(map(result_row, rows))) == [best]
    rows[3] |= {"best": "ska (sdpa)", "best_baseline": "mhsa (sdpa)", "ratio_best": 1.9}
    rows[3] |= {"ratio_best_low": 1.8, "ratio_best_high": 2.0}
    assert outcomes(best_pairs(map(result_row, rows))) == [best.replace("2.00", "1.90")]


def test_no_finding_pools_dtypes_or_modes() -> None:
    rows = [row | {"dtype": dtype, "mode": mode} for row in rows_of_times() for dtype, mode in KINDS]
    told = [f"{mode}, {dtype}" for dtype, mode in KINDS]
    assert said_of(rows) == [
        f"ska (eager) against mhsa (eager), {kind}: 1 faster of 1 case; time ratio 0.80." for kind in told
    ]
    pairs = same_form_pairs(map(result_row, rows))
    assert [text.rpartition("(")[2] for text in kept_promises(pairs)] == [f"{kind})." for kind in told]
    panels = [axes for axes in promise_figure(pairs, "title").axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == told


KINDS = (("float32", "forward"), ("bfloat16", "forward"), ("float32", "train"))


def test_a_broken_promise_is_told() -> None:
    rows = rows_of_times()
    rows[1] |= {"verdict": "slower", "ratio": 1.5}
    (pair,) = same_form_pairs(map(result_row, rows))
    assert (pair.macs_ratio or 1) < 1
    told, worst = kept_promises([pair])
    assert told.endswith("were also faster in 0 of 1 decided case (forward, float32).")
    assert "ska (eager) at 49 tokens, dim 64, batch 1, forward, float32" in worst
    assert worst.endswith("the MACs and 1.50x the time of mhsa (eager).")


def test_a_time_limit_is_shared_among_the_sections_that_are_timed() -> None:
    now = [0.0]
    limit = SharedLimit(60.0, 3, lambda: now[0])
    parts = []
    for taken in (5.0, 50.0, 1.0):  # of 20; of half of the 55 that it left; of what is over
        with limit.part() as seconds:
            parts.append(seconds)
            now[0] += taken
        now[0] += 100.0  # counting is not timed
    assert parts == [20.0, 27.5, 5.0]


def test_each_timed_section_gets_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first leaves, here all but nothing, is the second's; a section that counts has no part."""
    names, seconds = ("latency", "verification", "figure-3"), list[float]()
    monkeypatch.setattr(
        "skaprof.cli.measured_sections.MEASURED",
        dict.fromkeys(names, lambda contents: [seconds.append(contents.section_seconds)]),
    )
    for asked, parts in ((30.0, [15.0, 120.0, 30.0]), (None, [120.0, 120.0, 240.0])):
        seconds.clear()
        contents = Contents(max_seconds=asked)
        limit = shared_limit(contents, names)
        for name in names:
            section_rows(name, contents, limit)
        assert seconds == pytest.approx(parts, rel=0.01)
