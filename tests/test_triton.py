"""The triton form computes what the eager one does, from the same parameters, in Triton's interpreter.

On a processor that is all there is to run its kernels; how fast they are on a GPU is not known from here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from conftest import ROOT, thorough
from test_tiled import errors, trained
from torch import Tensor, nn

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.count.exact import count_exact
from skaprof.count.memory import allocated_in_forward, saved_by_autograd
from skaprof.count.verify import verify
from skaprof.errors import EXIT_MISSING, SkaprofError
from skaprof.model.spec import parse_mixer
from skaprof.nn import ConvStaticKeyAttention, StaticKeyAttention, TokenMixer, build_mixer
from skaprof.workload import Workload

pytest.importorskip("triton", reason="Triton is not installed here, whose interpreter runs the kernels")

LIMITS = {torch.float32: 1e-5, torch.float16: 5e-3}
W = Workload(2, 3, 2, 24, 2, 16, 3)
CASES = {
    "cska": W._replace(batch=1, width=6),  # 18 tokens are more than a block of 16
    "cska:bias=true": W._replace(heads=1, head_dim=64),
    "cska:conv_bias=false": Workload(1, 5, 4, 32, 1, 32, 1),
    "cska:kernel_size=5": Workload(1, 2, 3, 10, 2, 5, 5),  # a kernel wider than the grid, a head of no power of two
    "ska": Workload(2, 4, 5, 32, 2, 16),
    "ska:query=false": Workload(1, 1, 3, 16, 1, 16),
}


def pair(text: str, w: Workload, dtype: torch.dtype = torch.float32) -> tuple[TokenMixer, TokenMixer]:
    """The eager mixer in float64, and the triton one with its state dict in the dtype."""
    spec = parse_mixer(text)
    eager, kernel = (build_mixer(spec, w, form) for form in ("eager", "triton"))
    kernel.load_state_dict(eager.state_dict())
    return eager.double(), kernel.to(dtype)


def worst(eager: nn.Module, kernel: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> float:
    """The largest relative error among output and gradients."""
    x, gradient = torch.randn(2, *shape)
    found = trained(kernel, x.to(dtype), gradient.to(dtype))
    return max(errors(found, trained(eager, x.double(), gradient.double())))


@contextmanager
def gradients_of(scores: int) -> Iterator[None]:
    """So many scores' gradients at a time, so that small sizes have many parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skaprof.nn.triton_launch.GRADIENT_SCORES", scores)
        yield


@pytest.mark.parametrize("text", CASES)
def test_output_and_all_gradients_are_those_of_the_float64_reference(text: str) -> None:
    w = CASES[text]
    assert worst(*pair(text, w), (w.batch, w.tokens, w.dim), torch.float32) < LIMITS[torch.float32]


def test_float16_is_as_exact_as_it_can_be() -> None:
    assert worst(*pair("cska", W, torch.float16), (W.batch, W.tokens, W.dim), torch.float16) < LIMITS[torch.float16]


@pytest.mark.parametrize("scores", [1, 2 * 2 * 2 * 6, 2 * 6 * 6])
def test_the_parts_of_the_backward_pass_add_up(scores: int) -> None:
    with gradients_of(scores):  # a row of the grid at a time, two of its three rows, an image
        assert worst(*pair("cska", W), (W.batch, W.tokens, W.dim), torch.float32) < LIMITS[torch.float32]


@pytest.mark.parametrize("mixer", [ConvStaticKeyAttention, StaticKeyAttention])
def test_class_tokens_have_their_place(mixer: type[ConvStaticKeyAttention] | type[StaticKeyAttention]) -> None:
    eager, kernel = (mixer(32, (3, 4), heads=2, class_tokens=2, implementation=form) for form in ("eager", "triton"))
    kernel.load_state_dict(eager.state_dict())
    assert worst(eager.double(), kernel, (2, 14, 32), torch.float32) < LIMITS[torch.float32]


def test_scores_beyond_what_an_exponential_takes_leave_all_gradients_finite() -> None:
    _, kernel = pair("cska", W)
    x = 1e4 * torch.randn(W.batch, W.tokens, W.dim)
    assert all(tensor.isfinite().all() for tensor in trained(kernel, x, torch.ones_like(x)))


@contextmanager
def products_counted() -> Iterator[list[int]]:
    """The multiply-adds of every product that the interpreter makes in the block."""
    from triton.runtime.interpreter import InterpreterBuilder

    counted: list[int] = []
    made = InterpreterBuilder.create_dot

    def noted(self: object, a: object, b: object, *rest: object) -> object:
        counted.append(a.data.size * b.data.shape[-1])  # type: ignore[attr-defined]
        return made(self, a, b, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InterpreterBuilder, "create_dot", noted)
        yield counted


@pytest.mark.parametrize("text", ["ska", "cska"])
def test_the_kernels_multiply_and_add_what_the_model_says_where_blocks_divide_all_sizes(text: str) -> None:
    w = Workload(1, 4, 4, 32, 2, 16, 3 if text == "cska" else None)
    _, kernel = pair(text, w)
    x = torch.randn(1, 16, 32)
    projections = 3 * w.tokens * w.dim * w.attention_dim
    with products_counted() as forward, torch.no_grad():
        kernel(x)
    with products_counted() as training:
        trained(kernel, x, x)
    macs = {mode: cost_row(Variant(parse_mixer(text), "triton", mode), w).macs for mode in ("forward", "train")}
    assert (sum(forward), sum(training)) == (macs["forward"] - projections, macs["train"] - 3 * projections)


@pytest.mark.parametrize("text", ["ska", "cska:conv_bias=false:bias=true"])
@pytest.mark.parametrize("mode", ["forward", "train"])
def test_counters_and_autograd_agree_with_the_model(text: str, mode: str) -> None:
    variant = Variant(parse_mixer(text), "triton", mode)
    for class_tokens in (0, 2):
        proof = verify(variant, W._replace(class_tokens=class_tokens))
        assert [str(difference) for difference in proof.differences] == []
    with torch.device("meta"):
        module, x = build_mixer(variant.spec, W, "triton"), torch.empty(W.batch, W.tokens, W.dim, requires_grad=True)
    found = count_exact(module, lambda: module(x), mode=mode, inputs=[x])
    assert (found.macs, found.error) == (cost_row(variant, W).macs, None)
    assert found.macs == cost_row(variant._replace(implementation="tiled"), W).macs


class Attention(nn.Module):
    """What the kernel of a mixer does to its queries (B, n, h * e), which are its values too."""

    def __init__(self, mixer: ConvStaticKeyAttention) -> None:
        super().__init__()
        self.mixer = mixer

    def forward(self, q: Tensor) -> Tensor:
        heads = self.mixer.split_heads(q)
        mixed: Tensor = self.mixer.attention(heads, heads, *self.mixer.scores.parameters())
        return mixed


def test_the_kernel_allocates_its_output_and_a_float32_a_row_of_scores() -> None:
    _, kernel = pair("cska", W)
    assert isinstance(kernel, ConvStaticKeyAttention)
    x = torch.randn(W.batch, W.tokens, W.attention_dim)
    statistics = 4 * W.batch * W.heads * W.tokens
    assert allocated_in_forward(Attention(kernel), x) == 2 * x.nbytes + statistics
    saved = cost_row(Variant(parse_mixer("cska"), "triton", "train"), W).saved_bytes
    assert saved_by_autograd(kernel, torch.randn(W.batch, W.tokens, W.dim)) == saved


@thorough
@pytest.mark.parametrize(("capability", "product"), [("80", "mma.sync"), ("90", "wgmma.mma")])
def test_every_kernel_compiles_for_gpus_to_products_of_tensor_cores(
    tmp_path: Path, capability: str, product: str
) -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    program = [sys.executable, str(ROOT / "tests" / "triton_compiled.py"), capability]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert [line.split()[1:] for line in done.stdout.splitlines()] == [[product]] * 4, done.stderr


def test_on_a_processor_it_runs_in_the_interpreter_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    _, kernel = pair("ska", CASES["ska"])
    monkeypatch.delenv("TRITON_INTERPRET")
    with pytest.raises(SkaprofError, match=r"needs a GPU; .* set TRITON_INTERPRET=1 before Python starts") as raised:
        kernel(torch.randn(2, 20, 32))
    assert raised.value.exit_code == EXIT_MISSING


@pytest.mark.parametrize(("dtype", "words"), [(torch.float64, "float64"), (torch.bfloat16, "interpreter computes")])
def test_other_dtypes_are_refused(dtype: torch.dtype, words: str) -> None:
    _, kernel = pair("ska", CASES["ska"], dtype)
    with pytest.raises(SkaprofError, match=f"dtype: .*{words}"):
        kernel(torch.randn(2, 20, 32, dtype=dtype))
