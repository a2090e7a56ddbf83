"""A sweep's columns are the single rows, exact at any size, and refused before they start where they cannot be held."""

from __future__ import annotations

import pandas as pd
import pytest
from conftest import SPEC_TEXTS, examples, thorough
from hypothesis import given, settings
from hypothesis import strategies as st

import skaprof
from skaprof.analysis.columns import sweep_frame, sweep_rows
from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Plan, SizeGrid, make_plan
from skaprof.model.spec import parse_mixer
from skaprof.results import METRICS, SUMMED_METRICS, CostRow

sizes = st.lists(st.integers(1, 60), min_size=1, max_size=3, unique=True).map(tuple)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    texts = draw(st.lists(st.sampled_from(SPEC_TEXTS), min_size=1, max_size=4, unique=True))
    queries = any("query=false" in text for text in texts)
    grid = SizeGrid(
        draw(sizes),
        tuple(draw(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=3, unique=True))),
        draw(sizes),
        () if queries else draw(st.sampled_from(((), (1,), (2, 3)))),
        () if queries else draw(st.sampled_from(((4,), (5, 6)))),
        draw(st.sampled_from(((), (3,), (1, 5)))),
    )
    dtypes = draw(st.sampled_from((["float32"], ["float32", "float16"])))
    return make_plan([parse_mixer(text) for text in texts], _fitting(grid), modes=["forward", "train"], dtypes=dtypes)


def _fitting(grid: SizeGrid) -> SizeGrid:
    """Without heads, head_dim must divide dim."""
    return grid if grid.heads or not grid.head_dims else grid._replace(head_dims=())


@settings(max_examples=examples(150))
@given(plans())
def test_columns_hold_what_single_rows_say_in_the_same_order(plan: Plan) -> None:
    expected = [cost_row(row.variant, row.workload).as_dict() for row in plan.rows()]
    assert list(sweep_rows(plan)) == expected
    frame = sweep_frame(plan).astype(object)
    assert frame.where(frame.notna(), None).to_dict("records") == expected


def test_a_sweep_beyond_int64_is_exact() -> None:
    frame = skaprof.sweep("mhsa", tokens=10**9, dim=10**9, heads=10**6, head_dim=10**3, mode="train", batch=10**9)
    n = d = a = batch = 10**9
    assert frame["macs"][0] == 3 * batch * (4 * n * d * a + 2 * n**2 * a)
    assert frame["macs"].dtype == object
    assert (
        skaprof.cost("mhsa", tokens=n, dim=d, heads=10**6, head_dim=10**3, mode="train", batch=batch).macs
        == (frame["macs"][0])
    )


def test_a_mixed_sweep_is_exact_where_only_some_rows_leave_int64() -> None:
    frame = skaprof.sweep(("identity", "mhsa"), tokens=(4, 10**9), dim=(32, 10**9 - 10**9 % 32))
    for row in frame.to_dict("records"):
        single = skaprof.cost(row["mixer"], tokens=row["tokens"], dim=row["dim"])
        assert all(row[metric] == getattr(single, metric) for metric in METRICS)


def test_a_frame_has_the_row_keys_and_nullable_sizes() -> None:
    frame = skaprof.sweep(("mhsa", "cska", "pooling"), tokens="16:64:*2", dim=(64, 128))
    assert tuple(frame.columns) == CostRow.fields
    assert len(frame) == 3 * 3 * 2
    assert frame["mixer"].dtype == "category"
    assert frame.loc[frame["mixer"] == "mhsa", "kernel_size"].isna().all()
    assert frame.loc[frame["mixer"] == "pooling", "heads"].isna().all()
    assert pd.api.types.is_integer_dtype(frame["heads"].dtype)


def test_a_sweep_too_large_to_hold_is_refused_with_its_size() -> None:
    with pytest.raises(skaprof.SkaprofError, match=r"3,000,000,000 rows, some [0-9,.]+ GiB"):
        skaprof.sweep(tokens="1:1000000", dim="32:32000:32")


@thorough
def test_a_million_configurations_fit_one_sweep() -> None:
    frame = skaprof.sweep(tokens=[side * side for side in range(1, 1001)], dim="32:10656:32")
    assert len(frame) == 999_000
    assert (frame["flops"] == 2 * frame["macs"]).all()
    row = frame.iloc[-1]
    assert row["macs"] == skaprof.cost("cska", tokens=10**6, dim=10656).macs


@pytest.mark.parametrize("tokens", [10**6, 10**7, 134_217_727, 134_217_728, 134_217_729, 10**9])
def test_figures_around_the_int64_limit_are_exact(tokens: int) -> None:
    """2 n^2 a passes 2^62 at n = 2^27 for a = 128; a wrapped product would be wrong, and often negative."""
    frame = skaprof.sweep("mhsa", tokens=tokens, dim=128, mode="train", batch=(1, 7))
    for row in frame.to_dict("records"):
        single = skaprof.cost("mhsa", tokens=tokens, dim=128, mode="train", batch=row["batch"])
        assert {m: int(row[m]) for m in SUMMED_METRICS} == {m: getattr(single, m) for m in SUMMED_METRICS}
