"""Specs, grids and sizes: what they mean, and what is refused in which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skaprof.analysis.plan import SizeGrid, make_plan
from skaprof.errors import SkaprofError, shown
from skaprof.grids import MAX_SIZE, parse_count, parse_grid, parse_sizes, token_grid_sides
from skaprof.model.spec import parse_mixer
from skaprof.workload import default_head_dim, nearly_square, resolve_heads


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("256", (256,)),
        ("64,128", (64, 128)),
        ("64:256:64", (64, 128, 192, 256)),
        ("64:250:64", (64, 128, 192)),
        ("3:6", (3, 4, 5, 6)),
        ("64:4096:*2", (64, 128, 256, 512, 1024, 2048, 4096)),
        ("7:7:*9", (7,)),
        ("8, 4:6 ,5", (8, 4, 5, 6)),
    ],
)
def test_a_grid_means(text: str, values: tuple[int, ...]) -> None:
    assert parse_grid("--dim", text) == values


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ",",
            "64,,128",
            "0",
            "-1",
            "1.5",
            "1e3",
            "0x10",
            "abc",
            "٣",
            "²",
            "1_000",
            "9" * 5000,
            "1\x1b[31m",
            "1\n2",
        ),
        *("10:1", "1:9:0", "1:9:*1", "1:9:*0", "1:9:-1", "1:9:*", "1:2:3:4", ":", "1:", ":5", "1:1000000000"),
    ],
)
def test_a_grid_that_is_no_grid_is_refused_by_option_and_value(text: str) -> None:
    with pytest.raises(SkaprofError, match=r"^--dim: ") as caught:
        parse_grid("--dim", text)
    assert caught.value.exit_code == 2
    assert "expected" in caught.value.message
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 300


@given(st.integers(1, MAX_SIZE))
def test_a_count_reads_back(value: int) -> None:
    assert parse_count("dim", str(value)) == value == parse_count("dim", value)


@pytest.mark.parametrize("value", [0, -3, True, 2.0, None, MAX_SIZE + 1])
def test_a_python_value_that_is_no_size_is_refused(value: object) -> None:
    with pytest.raises(SkaprofError, match="dim"):
        parse_count("dim", value)


def test_a_value_is_shown_without_control_characters_and_cut() -> None:
    assert shown("\x1b[31mred\n") == r"'\x1b[31mred\n'"
    assert shown("x" * 1000).endswith("(1000 characters)")


@given(st.integers(1, 5000))
def test_nearly_square_is_the_closest_pair_of_factors(tokens: int) -> None:
    height, width = nearly_square(tokens)
    assert height * width == tokens
    assert height <= width
    assert not any(tokens % side == 0 for side in range(height + 1, int(tokens**0.5) + 1))


@given(st.integers(1, 5000))
def test_default_head_dim_is_32_or_the_largest_divisor_below(dim: int) -> None:
    head_dim = default_head_dim(dim)
    assert dim % head_dim == 0
    assert head_dim == 32 if dim % 32 == 0 else head_dim == max(e for e in range(1, 33) if dim % e == 0)


def test_heads_and_head_dim_mean() -> None:
    assert resolve_heads(256, None, None) == (8, 32)
    assert resolve_heads(100, None, None) == (4, 25)
    assert resolve_heads(256, 4, None) == (4, 64)
    assert resolve_heads(256, None, 16) == (16, 16)
    assert resolve_heads(256, 3, 7) == (3, 7)
    with pytest.raises(SkaprofError, match="divisor of dim 256"):
        resolve_heads(256, 3, None)
    with pytest.raises(SkaprofError, match="divisor of dim 256"):
        resolve_heads(256, None, 48)


def test_the_token_grid_may_be_named_in_three_ways() -> None:
    assert token_grid_sides("196", None, None, None) == ((14, 14),)
    assert token_grid_sides(None, "14x20,7", None, None) == ((14, 20), (7, 7))
    assert token_grid_sides(None, None, "224,800x1280", "16") == ((14, 14), (50, 80))
    assert token_grid_sides(None, None, "224", None) == ((14, 14),)
    assert token_grid_sides(None, None, None, None) == ((14, 14),)
    assert parse_sizes("--size", "3X4") == ((3, 4),)
    assert parse_sizes("--size", "7:28:7,14,3x4") == ((7, 7), (14, 14), (21, 21), (28, 28), (3, 4))
    assert token_grid_sides(None, None, "64:256:*2", "16") == ((4, 4), (8, 8), (16, 16))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("196", "14x14", None, None), "^tokens and size all"),
        ((None, None, None, "16"), "^patch: .*needs resolution,"),
        ((None, None, "225", "16"), "^resolution: '225'.*16 divides"),
        ((None, "3x4x5", None, None), "^size: "),
        ((None, "x4", None, None), "^size: "),
    ],
)
def test_a_token_grid_that_is_none_is_refused(arguments: tuple[str | None, ...], words: str) -> None:
    with pytest.raises(SkaprofError, match=words):
        token_grid_sides(*arguments)


def test_a_spec_keeps_its_text_and_reads_its_options() -> None:
    spec = parse_mixer("cska:kernel_size=5:head_dim=16:bias=true")
    assert spec.text == "cska:kernel_size=5:head_dim=16:bias=true"
    assert (spec.mixer.name, spec.kernel_size, spec.head_dim, spec.heads) == ("cska", 5, 16, None)
    given = {name: value for name, value in spec.options.items() if value}
    assert given == {"bias": True, "conv_bias": True}
    assert parse_mixer("ska:query=FALSE").options["query"] is False


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("skaa", "did you mean 'ska'"),
        ("", "expected one of mhsa"),
        ("ska:qery=false", "did you mean 'ska:query=false'"),
        ("ska:foo=1", "not 'foo=1'$"),
        ("ska:query", "expected for ska query="),
        ("ska:", "expected for ska query="),
        ("mhsa:heads=4 ", "no blanks"),
        (None, "expected a mixer"),
        ("ska:query=maybe", "query: 'maybe'.*true or false"),
        ("ska:query=false:query=true", "query only once"),
        ("mhsa:kernel_size=3", "not 'kernel_size=3'"),
        ("pooling:heads=3", "not 'heads=3'"),
        ("identity:x=1", "no options at all"),
        ("cska:kernel_size=4", "odd"),
        ("cska:kernel_size=0", "kernel_size: '0'"),
        ("sepconv:expansion=1.5", "expansion: '1.5'"),
        ("mhsa\n", r"'mhsa\\n'"),
        ("mhsa:heads=\r4", r"'mhsa:heads=\\r4'"),
    ],
)
def test_a_spec_that_is_none_is_refused_in_words_that_help(text: str, words: str) -> None:
    with pytest.raises(SkaprofError, match=words):
        parse_mixer(text)


def test_axes_a_mixer_does_not_have_do_not_multiply_its_rows() -> None:
    grid = SizeGrid(dims=(64, 128), heads=(2, 4), kernel_sizes=(3, 5))
    plan = make_plan([parse_mixer(text) for text in ("mhsa", "cska", "sepconv", "identity")], grid)
    rows = list(plan.rows())
    counts = {text: sum(variant.spec.text == text for variant, *_ in rows) for text in ("mhsa", "cska", "sepconv")}
    assert counts == {"mhsa": 4, "cska": 8, "sepconv": 4}
    assert len(rows) == plan.row_count == 4 + 8 + 4 + 2


def test_mixers_stand_side_by_side_at_each_size() -> None:
    plan = make_plan([parse_mixer("mhsa"), parse_mixer("ska")], SizeGrid(dims=(64, 128), batches=(1, 2)))
    assert [(w.batch, w.dim, variant.spec.text) for variant, w, *_ in plan.rows()] == [
        (batch, dim, text) for batch in (1, 2) for dim in (64, 128) for text in ("mhsa", "ska")
    ]


def test_a_specs_own_sizes_go_before_the_grids() -> None:
    plan = make_plan([parse_mixer("cska:head_dim=16:kernel_size=5")], SizeGrid(heads=(2,), kernel_sizes=(3, 7)))
    (row,) = plan.rows()
    assert (row.workload.heads, row.workload.head_dim, row.workload.kernel_size) == (2, 16, 5)


@pytest.mark.parametrize(
    ("text", "grid", "words"),
    [
        ("mhsa", SizeGrid(heads=(7,)), "mhsa: heads: '7'"),
        ("ska:query=false", SizeGrid(heads=(4,), head_dims=(16,)), "heads \\* head_dim = dim"),
        ("cska", SizeGrid(kernel_sizes=(3, 4)), "odd"),
        ("mhsa", SizeGrid(dims=tuple(range(1, 1002)), heads=tuple(range(1, 1001))), "1,001,000 combinations"),
    ],
)
def test_sizes_that_do_not_fit_are_refused_before_any_row(text: str, grid: SizeGrid, words: str) -> None:
    with pytest.raises(SkaprofError, match=words):
        make_plan([parse_mixer(text)], grid)


def test_an_implementation_a_mixer_does_not_have_is_refused() -> None:
    with pytest.raises(SkaprofError, match="sepconv has no 'sdpa' form: expected eager"):
        make_plan([parse_mixer("sepconv")], SizeGrid(), ["sdpa"])
