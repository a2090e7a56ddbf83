"""`skaprof search`: its networks are those of `skaprof model`, its front is a front, and its limits hold."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
from conftest import NETWORK_MIXERS, Run, examples, networks
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from skaprof.analysis.limits import parse_limit
from skaprof.analysis.scopes import TOTAL, costed
from skaprof.analysis.search import (
    DEFAULT_OBJECTIVES,
    SEARCHED,
    Found,
    Limit,
    Search,
    expanded,
    find,
    make_search,
    pareto_front,
)
from skaprof.errors import SkaprofError
from skaprof.model.backbones import BACKBONES
from skaprof.model.choice import Choice, choose, parse_backbone
from skaprof.model.network import Network, backbone_totals, make_network
from skaprof.model.spec import parse_mixer
from skaprof.report.search_plot import search_figure

S18 = make_network(parse_backbone("caformer_s18"), 224, 224)


@settings(max_examples=examples(30))
@given(networks(), st.data(), st.sampled_from(("forward", "train")))
def test_a_network_costs_the_sum_of_what_its_mixers_change(network: Network, data: st.DataObject, mode: str) -> None:
    """Every figure of every network, against the same network made whole: stages do not depend on each other."""
    some = st.lists(st.sampled_from(NETWORK_MIXERS), min_size=1, max_size=2, unique=True)
    candidates = [[parse_mixer(text) for text in data.draw(some)] for _ in network.stages]
    search = make_search(network, candidates, mode=mode)
    for number, specs in enumerate(product(*candidates)):
        choice = Choice(network.backbone, specs)
        size = network.height, network.width, network.batch, network.implementation
        whole = make_network(choice, *size, has_head=network.has_head)
        assert search.row(number) == costed(whole, mode=mode).rows(TOTAL)[0]
        assert search.points(SEARCHED)[number] == tuple(getattr(search.row(number), key) for key in SEARCHED)


def test_sums_would_be_wrong_only_for_a_class_token_over_several_stages() -> None:
    assert all(len(backbone.stages) == 1 for backbone in BACKBONES.values() if backbone.class_token)


def test_the_front_has_the_published_networks_totals() -> None:
    search = make_search(S18, [expanded(["sepconv", "mhsa", "ska:query=false"], [], [], "-")] * 4)
    rows = {search.row(number).mixer: search.row(number) for number in range(search.size)}
    row = rows["sepconv,sepconv,ska:query=false,ska:query=false"]
    assert (row.params, row.macs) == (23_565_336, 3_668_603_904)
    assert row.macs == backbone_totals("caformer_s18[stage3=ska:query=false,stage4=ska:query=false]").macs


points = st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=40)


@given(points)
def test_the_front_is_all_that_nothing_beats(drawn: list[tuple[int, ...]]) -> None:
    def beats(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
        return a != b and all(x <= y for x, y in zip(a, b, strict=True))

    front = pareto_front(dict(enumerate(drawn)))
    assert set(front) == {
        number for number, point in enumerate(drawn) if not any(beats(other, point) for other in drawn)
    }
    assert [drawn[number] for number in front] == sorted(drawn[number] for number in front)


def test_limits_hold_and_the_front_is_of_what_is_left() -> None:
    search = make_search(S18, [expanded(["sepconv", "mhsa", "ska"], [], [], "-")] * 4)
    limits = [parse_limit("-", "params>=25.9M"), parse_limit("-", "macs<=3.95G")]
    found = find(search, ("traffic_bytes",), limits)
    rows = [search.row(number) for number in range(search.size)]
    kept = [row for row in rows if row.params >= 25_900_000 and row.macs <= 3_950_000_000]
    assert 0 < len(found.within) == len(kept) < search.size
    assert search.row(found.front[0]).traffic_bytes == min(row.traffic_bytes for row in kept)


def test_where_no_network_is_within_the_limits_the_nearest_is_named() -> None:
    search = make_search(S18, [expanded(["sepconv", "ska"], [], [], "-")] * 4)
    found = find(search, ("macs",), [parse_limit("-", "macs<=4G"), parse_limit("-", "params<=20M")])
    assert (found.within, found.front) == ([], [])
    assert found.nearest is not None
    number, limit = found.nearest
    fewest = min(search.row(other).params for other in range(search.size) if search.row(other).macs <= 4e9)
    assert (search.row(number).params, limit.text) == (fewest, "params<=20M")


@pytest.mark.parametrize(
    ("text", "metric", "sign", "value"),
    [
        ("params<=28M", "params", "<=", Fraction(28_000_000)),
        ("macs < 4.1G", "macs", "<", Fraction(4_100_000_000)),
        ("traffic_bytes<=350MiB", "traffic_bytes", "<=", Fraction(350 * 2**20)),
        ("macs<=1P", "macs", "<=", Fraction(10**15)),
        ("traffic_bytes<=2TB", "traffic_bytes", "<=", Fraction(2 * 10**12)),
        ("key_params>=1k", "key_params", ">=", Fraction(1000)),
    ],
)
def test_a_limit_is_a_figure_a_sign_and_a_number(text: str, metric: str, sign: str, value: Fraction) -> None:
    assert parse_limit("--limit", text) == Limit(text, metric, sign, value)


def test_grids_multiply_the_candidates_that_have_the_axis_and_no_value_of_their_own() -> None:
    found = expanded(["cska", "mhsa", "sepconv:kernel_size=7", "identity"], [3, 5], [16, 32], "-")
    assert [spec.text for spec in found] == [
        *(f"cska:kernel_size={size}:head_dim={width}" for size in (3, 5) for width in (16, 32)),
        *("mhsa:head_dim=16", "mhsa:head_dim=32", "sepconv:kernel_size=7", "identity"),
    ]


def test_a_candidate_that_does_not_fit_a_stage_is_left_out_there_and_said() -> None:
    candidates = [expanded(["sepconv", "mhsa:head_dim=40"], [], [], "-")] * 4  # 40 divides 320 alone
    search = make_search(S18, candidates)
    assert [len(parts) for parts in search.stages] == [1, 1, 2, 1]
    assert len(search.left_out) == 3
    assert [(number, text) for number, text, _ in search.left_out] == [
        (stage, "mhsa:head_dim=40") for stage in (1, 2, 4)
    ]
    with pytest.raises(SkaprofError, match="no candidate fits stage 1"):
        make_search(S18, [expanded(["mhsa:head_dim=40"], [], [], "-")] * 4)


def test_candidates_that_are_one_mixer_in_a_stage_are_searched_once_under_the_first_name() -> None:
    texts = ["mhsa", "mhsa:head_dim=32", "sepconv", "sepconv:kernel_size=7", "mhsa:heads=2", "ska", "ska:query=true"]
    search = make_search(S18, [expanded(texts, [], [], "-")] * 4)
    kept = [[part.spec.text for part in parts] for parts in search.stages]
    assert kept == [["mhsa", "sepconv", "ska"], *[["mhsa", "sepconv", "mhsa:heads=2", "ska"]] * 3]  # 64 = 2 heads of 32
    assert (1, "mhsa:heads=2", "mhsa") in search.doubled
    assert all(text != first for _, text, first in search.doubled)
    assert len(search.doubled) == 4 * 3 + 1


def test_what_differs_in_an_option_or_a_bias_is_searched_apart() -> None:
    texts = ["mhsa", "mhsa:bias=true", "sepconv", "sepconv:expansion=4", "cska", "cska:kernel_size=5", "pooling"]
    search = make_search(S18, [expanded(texts, [], [], "-")] * 4)
    assert search.size == len(texts) ** 4
    assert search.doubled == ()


def test_ten_thousand_networks_take_less_than_two_seconds() -> None:
    texts = [
        *("mhsa", "mhsa:head_dim=16", "ska", "ska:query=false", "cska", "cska:kernel_size=5", "linear"),
        *("sepconv", "pooling", "sepconv:kernel_size=3"),
    ]
    candidates = [expanded(texts, [], [], "-")] * 4
    start = time.process_time()
    search = make_search(S18, candidates)
    found = find(search, ("params", "macs", "traffic_bytes"))
    rows = [search.row(number) for number in found.front]
    seconds = time.process_time() - start  # of this process: the machine may have others to serve
    assert search.size == 10_000
    assert rows
    assert seconds < 2


def test_the_command_prints_networks_as_skaprof_model_has_them(skaprof: Run) -> None:
    arguments = ("--resolution", "256", "--mode", "train", "--implementation", "sdpa", "--format", "json")
    done = skaprof("search", "caformer_s18", "--limit", "macs<=20G", *arguments)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["params"] for row in rows] == sorted(row["params"] for row in rows)
    for row in rows[:2]:
        shown = skaprof("model", "caformer_s18", "--mixers", row["mixer"], "--depth", "total", *arguments)
        assert json.loads(shown.stdout)["rows"] == [row]


def test_a_stage_may_have_candidates_of_its_own(skaprof: Run) -> None:
    stages = ("--stage", "1=sepconv", "--stage", "2=sepconv", "--stage", "2=pooling")
    done = skaprof("search", "caformer_s18", "-m", "ska", *stages, "--objective", "params", "--format", "csv")
    assert done.stdout.splitlines()[1].startswith('caformer_s18,total,224,224,"sepconv,pooling,ska,ska"')


@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown"])
def test_what_is_left_out_is_said_in_every_format(skaprof: Run, format: str) -> None:
    done = skaprof("search", "vit_tiny", "-m", "mhsa", "-m", "ska:head_dim=40", "--format", format)
    assert done.returncode == 0
    assert done.stderr.startswith("skaprof: ska:head_dim=40 is left out of stage 1: head_dim: '40' is not valid")
    assert done.stderr.count("\n") == 1
    assert "left out" not in done.stdout


def test_the_front_is_drawn(skaprof: Run, tmp_path: Path) -> None:
    png, svg, again = (tmp_path / name for name in ("a.png", "a.svg", "b.svg"))
    plots = [word for path in (png, svg, again) for word in ("--plot", str(path))]
    done = skaprof("search", "caformer_s18", "--limit", "params<=20M", *plots)
    assert done.returncode == 1, "nothing is within the limits, and all is drawn with them"
    assert png.read_bytes().startswith(b"\x89PNG")
    assert svg.read_bytes() == again.read_bytes()


def _figure(*limits: str) -> tuple[Search, Found, Figure]:
    search = make_search(S18, [expanded(["sepconv", "mhsa", "ska", "cska"], [], [], "-")] * 4)
    parsed = [parse_limit("-", limit) for limit in limits]
    found = find(search, DEFAULT_OBJECTIVES, parsed)
    return search, found, search_figure(search, found, DEFAULT_OBJECTIVES, parsed, "caformer_s18")


def test_the_figure_zooms_to_the_front_names_it_and_says_what_it_leaves_out() -> None:
    search, found, figure = _figure("macs<=4G")
    (axes,) = figure.axes
    labels = axes.get_legend_handles_labels()[1]
    assert labels[-3:] == [search.row(number).mixer for number in found.front]
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    seen = [low <= point[0] <= high and bottom <= point[1] <= top for point in found.points]
    assert all(seen[number] for number in found.front)
    assert sum(seen) < search.size
    title = " ".join(figure.get_suptitle().split())
    assert "256 networks searched, 8 within macs<=4G; 3 are on the front of parameters, MACs and traffic" in title
    assert title.endswith(f"; {search.size - sum(seen)} lie outside this view")
    assert "macs<=4G" in labels
    assert bottom < 4e9 < top


def test_where_nothing_is_within_the_limits_all_is_drawn_with_their_lines() -> None:
    _, found, figure = _figure("params<=2M")
    (axes,) = figure.axes
    assert {"params<=2M", "nearest", "own mixers", "beyond the limits"} <= set(axes.get_legend_handles_labels()[1])
    low, high = axes.get_xlim()
    assert low < 2e6
    assert all(low <= point[0] <= high for point in found.points)
    assert axes.get_yscale() == "log", "MACs from 3.9 G to 26 G"


def test_nothing_within_the_limits_fails_the_check_and_says_what_is_nearest(skaprof: Run) -> None:
    done = skaprof("search", "caformer_s18", "--limit", "params<=20M", "--format", "json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["rows"] == []
    assert "none of 256 networks is within the limits; mhsa,mhsa,ska,ska comes nearest" in done.stderr
    assert "misses params<=20M (25.22 M, 26.1 % off)" in done.stderr


BAD = [
    (("caformr_s18",), "did you mean 'caformer_s18'"),
    (("caformer_s18", "-m", "skka"), "did you mean 'ska'"),
    (("caformer_s18", "--stage", "5=ska"), "1=SPEC to 4=SPEC"),
    (("caformer_s18", "--stage", "1=skka"), "--stage: 'skka'"),
    (("caformer_s18", "--limit", "param<=2M"), "did you mean 'params'"),
    (("caformer_s18", "--limit", "params=2M"), "expected a figure and its limit"),
    (("caformer_s18", "--limit", "params<=-2M"), "expected a figure and its limit"),
    (("caformer_s18", "--limit", "params<=2MiB"), "'MiB' is no unit of params"),
    (("caformer_s18", "--limit", "params<=2Q"), "'Q' is no unit of params: expected k, M, G, T, P, E or none"),
    (("caformer_s18", "--limit", "macs<=4.1 GMACs"), "did you mean '4.1G'?"),
    (("caformer_s18", "--limit", "params<=2%"), "'%' is no unit of params"),
    (("caformer_s18", "--objective", "speed"), "--objective: 'speed'"),
    (("caformer_s18", "--objective", "macs", "--plot", "a.png"), "two or more with --plot"),
    (("caformer_s18", "--resolution", "224,384", "--plot", "a.png"), "expected one of each in a figure"),
    (("caformer_s18", "--kernel-size", "4"), "expected an odd number"),
    (("caformer_s18", "-m", "cska", "--kernel-size", "3:99:2"), "5,764,801 networks: expected at most 1,000,000"),
    (("caformer_s18", "--head-dim", "7", "-m", "mhsa"), "no candidate fits stage 1"),
    (("caformer_s18", "--head-dim", "32", "-m", "sepconv"), "--head-dim: '32'"),
    (("caformer_s18", "--kernel-size", "3", "-m", "mhsa"), "expected a candidate that has a kernel_size"),
    (("caformer_s18", "--kernel-size", "3", "-m", "cska:kernel_size=5"), "--kernel-size: '3'"),
    (("vit_tiny", "-m", "mhsa", "--stage", "1=ska"), "--mixer: 'mhsa'"),
    (("vit_tiny", "--stage", "1="), "--stage: '1=' is not valid: expected 1=SPEC"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments)[:40] for arguments, _ in BAD])
def test_bad_input_gets_one_clear_line_and_exit_2(
    skaprof: Run, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = skaprof("search", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_own_mixers_are_found_where_they_are_the_only_candidates() -> None:
    choice = choose(BACKBONES["vit_tiny"], None, [])
    search = make_search(make_network(choice, 224, 224), [list(choice.specs)])
    assert search.row(0) == search.own
