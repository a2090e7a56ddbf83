"""Crossovers are exact: brute force over the sizes says the same, and the printed formulas are the roots."""

from __future__ import annotations

import csv
import functools
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sympy
from conftest import Run, examples, require_golden
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from row_examples import measured_row
from test_schema import require_valid

from skaprof.analysis.breakeven import BreakEven, token_breakevens
from skaprof.analysis.crossover import EQUAL, crossover_rows
from skaprof.analysis.crossover_panels import panels_of
from skaprof.analysis.crossover_times import Sample, SampledTimes, predicted_times, sampled_rows
from skaprof.analysis.mixer_pair import AXES, MixerPair, Points, Sizes, make_pair
from skaprof.analysis.plan import Variant
from skaprof.analysis.roofline import ideal, kernels, predicted
from skaprof.answers import CrossoverRow
from skaprof.errors import SkaprofError
from skaprof.model.hardware import KINDS, Hardware, Rate, find_hardware
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.report.crossover import crossover_sentences
from skaprof.results import values_of
from skaprof.workload import Workload

TEXTS = (
    *("mhsa", "mhsa:bias=true", "ska", "ska:query=false", "cska", "cska:kernel_size=5", "linear", "sepconv"),
    *("pooling", "identity", "linear:heads=2", "cska:head_dim=4"),
)
POINTS = 60


@st.composite
def pairs(draw: st.DrawFn, axes: tuple[str, ...] = AXES) -> MixerPair:
    """Two mixers along an axis that one of them has, at drawn sizes that fit."""
    ours, theirs = draw(st.lists(st.sampled_from(TEXTS), min_size=2, max_size=2, unique=True))
    axis = draw(st.sampled_from(axes))
    sizes = Sizes(
        draw(st.integers(1, 3)),
        draw(st.integers(1, 60)),
        draw(st.sampled_from((8, 12, 24, 40, 64))),
        *draw(st.sampled_from(((None, None), (None, 4), (4, None), (2, 12)))),
        draw(st.sampled_from((None, 3, 7))),
        draw(st.sampled_from((1, 4, 16))),
        draw(st.sampled_from(("float32", "bfloat16"))),
    )
    sizes = sizes._replace(**{axis: None}) if axis in ("heads", "kernel_size") else sizes
    try:
        return make_pair(parse_mixer(ours), parse_mixer(theirs), axis, sizes)
    except SkaprofError:
        assume(False)
        raise


def points_of(pair: MixerPair) -> list[int]:
    """The first points of the axis, or all of them."""
    found = [pair.points.at_least(1)]
    while found[-1] is not None and len(found) < POINTS:
        found.append(pair.points.at_least(found[-1] + 1))
    return [at for at in found if at is not None]


def rows_once(pair: MixerPair) -> Callable[..., Any]:
    """`pair.row_at`, each row computed once: it has all figures of its form and mode."""
    at_text = functools.cache(lambda text, *where: pair.row_at(parse_mixer(text), *where))
    return lambda spec, *where: at_text(spec.text, *where)


def winner_at(pair: MixerPair, at: int, figure: tuple[str, str, str], costs: Callable[..., Any]) -> str:
    metric, implementation, mode = figure
    ours, theirs = (getattr(costs(spec, at, implementation, mode), metric) for spec in pair.specs)
    return EQUAL if ours == theirs else pair.mixer.text if ours < theirs else pair.baseline.text


def winner_said(rows: list[CrossoverRow], at: int) -> str:
    """Who costs less at a point by the rows of one figure."""
    for row in rows:
        if row.crossover is not None and at == row.crossover:
            return EQUAL
        if row.crossover is None or at < row.crossover:
            return row.winner_below
    return rows[-1].winner_above


def by_figure(rows: list[CrossoverRow]) -> dict[tuple[str, str, str], list[CrossoverRow]]:
    found: dict[tuple[str, str, str], list[CrossoverRow]] = {}
    for row in rows:
        found.setdefault((row.metric, row.implementation, row.mode), []).append(row)
    return found


@settings(max_examples=examples(150))
@given(pairs())
def test_who_costs_less_is_what_counting_at_every_size_says(pair: MixerPair) -> None:
    points = points_of(pair)
    costs = rows_once(pair)
    for figure, rows in by_figure(crossover_rows(pair)).items():
        winners = {at: winner_at(pair, at, figure, costs) for at in points}
        assert {at: winner_said(rows, at) for at in points} == winners, figure
        for row in rows:
            root = row.crossover
            ours = [at for at in points if winners[at] == pair.mixer.text]
            if root is not None and points[-1] > root:
                before = max((other.crossover for other in rows if other.crossover < root), default=0)
                after = min((other.crossover for other in rows if other.crossover > root), default=root + 1e9)
                below = [at for at in ours if before < at < root]
                above = [at for at in ours if root < at < after]
                assert row.last_win == max(below, default=None), figure
                assert row.first_win == min(above, default=None), figure


@settings(max_examples=examples(80))
@given(pairs(("tokens",)))
def test_it_agrees_with_the_break_evens_of_skaprof_flops(pair: MixerPair) -> None:
    sides = [(Variant(spec, dtype=pair.sizes.dtype), _workload(pair, spec)) for spec in pair.specs]
    found = token_breakevens(sides[0], sides[1], ("params", "macs"))
    for metric in ("params", "macs"):
        rows = by_figure(crossover_rows(pair))[(metric, "eager", "forward")]
        if found[metric] is not None:
            assert as_break_even(rows, pair) == found[metric]


def _workload(pair: MixerPair, spec: Any) -> Workload:
    row = pair.row_at(spec, 1)
    return Workload(row.batch, 1, 1, row.dim, row.heads, row.head_dim, row.kernel_size)


def as_break_even(rows: list[CrossoverRow], pair: MixerPair) -> BreakEven:
    """The rows of one figure in the words of `BreakEven`."""
    row = rows[0]
    if row.crossover is None:
        words = {pair.mixer.text: "always", pair.baseline.text: "never", EQUAL: "equal"}
        return BreakEven(words[row.winner_below])
    if row.winner_below == pair.mixer.text:
        return BreakEven("up_to", row.last_win) if row.last_win else BreakEven("never")
    return BreakEven("from", row.first_win)


@settings(max_examples=examples(100))
@given(pairs())
def test_each_formula_is_its_crossing(pair: MixerPair) -> None:
    from skaprof.analysis.crossover import _values

    values = {symbol.name: value for symbol, value in _values(pair).items() if value is not None}
    for row in crossover_rows(pair):
        if row.formula is not None:
            formula = sympy.sympify(row.formula, locals={name: sympy.Symbol(name) for name in values})
            number = formula.subs({sympy.Symbol(name): value for name, value in values.items()})
            assert float(number) == pytest.approx(row.crossover, rel=1e-9)


def solved(mixer: str, axis: str = "tokens", baseline: str = "mhsa", **sizes: int) -> dict[str, tuple[Any, ...]]:
    rows = crossover_rows(make_pair(parse_mixer(mixer), parse_mixer(baseline), axis, Sizes(**sizes)))
    keys = ("formula", "crossover", "last_win", "first_win")
    return {row.metric: values_of(row, keys) for row in rows if row.implementation == "eager"}


def test_the_papers_crossovers() -> None:
    assert solved("cska", dim=320)["macs"] == ("d/8", 40.0, 39, None)
    assert solved("cska", dim=320)["params"] == ("d**2/(9*d + h)", pytest.approx(102400 / 2890), 35, None)
    assert solved("ska", dim=320)["params"] == ("d", 320.0, 319, None)
    assert solved("ska", dim=320)["macs"] == (None, None, None, None)
    assert solved("cska", "dim", tokens=49)["macs"] == ("8*n", 392.0, None, 416)
    assert solved("cska", "resolution", dim=320, patch=16)["macs"][2] == 96
    assert solved("cska", "kernel_size", dim=256, tokens=16)["macs"] == ("sqrt(d + n)/sqrt(n)", 17**0.5, 3, None)


def test_curves_that_cross_twice_are_two_rows_and_say_so() -> None:
    pair = make_pair(parse_mixer("linear"), parse_mixer("sepconv"), "heads", Sizes(dim=64, tokens=9))
    rows = by_figure(crossover_rows(pair))[("saved_bytes", "eager", "train")]
    assert [(row.winner_below, row.winner_above) for row in rows] == [
        ("sepconv", "linear"),
        ("linear", "sepconv"),
    ]
    assert (rows[0].first_win, rows[1].last_win) == (16, 32)
    sentence = crossover_sentences(rows)[0]
    assert "from 16 heads up to 32 heads" in sentence
    assert sentence.endswith("the two cross 2 times.")


def test_points_of_an_axis() -> None:
    assert [Points(32, 32).at_most(limit) for limit in (31, 32, 100)] == [None, 32, 96]
    assert [Points(1, 2).at_least(limit) for limit in (-4, 1, 2)] == [1, 1, 3]
    divisors = Points(listed=(1, 2, 3, 6))
    assert [divisors.at_most(0), divisors.at_most(5), divisors.at_least(4), divisors.at_least(7)] == [None, 3, 6, None]


def test_output_is_the_golden_file(skaprof: Run) -> None:
    done = skaprof("crossover", "--mixer", "cska", "--mixer", "linear", "--dim", "320")
    assert done.returncode == 0, done.stderr
    require_golden("crossover", done.stdout)


BAD = [
    (("--axis", "tokns"), "did you mean 'tokens'"),
    (("-m", "mhsa"), "another mixer than --mixer"),
    (("-m", "ska", "--axis", "kernel_size"), "kernel_size is no axis of ska and mhsa"),
    (("-m", "pooling", "--baseline", "sepconv", "--axis", "heads"), "heads is no axis of pooling and sepconv"),
    (("-m", "cska:kernel_size=5", "--axis", "kernel_size"), "their specs say which"),
    (("--axis", "dim", "--dim", "256"), "--dim and --axis dim both set it"),
    (("--axis", "resolution", "--tokens", "9"), "--tokens and --axis resolution both set it"),
    (("--dim", "64,128"), "--dim: '64,128'"),
    (("--heads", "7"), "'7' is not valid: expected a divisor of dim 256"),
    (("--kernel-size", "4"), "expected an odd number"),
    (("--results", "{costs}"), "has no timed rows: expected what skaprof latency writes"),
    (
        ("--results", "{times}", "--dim", "64"),
        "has no timed rows of both ska and mhsa at these sizes: it has mhsa, ska",
    ),
    (("--plot", "{costs}.gif"), ".png, .svg"),
    (("--patch", "8"), "--patch: '8': expected --axis resolution with it"),
    (("--hardware", "nowhere.toml"), "--hardware: 'nowhere.toml' cannot be read"),
    (("--hardware", "h100"), "did you mean 'h100-sxm'"),
    (("--tf32",), "--tf32: expected --hardware and --dtype float32"),
    (("--plot", "{costs}.svg"), "2 mixers: expected one --mixer"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments)[:40] for arguments, _ in BAD])
def test_bad_input_gets_one_clear_line_and_exit_2(
    skaprof: Run, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    costs, times = tmp_path / "costs.json", saved_times(tmp_path, {49: (1.0, 2.0)})
    skaprof("flops", "--output", str(costs))
    done = skaprof("crossover", *(word.format(costs=costs, times=times) for word in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.startswith("skaprof: ")
    assert done.stderr.count("\n") == 1


def timed_row(mixer: str, tokens: int, median: float, spread: float, verdict: str, rounds: int) -> dict[str, Any]:
    row = make_pair(parse_mixer("ska"), parse_mixer("mhsa"), "tokens", Sizes()).row_at(parse_mixer(mixer), tokens)
    interval = {"ci_low_ms": median - spread, "ci_high_ms": median + spread, "device": "a device"}
    control = {"aa_low": 0.99, "aa_high": 1.01} if verdict == "baseline" else {}
    return measured_row(row, median, **interval, **control, verdict=verdict, rounds=rounds)


def saved_times(
    folder: Path, times: dict[int, tuple[float, float]], spread: float = 0.01, verdict: str = "", rounds: int = 20
) -> Path:
    """A results file of ska and mhsa at these tokens: (ms, ms). Each pair has this verdict, or its own."""
    rows = []
    for tokens, (ours, theirs) in times.items():
        rows.append(timed_row("mhsa", tokens, theirs, spread, "baseline", rounds))
        decided = verdict or ("faster" if ours < theirs else "slower")
        rows.append(timed_row("ska", tokens, ours, spread, decided, rounds))
    path = folder / "times.json"
    head = {"schema_version": 1, "command": "skaprof latency", "environment": {}}
    path.write_text(json.dumps({**head, "rows": rows}))
    return path


def timed_rows(skaprof: Run, path: Path) -> list[dict[str, Any]]:
    done = skaprof("crossover", "-m", "ska", "--results", str(path), "--format", "json")
    assert done.returncode == 0, done.stderr
    return [row for row in json.loads(done.stdout)["rows"] if row["metric"] == "median_ms"]


def test_measured_crossovers_lie_between_decided_sizes(skaprof: Run, tmp_path: Path) -> None:
    (row,) = timed_rows(skaprof, saved_times(tmp_path, {49: (1.2, 1.0), 100: (2.0, 2.0), 196: (3.0, 4.0)}))
    assert (row["crossover"], row["formula"]) == (None, None)
    assert (row["winner_below"], row["winner_above"]) == ("mhsa", "ska")
    assert (row["crossover_low"], row["crossover_high"], row["first_win"], row["last_win"]) == (100, 196, 196, None)


@pytest.mark.parametrize(("verdict", "rounds"), [("inconclusive", 20), ("same", 20), ("faster", 3)])
def test_what_is_not_decided_is_no_win(skaprof: Run, tmp_path: Path, verdict: str, rounds: int) -> None:
    (row,) = timed_rows(skaprof, saved_times(tmp_path, {49: (1.0, 2.0)}, verdict=verdict, rounds=rounds))
    assert row["winner_below"] == row["winner_above"] == "undecided"


def test_where_some_sizes_are_undecided_a_range_says_so(skaprof: Run, tmp_path: Path) -> None:
    path = saved_times(tmp_path, {49: (1.2, 1.0), 100: (1.9, 2.0), 196: (3.0, 4.0)})
    said = "than mhsa from 100 tokens (not at 49)"
    assert f"{said}.\n" in skaprof("crossover", "-m", "ska", "--results", str(path)).stdout
    document = json.loads(path.read_text())
    document["rows"][-1]["verdict"] = "inconclusive"
    path.write_text(json.dumps(document))
    open_there = f"{said}; decided at 2 of 3 sizes timed, not known at the others.\n"
    assert open_there in skaprof("crossover", "-m", "ska", "--results", str(path)).stdout


def test_pairs_not_timed_together_are_judged_by_their_intervals(skaprof: Run, tmp_path: Path) -> None:
    path = saved_times(tmp_path, {49: (1.2, 1.0), 100: (2.0, 2.01), 196: (3.0, 4.0)})
    document = json.loads(path.read_text())
    for row in document["rows"]:
        row["baseline"] = "linear (eager)"
        row["verdict"] = "faster"  # than linear: nothing about the two
    path.write_text(json.dumps(document))
    (row,) = timed_rows(skaprof, path)
    assert (row["crossover_low"], row["crossover_high"]) == (49, 196)


def swept_times(folder: Path, axis: str, mixer: str, baseline: str, times: dict[int, tuple[float, float]]) -> Path:
    """A results file of two mixers at 196 tokens and dim 64 over an axis, each pair decided by its times."""
    sizes = Sizes(dim=64, **({} if axis == "heads" else {"heads": 2}))
    pair = make_pair(parse_mixer(mixer), parse_mixer(baseline), axis, sizes)
    rows = []
    for at, (ours, theirs) in times.items():
        verdicts = {baseline: ("baseline", theirs), mixer: ("faster" if ours < theirs else "slower", ours)}
        for spec in reversed(pair.specs):
            verdict, median = verdicts[spec.text]
            row = timed_row("mhsa", 4, median, 0.01, verdict, 20) | pair.row_at(spec, at).as_dict()
            rows.append(row | {"baseline": f"{baseline} (eager)"})
    path = folder / f"{axis}.json"
    head = {"schema_version": 1, "command": "skaprof latency", "environment": {}}
    path.write_text(json.dumps({**head, "rows": rows}))
    return path


def test_times_are_compared_at_the_same_place_on_the_axis(skaprof: Run, tmp_path: Path) -> None:
    path = swept_times(tmp_path, "heads", "ska", "mhsa", {1: (1.0, 2.0), 4: (3.0, 2.5), 16: (4.0, 5.0)})
    rows = json.loads(
        skaprof("crossover", "-m", "ska", "--axis", "heads", "--dim", "64", "-r", str(path), "-f", "json").stdout
    )["rows"]
    changes = [(row["crossover_low"], row["crossover_high"]) for row in rows if row["metric"] == "median_ms"]
    assert changes == [(1, 4), (4, 16)]


def test_a_mixer_without_the_axis_is_the_same_at_every_point(skaprof: Run, tmp_path: Path) -> None:
    path = swept_times(tmp_path, "kernel_size", "cska", "mhsa", {3: (1.0, 2.0), 7: (3.0, 2.0)})
    arguments = ("-m", "cska", "--axis", "kernel_size", "--dim", "64", "--heads", "2", "-r", str(path), "-f", "json")
    done = skaprof("crossover", *arguments)
    assert done.returncode == 0, done.stderr
    (row,) = (row for row in json.loads(done.stdout)["rows"] if row["metric"] == "median_ms")
    assert (row["crossover_low"], row["crossover_high"], row["sizes_decided"]) == (3, 7, 2)


def test_times_of_two_devices_are_told_apart(skaprof: Run, tmp_path: Path) -> None:
    path = saved_times(tmp_path, {49: (1.0, 2.0), 100: (1.0, 2.0)}, verdict="inconclusive")
    document = json.loads(path.read_text())
    faster = [
        {**row, "device": "another", "verdict": row["verdict"].replace("inconclusive", "faster")}
        for row in document["rows"]
    ]
    path.write_text(json.dumps({**document, "rows": [*document["rows"], *faster]}))
    done = skaprof("crossover", "-m", "ska", "--results", str(path))
    assert "is undecided at every size timed" in done.stdout
    assert "ska needs less time (eager, forward, hot on another) than mhsa at every size timed." in done.stdout


@settings(max_examples=examples(30))
@given(st.data())
def test_predicted_times_cross_where_a_search_of_every_size_says(data: st.DataObject) -> None:
    """On a machine whose launches cost more than small kernels, and on its data sheet alone."""
    rates = tuple(Rate(kind, "float32", 1e6, 1e11 if kind != "softmax" else 1e10) for kind in KINDS)
    sheet = find_hardware("a100-sxm-80")
    machine = data.draw(st.sampled_from((sheet, sheet._replace(launch=5e-6, rates=rates))))
    ours, theirs = data.draw(
        st.sampled_from((("cska", "mhsa"), ("cska", "sepconv"), ("linear", "mhsa"), ("ska", "mhsa")))
    )
    axis = data.draw(st.sampled_from(("tokens", "dim", "heads")))
    pair = make_pair(parse_mixer(ours), parse_mixer(theirs), axis, Sizes(tokens=49, dim=64))
    for timed in predicted_times(pair, machine):
        assert timed.metric == ("predicted_ms" if machine.calibrated else "ideal_ms")
        winners = {sample.at: sample.winner for sample in timed.samples}
        for row in sampled_rows(pair, [timed]):
            low, high = row.crossover_low, row.crossover_high
            if low is None or high is None:
                assert len(set(winners.values())) == 1
            else:
                assert pair.points.at_least(low + 1) == high
                assert (winners[low], winners[high]) == (row.winner_below, row.winner_above)
        for at in data.draw(st.lists(st.sampled_from(sorted(winners)), min_size=1, max_size=5)):
            seconds = [_seconds(pair, spec, at, machine, timed.implementation) for spec in pair.specs]
            assert winners[at] == (pair.specs[seconds[0] > seconds[1]].text if seconds[0] != seconds[1] else None)


def _seconds(pair: MixerPair, spec: MixerSpec, at: int, machine: Hardware, form: str) -> float:
    variant, workload = pair.at(spec, at, form)
    found = [predicted(k, machine, "float32") or ideal(k, machine, "float32") for k in kernels(variant, workload)]
    return 1e3 * sum(times.seconds for times in found)


def test_every_format_has_every_key(skaprof: Run) -> None:
    arguments = (
        "crossover",
        "--axis",
        "kernel_size",
        "--hardware",
        "h100-sxm",
    )  # the default mixers that have a kernel
    rows = json.loads(skaprof(*arguments, "--format", "json").stdout)["rows"]
    assert {row["mixer"] for row in rows} == {"cska"}
    table = list(csv.DictReader(io.StringIO(skaprof(*arguments, "--format", "csv").stdout)))
    assert all(set(row) == set(table[0]) for row in [*rows, *table])
    assert [row["device"] for row in table] == [row["device"] or "" for row in rows]
    assert table[-1]["device"] == "h100-sxm"


def test_predicted_time_is_part_of_the_answer(skaprof: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    done = skaprof("crossover", "-m", "cska", "--dim", "320", "--hardware", "h100-sxm", "--plot", str(path))
    assert done.returncode == 0, done.stderr
    assert "cska needs less time at the ceilings (eager, h100-sxm) than mhsa up to " in done.stdout
    assert "Time at the ceilings: launches are free" in done.stdout
    assert "on processors, it keeps more for backward" in done.stdout
    assert path.read_bytes().startswith(b"<?xml")
    rows = json.loads(skaprof("crossover", "-m", "cska", "--hardware", "h100-sxm", "-f", "json").stdout)
    require_valid(rows)
    assert {row["metric"] for row in rows["rows"]} >= {"ideal_ms", "macs", "params"}


def test_more_time_for_fewer_macs_is_marked_only_where_macs_are_fewer() -> None:
    pair = make_pair(parse_mixer("cska"), parse_mixer("mhsa"), "tokens", Sizes(dim=320))
    samples = (Sample(16, "mhsa", 2.0, 1.0), Sample(36, "mhsa", 2.0, 1.0), Sample(64, None, 1.0, 1.0))
    timed = SampledTimes("median_ms", "eager", "forward", "cpu", "hot", samples)
    panel = panels_of(pair, [*crossover_rows(pair), *sampled_rows(pair, [timed])], [timed])[-1]
    assert panel.worse == [(16.0, 26.0), (26.0, 40.0)]  # at 40 tokens CSKA has as many MACs
    assert panel.undecided == {64}


def test_a_plot_marks_where_fewer_macs_take_more_time(skaprof: Run, tmp_path: Path) -> None:
    times = saved_times(tmp_path, {49: (1.2, 1.0), 196: (3.0, 4.0)})
    svg, png = tmp_path / "x.svg", tmp_path / "x.png"
    done = skaprof("crossover", "-m", "ska", "--results", str(times), "--plot", str(svg), "--plot", str(png))
    assert done.returncode == 0, done.stderr
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"<pattern" in svg.read_bytes()  # the hatch
    assert "less time (eager, forward, hot on a device) than mhsa from 196 tokens (not at 49)" in done.stdout


def test_shaded_ranges_reach_half_way_to_the_neighbours() -> None:
    from skaprof.analysis.crossover_panels import _ranges

    assert _ranges([(10, True), (20, False), (40, True)]) == [(10.0, 15.0), (30.0, 40.0)]
