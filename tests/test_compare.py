"""Two saved runs compared: counts exactly, times by intervals, and every way a check may not pass by accident."""

from __future__ import annotations

import copy
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run, require_golden
from hypothesis import given
from hypothesis import strategies as st

from skaprof.analysis.comparison import Change, compare
from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import SizeGrid, make_plan
from skaprof.analysis.row_trust import Bounds, faster_of, figure, noise, why_unsound
from skaprof.analysis.thresholds import METRICS, parse_threshold
from skaprof.answers import FormulaRow
from skaprof.errors import SkaprofError
from skaprof.measured import MeasuredRow
from skaprof.model.spec import parse_mixer
from skaprof.report.numbers import signed_percent, significant, told_apart
from skaprof.saved import SavedResults
from skaprof.schema import row_from

Row = dict[str, Any]

MEASURED = [json.loads(line) for line in (ROOT / "tests/data/runs.jsonl").read_text().splitlines()[1:]]


def costs(*mixers: str, tokens: tuple[tuple[int, int], ...] = ((14, 14),)) -> list[Row]:
    plan = make_plan([parse_mixer(mixer) for mixer in mixers], SizeGrid(sides=tokens))
    return [cost_row(variant, workload).as_dict() for variant, workload, *_ in plan.rows()]


def saved(rows: list[Row], path: str = "x.json", **environment: Any) -> SavedResults:
    records = tuple(filter(None, map(row_from, rows)))
    return SavedResults(path, 1, "skaprof", environment, None, tuple(rows), records, 0)


def timed(factor: float = 1.0, **changes: Any) -> Row:
    """A measured row of ska whose time is `factor` times that of the committed run."""
    row = copy.deepcopy(next(row for row in MEASURED if row["mixer"] == "ska" and row["implementation"] == "eager"))
    for key in ("median_ms", "ci_low_ms", "ci_high_ms"):
        row[key] *= factor
    for key in ("images_per_s", "tflops"):
        row[key] /= factor
    return {**row, "aa_low": 1.0, "aa_high": 1.0, **changes}


def found(old: list[Row], new: list[Row], *fail_on: str, **options: Any) -> dict[tuple[str, str | None], str]:
    """The change of each figure, by mixer and key, FAILED added where it breaks a threshold."""
    thresholds = [parse_threshold("--fail-on", text) for text in fail_on]
    compared = compare(saved(old, "old.json"), saved(new, "new.json"), thresholds, **options)
    return {
        (str(change.row.mixer), change.metric): change.kind + (" FAILED" if change.broken else "")
        for change in compared.changes
        if change.is_told or change.broken
    }


def changed(old: Row, new: Row) -> tuple[Change, ...]:
    """The changes of one row."""
    return compare(saved([old]), saved([new])).changes


mixers = st.lists(st.sampled_from(("mhsa", "ska", "cska", "linear", "pooling")), min_size=1, max_size=4, unique=True)
sides = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=3, unique=True)


@given(mixers, sides)
def test_a_run_is_like_itself_and_fails_nothing(names: list[str], tokens: list[tuple[int, int]]) -> None:
    rows = costs(*names, tokens=tuple(tokens))
    assert found(rows, rows, "macs>0%", "macs<0%", "params>0", "missing", "added") == {}


def test_a_measured_run_is_like_itself() -> None:
    assert found(MEASURED, MEASURED, "median_ms>0%", "images_per_s<0%", "missing") == {}


@given(mixers, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(names: list[str], random: Any) -> None:
    rows = costs(*names)
    shuffled = random.sample(rows, len(rows))
    assert found(rows, shuffled, "macs>0%", "missing", "added") == {}


@given(st.sampled_from(("params", "macs", "traffic_bytes")), st.integers(-50, 50))
def test_a_count_changes_by_one_or_not_at_all(metric: str, by: int) -> None:
    old = costs("ska")
    new = [{**old[0], metric: old[0][metric] + by}]
    change = {} if by == 0 else {("ska", metric): "more FAILED" if by > 0 else "less"}
    assert found(old, new, f"{metric}>0%") == change


def test_rows_on_one_side_are_listed_and_fail_only_where_asked() -> None:
    old, new = costs("mhsa", "ska"), costs("mhsa", "cska")
    assert found(old, new) == {("ska", None): "missing", ("cska", None): "added"}
    assert found(old, new, "missing") == {("ska", None): "missing FAILED", ("cska", None): "added"}
    assert found(old, new, "added") == {("ska", None): "missing", ("cska", None): "added FAILED"}


@given(mixers, mixers)
def test_what_a_threshold_should_judge_and_is_gone_fails_unless_that_is_allowed(old: list[str], new: list[str]) -> None:
    gone = sorted(set(old) - set(new))
    if not set(old) & set(new):
        return
    changes = found(costs(*old), costs(*new), "macs>0%")
    assert sorted(mixer for (mixer, _), change in changes.items() if "FAILED" in change) == gone
    changes = found(costs(*old), costs(*new), "macs>0%", allow_missing=True)
    assert not any("FAILED" in change for change in changes.values())


def test_a_threshold_is_about_no_missing_row_that_never_had_its_figure() -> None:
    old, new = [timed(), *costs("ska", "mhsa")], [timed()]
    assert found(old, new, "median_ms>5%") == {("ska", None): "missing", ("mhsa", None): "missing"}
    with pytest.raises(SkaprofError, match="allow_missing: expected without fail_on missing"):
        found(old, new, "missing", allow_missing=True)


def test_a_row_that_stands_twice_counts_as_it_stands_last() -> None:
    first, last = costs("ska")[0], {**costs("ska")[0], "macs": 7}
    compared = compare(saved([first, last]), saved([last]))
    assert not any(change.is_told for change in compared.changes)
    assert compared.warnings == ("'x.json': 1 of its rows are repeated; the last of each counts",)


@pytest.mark.parametrize(
    ("factor", "change"),
    [(1.0, None), (1.02, None), (0.98, None), (1.2, "slower FAILED"), (0.8, "faster")],
)
def test_a_time_differs_only_where_the_intervals_lie_apart(factor: float, change: str | None) -> None:
    changes = found([timed()], [timed(factor)], "median_ms>5%", "images_per_s<-5%")
    expected = {} if change is None else {("ska", "median_ms"): change, ("ska", "images_per_s"): change}
    assert changes == expected


def test_ratios_to_each_devices_own_baseline_compare_where_times_do_not() -> None:
    here, there = {"device": "cpu", "cpu": "A"}, {"device": "cpu", "cpu": "B"}

    def told(new: Row, *fail_on: str, **options: Any) -> list[tuple[str | None, str, bool]]:
        thresholds = [parse_threshold("--fail-on", text) for text in fail_on]
        compared = compare(saved([timed()], "a", **here), saved([new], "b", **there), thresholds, by="ratio", **options)
        return [(each.metric, each.kind, bool(each.broken)) for each in compared.changes]

    def other(factor: float, **changes: Any) -> Row:
        """Thrice as fast, and over the baseline of its own device so many times what it is here."""
        row = timed(1 / 3, **changes)
        return {**row, **{key: row[key] and factor * row[key] for key in ("ratio", "ratio_low", "ratio_high")}}

    with pytest.raises(SkaprofError, match="expected one device; to compare ratios to the baseline on each: by ratio"):
        compare(saved([timed()], "a", **here), saved([other(1)], "b", **there))
    assert told(other(1)) == [("ratio", "same", False)]
    assert told(other(1.005)) == [("ratio", "overlapping", False)]
    assert told(other(1.2), "ratio>5%") == [("ratio", "slower", True)]
    assert told(other(1.2), "ratio>30%") == [("ratio", "slower", False)]
    assert told(other(0.8), "ratio>5%") == [("ratio", "faster", False)]
    assert told(other(1.2, aa_low=0.8), "ratio>5%") == [("ratio", "overlapping", False)]
    assert told(other(1.2, flags=["throttled"]), "ratio>5%") == [("ratio", "undecided", False)]
    assert told(other(1.2, baseline="mhsa (sdpa)")) == [("ratio", "undecided", False)]
    assert told(other(1.2, ratio_low=None, ratio_high=None, rounds=2)) == [("ratio", "undecided", False)]
    with pytest.raises(SkaprofError, match="'median_ms>5%' is not valid: expected a change of ratio"):
        told(other(1.2), "median_ms>5%")
    several = saved([timed(), timed(device="NVIDIA L4")], "c", **here)
    with pytest.raises(SkaprofError, match="'c' has times of NVIDIA L4, cpu: expected one device a file"):
        compare(saved([timed(device="NVIDIA H100")], "d", device="NVIDIA H100"), several, by="ratio")
    assert {change.kind for change in compare(several, several, by="ratio").changes} == {"same"}
    (one,) = (change for change in compare(saved([timed()], "a", **here), several).changes if change.kind == "added")
    assert one.row.device == "NVIDIA L4"


def test_each_interval_is_widened_by_its_own_control() -> None:
    apart = {"median_ms": "slower"}
    assert {key[1]: change for key, change in found([timed()], [timed(1.06)]).items()} == apart
    assert found([timed(aa_low=0.97, aa_high=1.01)], [timed(1.06)]) == {}
    assert found([timed()], [timed(1.06, aa_low=0.99, aa_high=1.03)]) == {}


def test_the_control_is_the_rows_own_then_its_baselines_then_the_tolerance() -> None:
    against = MeasuredRow.read(next(row for row in MEASURED if row["verdict"] == "baseline"))
    baseline = against.replace(aa_low=0.95)
    row = MeasuredRow.read(timed(aa_low=None, aa_high=None))
    assert noise(row.replace(aa_low=0.9, aa_high=1.02), [baseline]) == pytest.approx(1 / 0.9)
    assert noise(row, [baseline]) == pytest.approx(1 / 0.95)
    assert noise(row, [baseline.replace(dim=64)]) == 1 + row.tolerance


@given(st.floats(0.01, 100), st.floats(0, 0.2), st.floats(0, 0.2), st.floats(0.8, 1.0), st.floats(1.0, 1.2))
def test_a_figure_lies_within_its_bounds(median: float, below: float, above: float, low: float, high: float) -> None:
    row = MeasuredRow.read(timed(median_ms=median, images_per_s=3000 / median, aa_low=low, aa_high=high))
    row = row.replace(ci_low_ms=median * (1 - below), ci_high_ms=median * (1 + above))
    for metric in ("median_ms", "images_per_s"):
        bounds = figure(row, metric, [])
        assert bounds is not None
        assert bounds.low <= bounds.value <= bounds.high


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"flags": ["throttled"]}, "flagged throttled"),
        ({"rounds": 2}, "with 2 rounds where at least 8 are needed (--min-rounds)"),
    ],
)
def test_an_unsound_run_decides_nothing(changes: Row, reason: str) -> None:
    assert why_unsound(MeasuredRow.read(timed(**changes))) == reason
    assert found([timed()], [timed(1.5, **changes)], "median_ms>5%") == {("ska", "median_ms"): "undecided"}
    assert found([timed(**changes)], [timed(1.5)], "median_ms>5%") == {("ska", "median_ms"): "undecided"}


@pytest.mark.parametrize(("key", "ours", "theirs"), [("clock", "cpu", "wall"), ("allocator", "keep", "as-is")])
def test_times_of_different_things_are_not_called_different(key: str, ours: str, theirs: str) -> None:
    row, other = ({"allocator": "keep", "clock": "cpu", key: value} for value in (ours, theirs))
    (change,) = {change.reason for change in changed(timed(**row), timed(1.5, **other)) if change.metric == "median_ms"}
    assert change == f"timed with {key} {ours} and {key} {theirs}"
    assert found([timed(**row)], [timed(1.5, **row)])["ska", "median_ms"] == "slower"
    one, two = MeasuredRow.read(timed(**row)), MeasuredRow.read(timed(1.5, implementation="sdpa", **other))
    assert faster_of(one, two, []) is None
    assert faster_of(one, two.replace(**row), []) is one
    against = one.replace(verdict="baseline", baseline=one.contender)
    assert faster_of(two.replace(verdict="slower", baseline=one.contender), against, []) is against  # their own rounds


def test_a_figure_that_is_lost_fails_and_one_that_is_won_does_not() -> None:
    gone = timed(median_ms=None, ci_low_ms=None, ci_high_ms=None, images_per_s=None, verdict="out-of-memory")
    assert found([timed()], [gone], "median_ms>5%") == {("ska", "median_ms"): "lost FAILED"}
    assert found([gone], [timed()], "median_ms>5%") == {("ska", "median_ms"): "gained"}
    assert found([timed()], [gone], "macs>0%") == {("ska", "median_ms"): "lost"}


def test_different_devices_are_refused_unless_allowed() -> None:
    gpu = timed(1.5, device="NVIDIA H100")
    old, new = saved([timed()], device="cpu", cpu="a"), saved([gpu], device="NVIDIA H100")
    with pytest.raises(SkaprofError, match="allow_different_devices"):
        compare(old, new)
    compared = compare(old, new, allow_different_devices=True)
    assert compared.matched_rows == 1
    with pytest.raises(SkaprofError, match=r"with cpu 'a'.* with 'b'"):
        compare(old, saved([timed()], device="cpu", cpu="b"))


def test_another_version_is_told_and_not_refused() -> None:
    compared = compare(saved([timed()], device="cpu", torch="2.1"), saved([timed()], device="cpu", torch="2.2"))
    assert compared.warnings == (
        "times may differ for another reason: 'x.json' was measured with torch '2.1', 'x.json' with '2.2'",
    )


@pytest.mark.parametrize(
    ("text", "old", "new", "breaks"),
    [
        ("macs>0%", 100, 101, True),
        ("macs>0%", 0, 1, True),
        ("macs>1%", 100, 101, False),
        ("macs>=1%", 100, 101, True),
        ("macs > 0.5 %", 100, 101, True),
        ("macs<-5%", 100, 94, True),
        ("macs<-5%", 100, 95, False),
        ("macs<=-5%", 100, 95, True),
        ("params>1k", 0, 1000, False),
        ("params>=1k", 0, 1000, True),
        ("weight_bytes>1KiB", 0, 1025, True),
        ("median_ms>500us", 1, Fraction(8, 5), True),
        ("median_ms>0.5ms", 1, Fraction(7, 5), False),
    ],
)
def test_a_threshold_means_what_it_says(text: str, old: int, new: int, breaks: bool) -> None:
    assert parse_threshold("--fail-on", text).is_broken_by(Fraction(old), Fraction(new)) is breaks


@pytest.mark.parametrize("metric", METRICS)
def test_every_figure_can_be_watched(metric: str) -> None:
    assert parse_threshold("--fail-on", f"{metric}>5%").metric == metric


BAD_THRESHOLDS = [
    ("mac>0%", "did you mean 'macs'"),
    ("macs", "is not valid"),
    ("macs>", "is not valid"),
    ("macs=5%", "is not valid"),
    ("macs>five", "is not valid"),
    ("macs>5ms", "'ms' is no unit of macs"),
    ("macs>5q", "'q' is no unit of macs"),
    ("missin", "did you mean 'missing'"),
    ("", "is not valid"),
    ("macs>0%\x1b[31m", r"\x1b"),
]


@pytest.mark.parametrize(("text", "words"), BAD_THRESHOLDS)
def test_a_threshold_that_means_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(SkaprofError) as caught:
        parse_threshold("--fail-on", text)
    assert words in caught.value.message
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "options"),
    [
        (costs("ska"), costs("ska"), {}),
        (costs("ska"), costs("mhsa"), {}),
        ([timed()], costs("mhsa"), {"allow_missing": True}),
    ],
)
def test_a_threshold_about_nothing_in_the_files_is_refused(old: list[Row], new: list[Row], options: Row) -> None:
    with pytest.raises(SkaprofError, match="compares nothing in these files"):
        found(old, new, "median_ms>5%", **options)


FORMULA = dict.fromkeys(FormulaRow.fields, "n")


@pytest.mark.parametrize("row", [{"name": "python", "value": "3"}, FORMULA, {"mixer": "ska", "some": "other"}])
def test_a_file_of_neither_costs_nor_times_is_refused(row: Row) -> None:
    with pytest.raises(SkaprofError, match="holds no costs or times"):
        compare(saved([row]), saved(costs("ska")))


def test_bounds_apart() -> None:
    one, other = Bounds(Fraction(1), Fraction(2), Fraction(3)), Bounds(Fraction(3), Fraction(4), Fraction(5))
    assert not one.apart_from(other)
    assert one.apart_from(other._replace(low=Fraction(31, 10)))


def write(path: Path, rows: list[Row], **environment: Any) -> str:
    document = {"schema_version": 1, "command": "skaprof", "environment": environment, "rows": rows}
    path.write_text(json.dumps(document))
    return str(path)


def test_the_command_tells_what_changed_and_exits_1(skaprof: Run, tmp_path: Path) -> None:
    old = write(tmp_path / "old.json", costs("mhsa", "ska"))
    new = write(tmp_path / "new.json", [*costs("mhsa", "cska"), {**costs("ska")[0], "macs": 58_304_160}])
    done = skaprof("compare", "old.json", "new.json", "--fail-on", "macs>0%", "--fail-on", "added", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    require_golden("compare", done.stdout)
    assert skaprof("compare", old, new, "--fail-on", "macs>1%").returncode == 0
    gone = skaprof("compare", new, old, "--fail-on", "macs>0%", "--format", "json")
    words = "1 row without a partner in the second file: cska (eager), 196 tokens, dim 256 (--allow-missing lets"
    assert (gone.returncode, words in gone.stderr) == (1, True)
    assert skaprof("compare", new, old, "--fail-on", "macs>0%", "--allow-missing").returncode == 0
    assert skaprof("compare", old, new).returncode == 0


def test_a_failure_shows_the_digits_that_differ(skaprof: Run, tmp_path: Path) -> None:
    row = costs("ska")[0]
    old = write(tmp_path / "old.json", [row])
    new = write(tmp_path / "new.json", [{**row, "macs": row["macs"] + 1, "params": row["params"] + 247}])
    done = skaprof("compare", old, new, "--fail-on", "macs>0%", "--fail-on", "params>0.1%")
    assert done.stdout.count("+0.000002 %") == done.stdout.count("+0.1001 %") == 2


def test_backbones_are_compared_and_the_largest_changes_shown_alone(skaprof: Run, tmp_path: Path) -> None:
    old, new = str(tmp_path / "old.json"), str(tmp_path / "new.json")
    skaprof("model", "vit_tiny", "--output", old)
    skaprof("model", "vit_tiny[stage1=ska]", "--output", new)
    done = skaprof("compare", old, new, "--fail-on", "macs>0%", "--top", "1")
    words = "1 row without a partner in the second file: vit_tiny mhsa:bias=true (eager), 224 x 224 pixels, 197 "
    assert (done.returncode, words in done.stdout) == (1, True)
    assert "None" not in skaprof("compare", old, new).stdout
    row = json.loads(Path(old).read_text())["rows"][0]
    write(Path(new), [{**row, "macs": row["macs"] + 1, "params": row["params"] // 2}])
    write(Path(old), [row])
    told = skaprof("compare", old, new, "--top", "1", "--format", "csv").stdout.splitlines()
    assert (len(told), ",params,less," in told[1]) == (2, True)
    told = skaprof("compare", old, new, "--top", "1", "--format", "csv", "--fail-on", "macs>0%").stdout.splitlines()
    assert (len(told), ",macs,more," in told[1]) == (2, True)


@given(st.floats(1e-12, 1e6), st.lists(st.floats(0, 1e6), max_size=3))
def test_a_percentage_never_reads_as_what_it_is_beyond(value: float, beyond: list[float]) -> None:
    told = float(signed_percent(value, beyond).removesuffix(" %"))
    assert all((told > limit) == (value > limit) for limit in (0.0, *beyond) if limit != value)
    assert told == pytest.approx(value, abs=0.005)


@given(st.floats(1e-9, 1e15), st.integers(0, 4))
def test_two_numbers_that_differ_never_read_alike(value: float, ulps: int) -> None:
    other = value
    for _ in range(ulps):
        other = math.nextafter(other, math.inf)
    first, second = told_apart(value, other, (significant(value), significant(other)))
    assert (first == second) == (ulps == 0)


@pytest.mark.parametrize("format", ["json", "csv", "markdown"])
def test_every_format_carries_the_changes_and_the_exit_code(skaprof: Run, tmp_path: Path, format: str) -> None:
    old = write(tmp_path / "old.json", costs("ska"))
    new = write(tmp_path / "new.json", [{**costs("ska")[0], "macs": 7}])
    done = skaprof("compare", old, new, "--fail-on", "macs<0", "--format", format)
    assert done.returncode == 1
    told = "skaprof: --fail-on macs<0: failed 1 time, first ska (eager), 196 tokens, dim 256: macs 58,204,160 to 7 "
    assert done.stderr == ("" if format == "markdown" else f"{told}(-100.00 %).\n")
    assert "58204160" in done.stdout.replace(",", "") if format != "csv" else "macs,less,58204160,7," in done.stdout


def test_a_threshold_that_passes_says_what_it_could_not_judge(skaprof: Run, tmp_path: Path) -> None:
    gone = {"median_ms": None, "ci_low_ms": None, "ci_high_ms": None, "images_per_s": None, "verdict": "out-of-memory"}
    other = {"implementation": "sdpa"}
    old = write(tmp_path / "old.json", [timed(), timed(**gone, **other)])
    new = write(tmp_path / "new.json", [timed(1.5, flags=["throttled"]), timed(**other)])
    done = skaprof("compare", old, new, "--fail-on", "median_ms>5%")
    told = "--fail-on median_ms>5%: passed; not judged: 1 figure that only the second file has; undecided: 1 figure, "
    assert (done.returncode, f"{told}first of ska (eager), 49 tokens, dim 512: flagged thr" in done.stdout) == (0, True)


def test_unchanged_files_are_one_sentence(skaprof: Run, tmp_path: Path) -> None:
    old = write(tmp_path / "old.json", costs("ska", "mhsa"))
    assert skaprof("compare", old, old).stdout == "2 rows compared: nothing changed.\n"
    assert skaprof("compare", old, old, "-f", "markdown").stdout == "- 2 rows compared: nothing changed.\n"
    assert "58,204,160" in skaprof("compare", old, old, "--all").stdout


HOSTILE = "ska|<b>`\n\r\x1b[31m"


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json"])
def test_hostile_names_stay_text(skaprof: Run, tmp_path: Path, format: str) -> None:
    hostile = {**costs("ska")[0], "mixer": HOSTILE, "device": HOSTILE, "timing": "hot"}
    old = write(tmp_path / "old.json", [hostile])
    new = write(tmp_path / "new.json", [{**hostile, "macs": 7}])
    done = skaprof("compare", old, new, "--fail-on", "macs<0", "--format", format)
    assert done.returncode == 1
    if format in ("table", "markdown"):
        assert "\x1b" not in done.stdout + done.stderr
        assert done.stdout.count("\n") <= 8
    if format == "markdown":
        assert "<b>" not in done.stdout
        assert "ska|" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere.json", "{new}"), "OLD: 'nowhere.json' cannot be read"),
        (("{new}", "nowhere.json"), "NEW: 'nowhere.json' cannot be read"),
        (("{new}", "{new}", "--fail-on", "mac>0"), "did you mean 'macs'"),
        (("{new}", "{new}", "--format", "bmf"), "--format: 'bmf'"),
        (("{new}", "{new}", "--output", "/nowhere/x.json"), "'/nowhere' does not"),
        (("{new}",), "Missing argument 'NEW'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(skaprof: Run, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    new = write(tmp_path / "new.json", costs("ska"))
    done = skaprof("compare", *(word.format(new=new) for word in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
