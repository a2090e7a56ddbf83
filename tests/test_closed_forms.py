"""The op lists against the closed forms of the paper's mixers, written here by hand, at drawn sizes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import SPEC_TEXTS, variants, workloads
from hypothesis import given
from hypothesis import strategies as st

from skaprof.analysis.costs import cost_row, op_rows
from skaprof.analysis.plan import Variant
from skaprof.model.cost import op_costs, total
from skaprof.model.spec import parse_mixer
from skaprof.results import METRICS, SUMMED_METRICS, CostRow
from skaprof.workload import DTYPE_BYTES, Workload

Form = Callable[[int, int, int, int, int, int], int]

# params and MACs at batch 1 of n tokens, dim d, attention dim a, heads h, head_dim e, kernel k
CLOSED_FORMS: dict[str, tuple[Form, Form]] = {
    "mhsa": (lambda n, d, a, h, e, k: 4 * d * a, lambda n, d, a, h, e, k: 4 * n * d * a + 2 * n**2 * a),
    "ska": (lambda n, d, a, h, e, k: 3 * d * a + n * a, lambda n, d, a, h, e, k: 3 * n * d * a + 2 * n**2 * a),
    "ska:query=false": (
        lambda n, d, a, h, e, k: 2 * d * a + n * a,
        lambda n, d, a, h, e, k: 2 * n * d * a + 2 * n**2 * a,
    ),
    "cska": (
        lambda n, d, a, h, e, k: 3 * d * a + k**2 * n * a + h * n,
        lambda n, d, a, h, e, k: 3 * n * d * a + (k**2 + 1) * n**2 * a,
    ),
    "linear": (
        lambda n, d, a, h, e, k: 4 * d * a,
        lambda n, d, a, h, e, k: 4 * n * d * a + 2 * n * a * e + n * a,
    ),
    "sepconv": (
        lambda n, d, a, h, e, k: 4 * d**2 + 2 * k**2 * d + 2,
        lambda n, d, a, h, e, k: 4 * n * d**2 + 2 * k**2 * n * d,
    ),
    "pooling": (lambda n, d, a, h, e, k: 0, lambda n, d, a, h, e, k: 0),
    "identity": (lambda n, d, a, h, e, k: 0, lambda n, d, a, h, e, k: 0),
}


def row_of(text: str, workload: Workload, implementation: str = "eager", mode: str = "forward") -> CostRow:
    return cost_row(Variant(parse_mixer(text), implementation, mode), workload)


@pytest.mark.parametrize("text", CLOSED_FORMS)
@given(data=st.data())
def test_params_and_macs_are_the_papers_closed_forms(text: str, data: st.DataObject) -> None:
    w = data.draw(workloads(parse_mixer(text), largest=20))
    params, macs = CLOSED_FORMS[text]
    a = w.attention_dim if w.heads else w.dim
    sizes = (w.tokens, w.dim, a, w.heads or 1, w.head_dim or w.dim, w.kernel_size or 0)
    row = row_of(text, w)
    assert row.params == params(*sizes)
    assert row.macs == w.batch * macs(*sizes)
    assert row.flops == 2 * row.macs


def test_the_four_published_closed_forms_at_the_default_size() -> None:
    w = Workload(1, 14, 14, 256, 8, 32, 3)
    assert [row_of(text, w).macs for text in ("mhsa", "ska", "ska:query=false", "cska")] == [
        71_049_216,
        58_204_160,
        45_359_104,
        136_880_128,
    ]
    assert [row_of(text, w).params for text in ("mhsa", "ska", "ska:query=false", "cska")] == [
        262_144,
        246_784,
        181_248,
        649_760,
    ]


@given(variants())
def test_per_op_rows_add_up_to_the_totals(drawn: tuple[Variant, Workload]) -> None:
    row = cost_row(*drawn)
    ops = op_rows(*drawn)
    for metric in SUMMED_METRICS:
        assert sum(getattr(op, metric) for op in ops) == getattr(row, metric)
    held = [op.peak_bytes for op in ops]
    assert row.peak_bytes == (max(held) if held and drawn[0].mode == "forward" else None)


@given(variants(modes=("forward",)))
def test_every_figure_but_params_grows_in_proportion_to_the_batch(drawn: tuple[Variant, Workload]) -> None:
    """But for the bias of a convolution against static keys: it is scaled once a call."""
    variant, w = drawn
    one, many = cost_row(variant, w._replace(batch=1)), cost_row(variant, w._replace(batch=7))
    assert (many.params, many.weight_bytes) == (one.params, one.weight_bytes)
    of_call = {row.op: row for row in op_rows(variant, w)}.get("bias_scale")
    values = 0 if of_call is None else of_call.elementwise_flops
    assert values in (0, (w.heads or 0) * w.tokens)
    for metric, once in (
        ("macs", 0),
        ("elementwise_flops", values),
        ("traffic_bytes", 0 if variant.is_fused else 2 * values * DTYPE_BYTES[variant.dtype]),
        ("saved_bytes", 0),
    ):
        assert getattr(many, metric) - once == 7 * (getattr(one, metric) - once)


@given(variants())
def test_only_bytes_depend_on_the_dtype(drawn: tuple[Variant, Workload]) -> None:
    variant, w = drawn
    if variant.implementation in ("sdpa", "triton"):  # the statistics of a fused softmax are float32 in every dtype
        metrics = tuple(metric for metric in METRICS if metric not in ("saved_bytes", "peak_bytes"))
    else:
        metrics = METRICS
    narrow, wide = (cost_row(variant._replace(dtype=dtype), w) for dtype in ("bfloat16", "float64"))
    for metric in metrics:
        factor = 4 if metric.endswith("bytes") else 1
        assert getattr(wide, metric) == (getattr(narrow, metric) and factor * getattr(narrow, metric))


@pytest.mark.parametrize("text", ["mhsa", "ska", "linear", "cska", "sepconv"])
@given(data=st.data())
def test_training_costs_three_times_the_macs_where_nothing_is_recomputed(text: str, data: st.DataObject) -> None:
    w = data.draw(workloads(parse_mixer(text)))
    assert row_of(text, w, mode="train").macs == 3 * row_of(text, w).macs


@pytest.mark.parametrize("text", ["mhsa", "ska", "cska"])
@given(data=st.data())
def test_fused_training_recomputes_the_scores_and_nothing_else(text: str, data: st.DataObject) -> None:
    w = data.draw(workloads(parse_mixer(text)))
    scores = next(row for row in op_rows(Variant(parse_mixer(text), "sdpa"), w) if row.op == "scores")
    assert row_of(text, w, "sdpa", "train").macs == 3 * row_of(text, w, "sdpa").macs + scores.macs


@given(data=st.data())
def test_fused_mhsa_moves_the_inputs_and_outputs_of_its_attention_only(data: st.DataObject) -> None:
    w = data.draw(workloads(parse_mixer("mhsa")))
    d, a = w.batch * w.tokens * w.dim, w.batch * w.tokens * w.attention_dim
    projections = 3 * (d + a) + (a + d)
    assert row_of("mhsa", w, "sdpa").traffic_bytes == 4 * (projections + 3 * a + a)
    scores = w.batch * w.heads * w.tokens**2
    assert row_of("mhsa", w, "eager").traffic_bytes == 4 * (projections + 2 * a + 3 * a + a + 4 * scores)


@pytest.mark.parametrize("text", SPEC_TEXTS)
@given(data=st.data())
def test_fusing_never_adds_traffic(text: str, data: st.DataObject) -> None:
    spec = parse_mixer(text)
    w = data.draw(workloads(spec))
    for op_list in spec.forms():
        ops = spec.ops(w, op_list)
        for mode in ("forward", "train"):
            eager, fused = (total(op_costs(ops, 4, mode, fused=fuse)) for fuse in (False, True))
            assert fused.traffic_bytes <= eager.traffic_bytes
            assert fused.macs >= eager.macs


def test_elementwise_flops_are_the_stated_prices_of_each_op() -> None:
    w = Workload(2, 3, 4, 10, 2, 5, 3)
    scores, queries, keys = 2 * 2 * 12 * 12, 2 * 12 * 10, 2 * 12
    assert row_of("mhsa", w).elementwise_flops == 5 * scores + queries
    assert row_of("mhsa", w, "sdpa").elementwise_flops == (5 + 1) * scores  # a fused kernel scales the scores
    assert row_of("mhsa", w, "tiled").elementwise_flops == 5 * scores + queries
    assert row_of("cska", w).elementwise_flops == (5 + 1) * scores + queries + keys
    assert row_of("cska:conv_bias=false", w).elementwise_flops == 5 * scores + queries
    assert row_of("mhsa:bias=true", w).elementwise_flops == 5 * scores + queries + 2 * 12 * (3 * 10 + 10)
    assert row_of("pooling", w).elementwise_flops == 2 * 12 * 10 * (9 + 1)
    # backward: softmax 4 a score, scale 1 a query, and x's gradient is the sum of three
    assert row_of("mhsa", w, mode="train").elementwise_flops == (5 + 4) * scores + 2 * queries + 2 * (2 * 12 * 10)


def test_training_traffic_of_mhsa_counted_by_hand() -> None:
    """Projections, scale, scores, softmax and mix forward; backward what each gradient reads and writes."""
    w = Workload(3, 2, 4, 10, 2, 5)
    x = a = 3 * 8 * 10  # elements of x, and of q, k, v, o: here dim = attention dim
    s = 3 * 2 * 8 * 8  # elements of the scores
    forward = 3 * (x + a) + (a + x) + 2 * a + (2 * a + s) + 2 * s + (s + a + a)
    linear = (a + x) + (a + x)  # input gradient: reads dy, writes dx; weight gradient: reads dy and x
    scores = (s + a + a) + (s + a + a)  # dq: ds, k, dq; dk: ds, q, dk
    mix = (a + a + s) + (a + s + a)  # dp: do, v, dp; dv: do, p, dv
    backward = 4 * linear + scores + mix + 2 * a + 3 * s  # scale: its two gradients; softmax: dp, p, ds
    gradient_sums = 2 * 3 * x  # x feeds q, k and v: two sums, each reads two and writes one
    assert row_of("mhsa", w, mode="train").traffic_bytes == 4 * (forward + backward + gradient_sums)
