"""Figures: what the paper's figure 4 says, colours and units that mean one thing, lines that can be told apart."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from conftest import Run
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import skaprof as package
from skaprof.analysis.paper_figures import figure_4_crossings, figure_4_panels
from skaprof.errors import SkaprofError
from skaprof.report.canvas import encoded, scale_axis
from skaprof.report.figures import figure_4
from skaprof.report.macs_vs_time import ticks_between
from skaprof.report.plot import cost_figure
from skaprof.report.style import MIXER_COLORS, colors_of, wrapped
from skaprof.results import ResultRow


def rows_of(*mixers: str, **sizes: object) -> list[ResultRow]:
    return [ResultRow.read(row) for row in package.sweep(list(mixers), **sizes).to_dict("records")]


def legend_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def paper_panels() -> list[tuple[str, str, list[ResultRow]]]:
    return [
        (heading, axis, [ResultRow.read(row.as_dict()) for row in rows]) for heading, axis, rows in figure_4_panels()
    ]


def test_figure_4_is_flops_per_parameter_over_tokens_and_over_dim() -> None:
    """By its caption; MHSA 2 n (4 d + 2 n) d / (4 d^2), SKA 2 n (3 d + 2 n) d / (3 d^2 + n d)."""
    figure = figure_4(paper_panels())
    left, right = figure.axes
    assert [axes.get_ylabel() for axes in (left, right)] == ["FLOPs per parameter"] * 2
    assert ("d = 256" in left.get_title(loc="left"), "n = 256" in right.get_title(loc="left")) == (True, True)
    closed = {
        "mhsa": lambda n, d: Fraction(2 * n * (4 * d + 2 * n), 4 * d),
        "ska": lambda n, d: Fraction(2 * n * (3 * d + 2 * n), 3 * d + n),
        "cska": lambda n, d: Fraction(2 * n * d * (3 * d + 10 * n), 3 * d * d + 9 * n * d + n * d // 32),
    }
    for axes, sizes in ((left, lambda at: (at, 256)), (right, lambda at: (256, at))):
        for line, of_mixer in zip(axes.lines, closed.values(), strict=True):
            for at, value in line.get_xydata():
                assert value == float(of_mixer(*sizes(int(at))))
    assert legend_of(figure) == [
        "mhsa: n (2 d + n) / d",
        "ska: 2 n (3 d + 2 n) / (3 d + n)",
        "cska: 2 n d (3 d + 10 n) / (3 d² + 9 n d + n h)",
    ]
    assert "no two lines cross" in figure.get_suptitle().replace("\n", " ")


def test_the_parts_of_figure_4_stand_below_it_with_their_crossings_marked() -> None:
    figure = figure_4(paper_panels(), parts=True)
    marked = {axes.get_ylabel(): [text.get_text() for text in axes.texts] for axes in figure.axes[::2]}
    assert marked == {"FLOPs per parameter": [], "MACs (M)": ["n = 32"], "parameters (k)": ["n = 256", "n = 28.35"]}
    assert [text.get_text() for axes in figure.axes[1::2] for text in axes.texts] == ["d = 256"]
    found = figure_4_crossings(["mhsa", "linear"])
    assert ("tokens", "flops_per_param", 32.5) in {(each.axis, each.metric, each.at) for each in found}


def test_figure_4_has_parts_and_figure_3_has_none(skaprof: Run, tmp_path: Path) -> None:
    done = skaprof("figure", "4", "--parts", "-o", str(tmp_path / "a.pdf"))
    assert (done.returncode, (tmp_path / "a.pdf").read_bytes()[:5]) == (0, b"%PDF-")
    done = skaprof("figure", "3", "--parts", "-o", str(tmp_path / "b.pdf"))
    assert (done.returncode, "--parts: expected figure 4" in done.stderr) == (2, True)


def test_flops_per_param_is_a_figure_of_flops_crossover_and_formulas(skaprof: Run) -> None:
    (row,) = json.loads(skaprof("flops", "--mixer", "ska", "--format", "json").stdout)["rows"]
    assert row["flops_per_param"] == row["flops"] / row["params"]
    assert package.cost("pooling").flops_per_param is None
    crossed = json.loads(skaprof("crossover", "--mixer", "linear", "--format", "json").stdout)["rows"]
    (at,) = [row["crossover"] for row in crossed if row["metric"] == "flops_per_param"]
    assert at == 32.5
    said = skaprof("crossover", "--mixer", "ska", "--mixer", "pooling").stdout
    assert "ska needs fewer FLOPs per parameter than mhsa at every size." in said
    assert "pooling needs fewer FLOPs per parameter" not in said
    assert "flops_per_param     B n (2 d + n) / d" in skaprof("flops", "--formula").stdout


def test_a_sweep_has_the_quotients_of_single_rows_to_the_last_bit() -> None:
    for tokens in (196, 10**6, 10**7 + 1, 10**9):
        frame = package.sweep(["mhsa", "cska", "pooling"], tokens=tokens, dim=96)
        singles = [package.cost(text, tokens=tokens, dim=96).flops_per_param for text in ("mhsa", "cska", "pooling")]
        assert [None if isnan(value) else value for value in frame.flops_per_param.tolist()] == singles


def test_a_plot_for_a_paper_is_a_pdf_the_same_each_time(skaprof: Run, tmp_path: Path) -> None:
    done = skaprof("flops", "--plot", str(tmp_path / "a.pdf"))
    assert done.returncode == 0, done.stderr
    title = "forward, eager, batch 1, 196 tokens (14 x 14), dim 256, 8 heads of 32, 3 x 3 kernel, float32"
    again = encoded(cost_figure(rows_of("mhsa", "ska", "cska"), (), title), ".pdf")
    assert (tmp_path / "a.pdf").read_bytes() == again


def test_a_mixer_has_one_colour_whatever_stands_beside_it() -> None:
    assert colors_of(["ska", "mhsa"])["mhsa"] == colors_of(["mhsa", "cska"])["mhsa"] == MIXER_COLORS["mhsa"]
    found = colors_of(["mine.py:Mine", "ska", "ska:query=false", "caformer_s18[stage3=ska]", "caformer_s18"])
    assert found["caformer_s18[stage3=ska]"] == found["ska"] == MIXER_COLORS["ska"]
    assert len(set(found.values())) == 4


def lines_of(axes: Axes) -> set[tuple[str, str, str]]:
    return {(str(line.get_color()), str(line.get_linestyle()), str(line.get_marker())) for line in axes.lines}


def test_dash_and_marker_say_what_the_colour_does_not() -> None:
    rows = rows_of("mhsa", "ska", tokens=[64, 256], dim=[64, 128], implementation=["eager", "sdpa"])
    figure = cost_figure(rows, ("tokens", "dim"), "title")
    assert len(lines_of(figure.axes[0])) == 8
    assert legend_of(figure) == ["mhsa", "ska", "eager", "sdpa", "dim 64", "dim 128"]


def test_more_than_eight_lines_make_small_multiples() -> None:
    rows = rows_of("mhsa", "ska", "cska", tokens=[64, 256], dim=[64, 128, 256, 512])
    figure = cost_figure(rows, ("tokens", "dim"), "title")
    assert [axes.get_title(loc="left") for axes in figure.axes[::2]] == ["dim 64", "dim 128", "dim 256", "dim 512"]
    assert all(len(axes.lines) == 3 for axes in figure.axes)
    assert len({axes.get_ylim() for axes in figure.axes[::2]}) == 1  # so that panels compare
    nine = [f"ska:heads={heads}" for heads in (1, 2, 4, 8, 16, 32, 64, 128, 256)]
    figure = cost_figure(rows_of(*nine, tokens=[64, 256], dim=256), ("tokens",), "title")
    assert [len(axes.lines) for axes in figure.axes[::2]] == [4, 5]
    with pytest.raises(SkaprofError, match="13 panels"):
        cost_figure(
            rows_of("mhsa", "ska", tokens=[64, 256], dim=[32 * at for at in range(1, 14)]), ("tokens", "dim"), ""
        )


@pytest.mark.parametrize(("low", "high"), [(0.8, 1.2), (0.66, 2.2), (0.66, 5.4), (0.3, 9), (0.2, 60)])
def test_ratios_have_ticks_from_end_to_end(low: float, high: float) -> None:
    ticks = ticks_between(low, high)
    assert 4 <= len(ticks) <= 10
    assert ticks[0] < 2 * low
    assert ticks[-1] > high / 2
    steps = [after / before for before, after in pairwise(ticks)]
    assert min(steps) > (high / low) ** (1 / 16)  # a sixteenth of the axis, so that labels stand apart


def test_an_axis_with_a_zero_is_logarithmic_above_it() -> None:
    values = (0.0, 1e6, 2e9)
    axes = Figure().subplots()
    axes.plot(range(3), values)
    scale_axis(axes.yaxis, values, "MACs")
    low, high = axes.get_ylim()
    assert axes.get_yscale() == "symlog"
    assert -1e6 < low < 0
    assert 2e9 < high < 4e9
    places = axes.transData.transform([(0, value) for value in values])[:, 1]
    assert (places[2] - places[1]) / (places[1] - places[0]) == pytest.approx(np.log10(2e9 / 1e6) / 0.5, rel=0.15)
    assert {0.0, 1e7, 1e8, 1e9} <= set(axes.get_yticks())
    scale_axis((flat := Figure().subplots()).yaxis, (0.0, 5.0, 6.0), "MACs")
    assert flat.get_yscale() == "linear"


def test_a_figure_has_one_unit() -> None:
    """Bars of 16,384 and of 8.129 M parameters are of the same unit, and so are the ticks."""
    figure = cost_figure(rows_of("linear", "mhsa", "cska", tokens=1024, dim=64), (), "title")
    macs, params = figure.axes
    assert (macs.get_xlabel(), params.get_xlabel()) == ("MACs (M)", "parameters (k)")
    assert [text.get_text() for text in params.texts] == ["16.38", "16.38", "604.16"]
    axes = Figure().subplots()
    scale_axis(axes.yaxis, (4e12, 6e13), "rate", "FLOP/s")
    assert (axes.get_ylabel(), axes.yaxis.get_major_formatter()(6e13, 0)) == ("rate (TFLOP/s)", "60")


def test_lines_of_a_title_are_of_about_one_length_and_break_no_word() -> None:
    title = "fashion-mnist, 28 x 28, 10 classes, 4,000 training and 10,000 test images, 10 epochs, 5 seeds"
    first, second = wrapped(title, 86).split("\n")
    assert abs(len(first) - len(second)) < 10
    assert f"{first} {second}" == title
    assert wrapped("a " + 12 * "b", 8) == "a bbbbbb\nbbbbbb"
    assert wrapped("", 8) == ""
