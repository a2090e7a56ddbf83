"""`skaprof search`: its networks are those of `skaprof model`, its front is a front, and its limits hold."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path
from random import Random

import pytest
from conftest import NETWORK_MIXERS, Run, examples, networks
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from skaprof.analysis.fronts import front_of_choices, front_of_sums, undominated_rows
from skaprof.analysis.limits import parse_limit
from skaprof.analysis.scopes import TOTAL, costed
from skaprof.analysis.search import (
    COSTS,
    DEFAULT_OBJECTIVES,
    LIMIT_SIGNS,
    PLACES,
    Limit,
    Search,
    expanded,
    make_search,
)
from skaprof.analysis.search_front import Found, find
from skaprof.errors import SkaprofError
from skaprof.model.backbones import BACKBONES, Stage
from skaprof.model.choice import Choice, choose, parse_backbone
from skaprof.model.network import Network, backbone_totals, make_network
from skaprof.model.spec import MixerSpec, StageMixers, parse_mixer, parse_stage_mixers, stage_mixers
from skaprof.report.search import mixer_text
from skaprof.report.search_plot import search_figure
from skaprof.results import ScopeRow

S18 = make_network(parse_backbone("caformer_s18"), 224, 224)
_SMALL = BACKBONES["caformer_s18"]._replace(
    stages=(Stage(2, 32, "sepconv"), Stage(3, 64, "mhsa", residual_scale=True)), resolution=64
)
SMALL = make_network(choose(_SMALL, None, []), 64, 64)


@settings(max_examples=examples(30))
@given(networks(), st.data(), st.sampled_from(("forward", "train")))
def test_a_network_costs_the_sum_of_what_its_mixers_change(network: Network, data: st.DataObject, mode: str) -> None:
    """Every figure of every network, against the same network made whole: stages do not depend on each other."""
    some = st.lists(st.sampled_from(NETWORK_MIXERS), min_size=1, max_size=2, unique=True)
    candidates = [[parse_mixer(text) for text in data.draw(some)] for _ in network.stages]
    search = make_search(network, candidates, mode=mode)
    points = search.points(COSTS)
    for point, specs in zip(points, product(*candidates), strict=True):
        choice = Choice(network.backbone, _mixers(network, specs))
        size = network.height, network.width, network.batch, network.implementation
        (whole,) = costed(make_network(choice, *size, has_head=network.has_head), mode=mode).rows(TOTAL)
        assert search.row_of(choice.stages) == whole
        assert point == tuple(getattr(whole, key) for key in COSTS)


def _mixers(network: Network, specs: Sequence[MixerSpec]) -> tuple[StageMixers, ...]:
    """One mixer in all blocks of each stage."""
    return tuple(stage_mixers([(spec, placed.stage.depth)]) for placed, spec in zip(network.stages, specs, strict=True))


@settings(max_examples=examples(40), deadline=None)
@given(st.data(), st.sampled_from(PLACES))
def test_what_is_found_is_the_front_of_all_networks_made_one_by_one(data: st.DataObject, per: str) -> None:
    """With any objectives and limits, by stage and by block; by block every order of the mixers is tried."""
    some = st.lists(st.sampled_from(["sepconv", "mhsa", "ska", "cska", "pooling"]), min_size=1, max_size=2, unique=True)
    candidates = [[parse_mixer(text) for text in data.draw(some)] for _ in SMALL.stages]
    objectives = data.draw(st.lists(st.sampled_from(COSTS), min_size=1, max_size=3, unique=True))
    search = make_search(SMALL, candidates, per=per)
    rows = [search.row_of(mixers) for mixers in _every_network(candidates, per)]
    limits = data.draw(st.lists(st.builds(_limit, st.sampled_from(COSTS), st.sampled_from(rows)), max_size=2))
    within = [row for row in rows if all(limit.holds(getattr(row, limit.metric)) for limit in limits)]
    points = [tuple(getattr(row, key) for key in objectives) for row in within]
    front = {row.mixer for row, point in zip(within, points, strict=True) if not any(beats(p, point) for p in points)}
    found = find(search, objectives, limits)
    assert search.size == len(rows)
    assert {_sorted(mixer_text(chosen)) for chosen in found.front} == {_sorted(mixer or "") for mixer in front}
    assert found.within in (len(within), None)
    for chosen in found.front:
        assert chosen.figures == tuple(getattr(search.row_of(chosen.mixers), key) for key in found.metrics)


def _every_network(candidates: Sequence[Sequence[MixerSpec]], per: str) -> Iterator[tuple[StageMixers, ...]]:
    depths = [placed.stage.depth for placed in SMALL.stages]
    if per == "stage":
        yield from (_mixers(SMALL, specs) for specs in product(*candidates))
    else:
        of_stages = [product(specs, repeat=depth) for specs, depth in zip(candidates, depths, strict=True)]
        for stages in product(*of_stages):
            yield tuple(stage_mixers((spec, 1) for spec in blocks) for blocks in stages)


def _limit(metric: str, row: ScopeRow) -> Limit:
    """One that the row itself just keeps, or just misses: both, by its figure's last digit."""
    value = getattr(row, metric)
    sign = LIMIT_SIGNS[value % len(LIMIT_SIGNS)]
    return Limit(f"{metric}{sign}{value}", metric, sign, Fraction(value))


def _sorted(mixers: str) -> tuple[tuple[str, ...], ...]:
    """The mixers of each stage without their order."""
    return tuple(
        tuple(sorted(spec.text for spec in parse_stage_mixers(text, placed.stage.depth).blocks))
        for text, placed in zip(mixers.split(","), SMALL.stages, strict=True)
    )


def test_a_network_of_36_blocks_is_searched_whole() -> None:
    """Of each stage's candidates none beats another, so that all 20 ** 36 networks count."""
    rising, falling = range(20), range(190, -10, -10)
    parts = [(a, b, (7 * a) % 20) for a, b in zip(rising, falling, strict=True)]
    stages = [front_of_choices(parts, depth) for depth in (2, 3)]
    sums = front_of_sums([stage.points.tolist() for stage in stages])
    whole = front_of_choices(parts, 5)
    assert set(map(tuple, sums.points.tolist())) == set(map(tuple, whole.points.tolist()))
    blocks = [[(number * (place + 3) % 17, number, 19 - number) for number in range(20)] for place in range(36)]
    assert len(front_of_sums(blocks).points) > 1


def test_sums_would_be_wrong_only_for_a_class_token_over_several_stages() -> None:
    assert all(len(backbone.stages) == 1 for backbone in BACKBONES.values() if backbone.class_token)


def test_the_front_has_the_published_networks_totals() -> None:
    search = make_search(S18, [expanded(["sepconv", "mhsa", "ska:query=false"], [], [], "-")] * 4)
    specs = map(parse_mixer, ("sepconv", "sepconv", "ska:query=false", "ska:query=false"))
    row = search.row_of(_mixers(S18, list(specs)))
    assert (row.params, row.macs) == (23_565_336, 3_668_603_904)
    assert row.macs == backbone_totals("caformer_s18[stage3=ska:query=false,stage4=ska:query=false]").macs


points = st.integers(1, 4).flatmap(lambda figures: st.lists(st.tuples(*[st.integers(0, 6)] * figures), max_size=40))


@given(points.filter(bool))
def test_the_front_is_all_that_nothing_beats(drawn: list[tuple[int, ...]]) -> None:
    assert undominated_rows(drawn) == [not any(beats(other, point) for other in drawn) for point in drawn]


def beats(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


def test_what_the_coarse_grid_drops_is_beaten() -> None:
    numbers = Random(1)
    many = [tuple(numbers.choices(range(300), k=3)) for _ in range(30_000)]
    least: dict[tuple[int, int], int] = {}
    for x, y, z in many:
        least[x, y] = min(z, least.get((x, y), z))
    front = {(*at, z) for at, z in least.items() if not any(beats((*o, w), (*at, z)) for o, w in _below(least, at))}
    kept = {point for point, is_kept in zip(many, undominated_rows(many), strict=True) if is_kept}
    assert kept == front


def _below(least: dict[tuple[int, int], int], at: tuple[int, int]) -> Iterator[tuple[tuple[int, int], int]]:
    return ((o, least[o]) for o in product(range(at[0] + 1), range(at[1] + 1)) if o in least)


def test_limits_hold_and_the_front_is_of_what_is_left() -> None:
    search = make_search(S18, [expanded(["sepconv", "mhsa", "ska"], [], [], "-")] * 4)
    limits = [parse_limit("-", "params>=25.9M"), parse_limit("-", "macs<=3.95G")]
    found = find(search, ("traffic_bytes",), limits)
    rows = search.points(("params", "macs", "traffic_bytes"))
    kept = [traffic for params, macs, traffic in rows if params >= 25_900_000 and macs <= 3_950_000_000]
    assert found.within is not None
    assert 0 < found.within == len(kept) < search.size
    assert found.front[0].figures[0] == min(kept)


def test_where_no_network_is_within_the_limits_the_nearest_is_named() -> None:
    search = make_search(S18, [expanded(["sepconv", "ska"], [], [], "-")] * 4)
    found = find(search, ("macs",), [parse_limit("-", "macs<=4G"), parse_limit("-", "params<=20M")])
    assert (found.within, found.front) == (0, [])
    assert found.nearest is not None
    nearest, limit = found.nearest
    fewest = min(params for params, macs in search.points(("params", "macs")) if macs <= 4e9)
    assert (search.row_of(nearest.mixers).params, limit.text) == (fewest, "params<=20M")


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
    rows = [search.row_of(chosen.mixers) for chosen in found.front]
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
    assert labels[-3:] == [mixer_text(chosen) for chosen in found.front]
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    seen = [low <= point[0] <= high and bottom <= point[1] <= top for point in search.points(DEFAULT_OBJECTIVES)]
    assert all(low <= chosen.figures[0] <= high and bottom <= chosen.figures[1] <= top for chosen in found.front)
    assert sum(seen) < search.size
    title = " ".join(figure.get_suptitle().split())
    assert "256 networks searched, 8 within macs<=4G; 3 are on the front of parameters, MACs and traffic" in title
    assert title.endswith(f"; {search.size - sum(seen)} lie outside this view")
    assert "macs<=4G" in labels
    assert bottom < 4e9 < top


def test_where_nothing_is_within_the_limits_all_is_drawn_with_their_lines() -> None:
    search, _, figure = _figure("params<=2M")
    (axes,) = figure.axes
    assert {"params<=2M", "nearest", "own mixers", "beyond the limits"} <= set(axes.get_legend_handles_labels()[1])
    low, high = axes.get_xlim()
    assert low < 2e6
    assert all(low <= point[0] <= high for point in search.points(("params",)))
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
    (("caformer_s18", "--per", "layer"), "--per: 'layer' is not valid: expected one of stage, block"),
    (("caformer_s18", "--stage", "3=ska*9"), "--stage: 'ska*9'"),
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
    search = make_search(make_network(choice, 224, 224), [list(choice.kinds)])
    assert search.row_of(find(search).front[0].mixers) == search.own


def test_by_block_a_row_is_the_network_that_model_builds_and_proves(skaprof: Run) -> None:
    named = ("-m", "mhsa", "-m", "ska", "--stage", "1=sepconv", "--stage", "2=sepconv", "--per", "block")
    done = skaprof("search", "caformer_s18", *named, "--limit", "params>=26.2M", "--format", "json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)["rows"][0]
    assert "mhsa" in row["mixer"]
    assert "+" in row["mixer"]
    shown = skaprof(
        "model", "caformer_s18", "--mixers", row["mixer"], "--depth", "total", "--verify", "--format", "json"
    )
    (proved,) = json.loads(shown.stdout)["rows"]
    assert proved["verified"] is True
    assert {key: proved[key] for key in row} == row


def test_networks_beyond_number_are_searched_and_their_number_is_said(skaprof: Run) -> None:
    done = skaprof("search", "caformer_s36", "-m", "cska", "--kernel-size", "3:41:2", "--per", "block")
    assert done.returncode == 0, done.stderr
    assert "6.9 x 10^46 networks searched; 1 is on the front" in done.stdout
