"""Renderers: the data formats are exact and complete, the table readable, figures the same bytes each time."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skaprof.errors import printable
from skaprof.report.cost_sentences import cheapest_sentences, size_groups
from skaprof.report.formats import escape_markdown, flat, to_csv, to_json, to_markdown
from skaprof.report.numbers import NumberFormat, si, significant
from skaprof.report.plot import cost_plot
from skaprof.report.table import lowest_rows
from skaprof.results import ResultRow

values = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
rows = st.lists(st.fixed_dictionaries({"a": values, "b": st.integers(), "mixer": st.text()}), min_size=1, max_size=4)


@given(rows)
def test_json_reads_back_what_went_in(data: list[dict[str, object]]) -> None:
    document = json.loads("".join(to_json("skaprof flops", {"python": "3"}, data)))
    assert document == {
        "schema_version": 1,
        "command": "skaprof flops",
        "environment": {"python": "3"},
        "rows": data,
    }


def test_json_of_no_rows_is_json() -> None:
    assert json.loads("".join(to_json("c", {}, [])))["rows"] == []


@given(rows)
def test_csv_reads_back_what_went_in(data: list[dict[str, object]]) -> None:
    read = list(csv.DictReader(io.StringIO("".join(to_csv(data)), newline="")))
    assert len(read) == len(data)
    for row, original in zip(read, data, strict=True):
        for key, value in original.items():
            expected = "" if value is None else str(value).lower() if isinstance(value, bool) else printable(value)
            assert row[key] in (expected, f"'{expected}")


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd", "'+cmd"),
        ("-cmd", "'-cmd"),
        ("\uff1d1", "'\uff1d1"),
        ("\t=1", "\\t=1"),
        ("\r=1", "\\r=1"),
        ("-1.5", "-1.5"),
        ("@", "@"),
        ("-", "-"),
        ("+2e9", "+2e9"),
        (-1, "-1"),
        (-1.5, "-1.5"),
        ("a=1", "a=1"),
        ("", '""'),
        (["=1", "b"], "'=1;b"),
        ({"=": 1}, "'==1"),
    ],
)
def test_a_csv_cell_is_no_formula_and_a_number_is_one(text: object, cell: str) -> None:
    assert list(to_csv([flat({"mixer": text})])) == ["mixer\n", f"{cell}\n"]


def test_a_csv_of_rows_with_other_keys_has_empty_cells() -> None:
    assert list(to_csv([{"=a": 1, "b\x1b": 2}, {"=a": 3}])) == ["'=a,b\\x1b\n", "1,2\n", "3,\n"]


@given(st.text())
def test_no_text_breaks_out_of_a_markdown_cell(text: str) -> None:
    cell = escape_markdown(text)
    assert "\n" not in cell
    assert "\r" not in cell
    assert "<" not in cell
    for mark in "|`*_[]":
        assert cell.count(mark) == cell.count(f"\\{mark}")


def test_markdown_is_a_table_with_exact_numbers() -> None:
    table = "".join(to_markdown([{"mixer": "a|b", "macs": 71049216, "ratio": 0.81920904, "ok": True, "k": None}]))
    assert table == (
        "| mixer | macs | ratio | ok | k |\n|---|---:|---:|---:|---:|\n| a\\|b | 71,049,216 | 0.8192 | yes |  |\n"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (71049216, "71.05 M"),
        (262144, "262.1 k"),
        (999, "999"),
        (0, "0"),
        (1500, "1.500 k"),
        (5 * 10**18, "5.000 E"),
        (999 * 10**18, "999.0 E"),
        (90_820_312_500_077_232 * 10**18, "9.082e+34"),
    ],
)
def test_si_reads(value: int, text: str) -> None:
    assert si(value) == text


@given(st.floats(1e-5, 1e12))
def test_significant_digits_are_right_to_four(value: float) -> None:
    assert float(significant(value)) == pytest.approx(value, rel=6e-4, abs=6e-7)


def test_a_column_beyond_every_prefix_has_exponents() -> None:
    column = NumberFormat.of([90_820_312_500_077_232 * 10**18, 486, 0])
    assert (column.prefix, [column.text(value) for value in (10**400, 486, 0)]) == ("", ["1.000e+400", "4.860e+2", "0"])


@given(st.lists(st.integers(1, 10**30), min_size=1, max_size=6))
def test_a_column_of_figures_is_right_to_three_digits(numbers: list[int]) -> None:
    column = NumberFormat.of(numbers)
    for number in numbers:
        shown = column.text(number).replace(",", "")
        if not shown.startswith("<"):
            assert float(shown) * column.scale == pytest.approx(number, rel=6e-4, abs=6e-7 * column.scale)


def row(mixer: str, tokens: int, macs: int | None, **rest: object) -> ResultRow:
    sizes: dict[str, object] = {
        "implementation": "eager",
        "mode": "forward",
        "dtype": "float32",
        "batch": 1,
        "height": 1,
    }
    figures = dict.fromkeys(("params", "flops", "elementwise_flops", "weight_bytes", "traffic_bytes"), 5)
    sizes |= {"width": tokens, "tokens": tokens, "dim": 8} | dict.fromkeys(("heads", "head_dim", "kernel_size"))
    return ResultRow.read({"mixer": mixer, **sizes, **figures, "macs": macs, **rest})


def test_the_lowest_at_each_size_is_marked_and_ties_of_all_are_not() -> None:
    table = [row("a", 4, 10), row("b", 4, 9), row("a", 8, 10), row("b", 8, 11), row("a", 16, 3), row("b", 16, 3)]
    assert lowest_rows(table, size_groups(table)) == {"macs": {1, 2}}


def test_nobody_wins_where_a_figure_is_not_known_and_it_is_said_whose() -> None:
    here = [row("a", 4, 10), row("b", 4, 9), row("odd", 4, None, params=4, traffic_bytes=None)]
    groups = size_groups(here)
    assert lowest_rows(here, groups) == {"params": {2}}
    assert cheapest_sentences(here, groups) == [
        "odd: fewest parameters (4).",
        "No winner in MACs and activation traffic: not known of odd.",
    ]
    sizes = [*here, row("a", 8, 10), row("b", 8, 9), row("odd", 8, 7)]
    assert lowest_rows(sizes, size_groups(sizes)) == {"params": {2}, "macs": {5}}
    assert cheapest_sentences(sizes, size_groups(sizes))[1] == (
        "Fewest MACs: odd at 1 of 2 sizes; no winner at 1 of 2 sizes, where it is not known of odd."
    )
    alike = [row("a", 4, 10), row("odd", 4, None)]
    assert "All need the same." not in cheapest_sentences(alike, size_groups(alike))


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_same_rows_draw_the_same_bytes(suffix: str) -> None:
    table = [row(mixer, tokens, tokens * 7 + len(mixer), heads=None) for tokens in (4, 64) for mixer in ("a", "bb")]
    first, second = (cost_plot(table, ("tokens",), "title", suffix) for _ in range(2))
    assert first == second
    assert first.startswith(b"\x89PNG" if suffix == ".png" else b"<?xml")
    assert cost_plot(table[:2], (), "title", suffix) != first
