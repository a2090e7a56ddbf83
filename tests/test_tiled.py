"""The tiled form computes what the eager one does, from the same parameters, and never holds n x n scores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ATTENTION_TEXTS, THOROUGH, examples, thorough, workloads
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import skaprof
from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.analysis.roofline import kernels
from skaprof.count.memory import held_in_forward, saved_by_autograd
from skaprof.count.verify import verify
from skaprof.errors import SkaprofError
from skaprof.model import tiles
from skaprof.model.spec import parse_mixer
from skaprof.model.tiles import of_numbers, tile_of
from skaprof.nn import ConvStaticKeyAttention, StaticKeyAttention, TokenMixer, build_mixer
from skaprof.nn.functional import conv_static_key_attention, static_key_attention
from skaprof.workload import Workload

W = Workload(2, 5, 6, 24, 3, 8, 3)
TILES = st.sampled_from((1, 60, 400, tiles.TILE_SCORES))


@contextmanager
def tiles_of(scores: int) -> Iterator[None]:
    """Tiles of so many scores, so that small sizes have many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "TILE_SCORES", scores)
        yield


def pair(text: str, w: Workload = W, dtype: torch.dtype = torch.float64) -> tuple[TokenMixer, TokenMixer]:
    """The eager mixer in float64, and the tiled one with its state dict in the dtype."""
    spec = parse_mixer(text)
    eager, tiled = (build_mixer(spec, w, form) for form in ("eager", "tiled"))
    tiled.load_state_dict(eager.state_dict())
    return eager.double(), tiled.to(dtype)


def trained(mixer: nn.Module, x: Tensor, gradient: Tensor) -> list[Tensor]:
    """The output, and the gradients of the input and of every parameter."""
    leaf = x.detach().requires_grad_()
    output = mixer(leaf)
    output.backward(gradient)
    assert leaf.grad is not None
    return [output.detach(), leaf.grad, *(p.grad for p in mixer.parameters() if p.grad is not None)]


def errors(found: list[Tensor], expected: list[Tensor]) -> list[float]:
    """Relative norms of the differences; of one gradient of almost nothing, against the largest."""
    assert len(found) == len(expected)
    least = 1e-2 * max(float(tensor.norm()) for tensor in expected)
    return [
        float((a.detach().double() - b).norm() / max(float(b.norm()), least))
        for a, b in zip(found, expected, strict=True)
    ]


@settings(max_examples=300 if THOROUGH else 20)
@given(st.sampled_from(ATTENTION_TEXTS), TILES, st.data())
def test_output_and_all_gradients_are_those_of_the_float64_reference(text: str, size: int, data: st.DataObject) -> None:
    w = data.draw(workloads(parse_mixer(text)))
    eager, tiled = pair(text, w, torch.float32)
    x, gradient = torch.randn(2, w.batch, w.tokens, w.dim)
    with tiles_of(size):
        found = trained(tiled, x, gradient)
        with torch.no_grad():
            assert torch.equal(tiled(x), found[0])
    assert max(errors(found, trained(eager, x.double(), gradient.double()))) < 1e-5


@pytest.mark.parametrize("tile", [None, 1])
def test_gradients_are_the_derivatives(tile: int | None) -> None:
    query, value = torch.randn(2, 2, 2, 7, 3, dtype=torch.float64)
    weight, bias = torch.randn(14, 3, 3, 3, dtype=torch.float64), torch.randn(14, dtype=torch.float64)
    key = torch.randn(2, 7, 3, dtype=torch.float64)
    everything = [tensor.requires_grad_() for tensor in (query, weight, value, bias, key)]
    assert torch.autograd.gradcheck(
        lambda *given: conv_static_key_attention(*given, grid=(2, 3), tile=tile), everything, fast_mode=True
    )
    everything = [query, key, value]
    assert torch.autograd.gradcheck(lambda *given: static_key_attention(*given, tile=tile), everything, fast_mode=True)


@settings(max_examples=examples(100))
@given(st.sampled_from(ATTENTION_TEXTS), TILES, st.sampled_from(("float32", "bfloat16")), st.data())
def test_bytes_saved_and_held_are_what_the_model_says(text: str, size: int, dtype: str, data: st.DataObject) -> None:
    w, spec = data.draw(workloads(parse_mixer(text))), parse_mixer(text)
    _, tiled = pair(text, w, getattr(torch, dtype))
    x = torch.zeros(w.batch, w.tokens, w.dim, dtype=getattr(torch, dtype))
    with tiles_of(size):
        train, forward = (cost_row(Variant(spec, "tiled", mode, dtype), w) for mode in ("train", "forward"))
        assert saved_by_autograd(tiled, x) == train.saved_bytes
        assert held_in_forward(tiled, x) == forward.peak_bytes


@settings(max_examples=examples(60))
@given(st.integers(1, 3), st.integers(1, 7), st.integers(1, 9), st.booleans(), TILES)
def test_winograds_scores_are_the_convolutions(batch: int, height: int, width: int, biased: bool, size: int) -> None:
    tokens, heads = height * width, 2
    query, value = torch.randn(2, batch, heads, tokens, 3, dtype=torch.float64)
    weight, bias = torch.randn(heads * tokens, 3, 3, 3, dtype=torch.float64), torch.randn(heads * tokens).double()
    found = []
    for winograd in (False, True):
        leaves = [tensor.clone().requires_grad_() for tensor in (query, weight, value, *([bias] if biased else []))]
        with tiles_of(size):
            output = conv_static_key_attention(*leaves, grid=(height, width), winograd=winograd)
            output.backward(torch.cos(output.detach()))
        found.append([output.detach(), *(leaf.grad for leaf in leaves)])
    for of_winograd, expected in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(of_winograd, expected)


def test_winograd_rounds_little_in_float32() -> None:
    query, value = torch.randn(2, 2, 2, 81, 16, dtype=torch.float64)
    weight = torch.randn(2 * 81, 16, 3, 3, dtype=torch.float64)
    expected = conv_static_key_attention(query, weight, value, grid=(9, 9), scale=0.1)
    found = conv_static_key_attention(
        query.float(), weight.float(), value.float(), grid=(9, 9), scale=0.1, winograd=True
    )
    assert errors([found], [expected])[0] < 1e-5


class Largest(TorchDispatchMode):
    """The elements of the largest tensor that any op makes."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        made = [
            leaf.untyped_storage().nbytes() // leaf.element_size()
            for leaf in tree_leaves(result)
            if torch.is_tensor(leaf)
        ]
        self.elements = max(self.elements, *made, 0)
        return result


@pytest.mark.parametrize("text", ["mhsa", "ska", "cska"])
def test_nothing_of_size_n_by_n_is_made_forward_or_backward(text: str) -> None:
    w = Workload(1, 20, 20, 8, 2, 4, 3)
    eager, tiled = pair(text, w)
    x, gradient = torch.randn(2, 1, 400, 8, dtype=torch.float64)
    with tiles_of(20 * 400), Largest() as of_tiles:
        trained(tiled, x, gradient)
    with Largest() as of_scores:
        trained(eager, x, gradient)
    assert of_tiles.elements <= 400 * 9 * 8 < 400 * 400 <= of_scores.elements


@pytest.mark.parametrize("text", ["mhsa:bias=true", "ska:query=false", "cska", "cska:conv_bias=false:bias=true"])
@pytest.mark.parametrize("mode", ["forward", "train"])
def test_both_counters_prove_it_with_what_it_computes_again(text: str, mode: str) -> None:
    spec = parse_mixer(text)
    variant = Variant(spec, "tiled", mode)
    assert [str(difference) for difference in verify(variant, W).differences] == []
    costs = {form: cost_row(Variant(spec, form, mode), W).macs for form in ("eager", "tiled")}
    scores = W.batch * W.tokens * W.tokens * W.attention_dim * (9 if text.startswith("cska") else 1)
    assert costs["tiled"] - costs["eager"] == (scores if mode == "train" else 0)


def test_many_tiles_multiply_and_add_what_one_does() -> None:
    for text in ("ska", "cska"):
        _, tiled = pair(text)
        with tiles_of(90), FlopCounterMode(display=False) as counter:
            trained(tiled, *torch.randn(2, W.batch, W.tokens, W.dim, dtype=torch.float64))
        assert counter.get_total_flops() == 2 * cost_row(Variant(parse_mixer(text), "tiled", "train"), W).macs


def test_a_mixers_tile_is_the_most_rows_at_a_time() -> None:
    made: list[list[int]] = []
    for tile in (None, 1):
        mixer = ConvStaticKeyAttention(8, (5, 4), heads=2, implementation="tiled", tile=tile)
        with Largest() as largest:
            mixer(torch.zeros(1, 20, 8))
        made.append([largest.elements])
    assert made == [[2 * 20 * 9 * 4], [20 * 8 * 9]]


@pytest.mark.parametrize("mixer", [ConvStaticKeyAttention, StaticKeyAttention])
def test_class_tokens_have_their_place(mixer: type[ConvStaticKeyAttention] | type[StaticKeyAttention]) -> None:
    eager, tiled = (
        mixer(8, (3, 4), heads=2, class_tokens=2, implementation=form).double() for form in ("eager", "tiled")
    )
    tiled.load_state_dict(eager.state_dict())
    x, gradient = torch.randn(2, 3, 14, 8, dtype=torch.float64)
    with tiles_of(40):
        for found, expected in zip(trained(tiled, x, gradient), trained(eager, x, gradient), strict=True):
            torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_and_autocast_are_as_exact_as_the_eager_form(dtype: torch.dtype) -> None:
    eager, tiled = pair("cska", dtype=dtype)
    x, gradient = torch.randn(2, W.batch, W.tokens, W.dim, dtype=torch.float64)
    expected = trained(eager, x, gradient)
    found = errors(trained(tiled, x.to(dtype), gradient.to(dtype)), expected)
    eager.zero_grad()
    of_eager = errors(trained(eager.to(dtype), x.to(dtype), gradient.to(dtype)), expected)
    assert max(found) < 2 * max(of_eager)
    with torch.autocast("cpu", dtype=dtype):
        output = tiled.float()(x.float())
    assert output.dtype == dtype
    assert errors([output], [expected[0]])[0] < 2 * max(of_eager)


@thorough
def test_it_is_traced_whole_by_torch_compile() -> None:
    eager, tiled = pair("cska")
    x, gradient = torch.randn(2, W.batch, W.tokens, W.dim, dtype=torch.float64)
    run = torch.compile(tiled, backend="aot_eager", fullgraph=True, dynamic=False)
    expected = trained(eager, x, gradient)
    torch.testing.assert_close(run(x), expected[0])
    run(x).backward(gradient)
    for parameter, reference in zip(tiled.parameters(), expected[2:], strict=True):
        torch.testing.assert_close(parameter.grad, reference)


def test_a_kernel_wider_than_the_grid_meets_padding() -> None:
    w = Workload(2, 2, 3, 8, 2, 4, 9)
    eager, tiled = pair("cska", w)
    x = torch.randn(2, 6, 8, dtype=torch.float64)
    torch.testing.assert_close(tiled(x), eager(x))


@settings(max_examples=examples(200))
@given(*[st.integers(1, 40)] * 4, st.one_of(st.none(), st.integers(1, 50)), TILES)
def test_tiles_are_as_even_as_can_be_and_no_larger_than_asked(
    batch: int, heads: int, rows: int, scores: int, most: int | None, size: int
) -> None:
    with tiles_of(size):
        tile = tile_of(batch, heads, rows, scores, most)
    for length, whole in zip(tile, (heads, batch, rows), strict=True):
        pieces = -(-whole // length)
        assert 1 <= length <= whole
        assert length == -(-whole // pieces)
    if most is not None:
        assert tile.rows <= most
    elif tile != (1, 1, 1):
        assert tile.heads * tile.images * tile.rows * scores <= size


def test_peaks_of_arrays_of_sizes_are_those_of_each() -> None:
    variant = Variant(parse_mixer("cska"), "tiled")
    tokens = np.array([7, 28, 56])
    column = cost_row(variant, W._replace(height=tokens, width=tokens)).peak_bytes
    assert column.tolist() == [
        cost_row(variant, W._replace(height=side, width=side)).peak_bytes for side in tokens.tolist()
    ]
    assert of_numbers(lambda *sizes: 5, 0, 3) == 0


def test_it_is_timed_and_predicted_like_any_form() -> None:
    (row,) = skaprof.latency("cska", tokens=9, dim=16, implementation="tiled", device="cpu", max_seconds=0.3)
    assert (row.error, row.backend, row.macs) == (None, "", skaprof.cost("cska", tokens=9, dim=16).macs)
    kinds = {
        text: [kernel.kind for kernel in kernels(Variant(parse_mixer(text), "tiled"), W)] for text in ("ska", "cska")
    }
    assert kinds == {
        text: ["linear", "linear", kind, "linear"] for text, kind in (("ska", "attention"), ("cska", "matmul"))
    }


def test_arguments_that_do_not_fit_are_named() -> None:
    query, value = torch.zeros(2, 3, 2, 12, 4)
    weight = torch.zeros(24, 4, 3, 3)
    for words, call in {
        r"tile: '0' is not valid: expected a whole number": lambda: static_key_attention(query, query, value, tile=0),
        r"tile: '2.5' is not valid": lambda: static_key_attention(query, query, value, tile=2.5),  # type: ignore[arg-type]
        r"key: .*the shape \(2, 12, 4\)": lambda: static_key_attention(query, query[0, :, 1:], value),
        r"value: .*4 dimensions": lambda: static_key_attention(query, query, value[0]),
        r"value: .*the shape \(3, 2, 12, 4\)": lambda: static_key_attention(query, query, value[:2]),
        r"query: .*a 3 x 5 grid": lambda: conv_static_key_attention(query, weight, value, grid=(3, 5)),
        r"query: .*one token more": lambda: conv_static_key_attention(
            query, weight, value, class_key=value[0], grid=(3, 4)
        ),
        r"weight: .*\(24, 4, 3, 3\)": lambda: conv_static_key_attention(query, weight[:8], value, grid=(3, 4)),
        r"kernel_size: '2' is not valid: expected an odd": lambda: conv_static_key_attention(
            query, weight[..., :2, :2], value, grid=(3, 4)
        ),
        r"winograd: .*the kernel is 1 x 1": lambda: conv_static_key_attention(
            query, weight[..., :1, :1], value, grid=(3, 4), winograd=True
        ),
        r"winograd: .*bfloat16 .*round": lambda: conv_static_key_attention(
            query.bfloat16(), weight.bfloat16(), value.bfloat16(), grid=(3, 4), winograd=True
        ),
        r"bias: .*\(24,\)": lambda: conv_static_key_attention(query, weight, value, weight[:3, 0, 0, 0], grid=(3, 4)),
        r"tile: '-1' is not valid": lambda: ConvStaticKeyAttention(8, (3, 4), implementation="tiled", tile=-1),
        r"tile: '2' .*implementation='tiled' alone": lambda: StaticKeyAttention(8, (3, 4), tile=2),
    }.items():
        with pytest.raises(SkaprofError, match=words):
            call()
