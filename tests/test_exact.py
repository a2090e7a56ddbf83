"""skaprof's own counter: exact by hand, or no count and the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import user_models
from conftest import THOROUGH
from counted_modules import hand_cases
from torch import Tensor, nn

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.count.exact import ExactCount, count_exact
from skaprof.model.mixers import MIXERS
from skaprof.model.spec import parse_mixer
from skaprof.nn import build_mixer
from skaprof.workload import Workload

LAYER = 16 * 64 * 64
"""MACs of a linear layer of 64 channels on 16 tokens."""


def counted(module: nn.Module, *shape: int, mode: str = "forward", device: str = "cpu") -> ExactCount:
    module = module.eval().to(device)
    x = torch.randn(shape or (1, 16, 64), device=device, requires_grad=mode == "train")
    return count_exact(module, lambda: module(x), mode=mode)


class Around(nn.Module):
    """A layer, and a function of its output and a weight."""

    def __init__(self, run: Callable[[Tensor, Tensor], Tensor], dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.layer, self.weight, self.run = nn.Linear(64, 64), nn.Parameter(torch.randn(64, 64, dtype=dtype)), run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self.layer(x), self.weight)


class ByNumpy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor, weight: Tensor) -> Tensor:
        return torch.from_numpy(x.detach().numpy() @ weight.detach().numpy())

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def in_a_thread(x: Tensor, weight: Tensor) -> Tensor:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool, torch.inference_mode():
        return pool.submit(torch.matmul, x.detach(), weight.detach()).result()


def by_elements(x: Tensor, weight: Tensor) -> Tensor:
    return x + sum(float(value) ** 2 for value in weight[0].unbind())


def behind_pytorchs_back(x: Tensor, weight: Tensor) -> Tensor:
    """As an extension in C++ does it, that fills memory which PyTorch gave it."""
    return torch.empty_like(x) + x


def branching(x: Tensor, weight: Tensor) -> Tensor:
    return torch.cond(x.sum() > 1e9, lambda y: y @ weight @ weight, lambda y: y @ weight, (x,))


KNOWN: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], int]] = {
    "einsum with an ellipsis": (lambda x, w: torch.einsum("...c,cd->...d", x, w), LAYER),
    "einsum of three": (lambda x, w: torch.einsum("bnc,cd,de->bne", x, w, w), 2 * LAYER),
    "einsum that sums nothing": (lambda x, w: torch.einsum("bnc,c->bnc", x, w[0]), 0),
    "the branch that runs": (branching, LAYER),
    "a vector": (lambda x, w: x @ w[0], 16 * 64),
    "sparse": (lambda x, w: torch.sparse.mm(torch.eye(64).to_sparse(), x[0].T).T[None], 64 * 16),
    "sparse by rows": (lambda x, w: (torch.eye(64).to_sparse_csr() @ x[0].T).T[None], 64 * 16),
    "a table of Python's numbers": (
        lambda x, w: x + torch.tensor([list(range(64))], device=x.device) + x.new_tensor([0.5] * 64),
        0,
    ),
    "gates": (lambda x, w: F.glu(F.hardswish(F.logsigmoid(x))), 0),
    "complex numbers": (lambda x, w: torch.complex(x, x).abs() + torch.polar(x.abs(), x).real, 0),
}


@pytest.mark.parametrize("name", KNOWN)
def test_what_runs_is_counted(name: str) -> None:
    run, macs = KNOWN[name]
    found = counted(Around(run))
    assert (found.macs, found.error) == (LAYER + macs, None)


def test_a_table_of_pythons_numbers_is_no_hidden_work_on_meta_either() -> None:
    run, _ = KNOWN["a table of Python's numbers"]
    assert counted(Around(run), device="meta").error is None


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (ByNumpy.apply, "leave PyTorch as a numpy array"),
        (in_a_thread, "another thread"),
        (lambda x, w: torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(x.detach())), "one that no op made"),
        (lambda x, w: torch.tensor([[sum(row) for row in x[0].tolist()]]), "as a list"),
        (lambda x, w: x + x.data_ptr() % 2, "by its address"),
        (by_elements, "leave PyTorch one by one"),
        (behind_pytorchs_back, "memory that no op wrote"),
        (lambda x, w: torch.fft.fft(x).real, "aten._fft_r2c"),
        (lambda x, w: torch.linalg.inv(w)[:16] + x, "aten.linalg_inv_ex"),
    ],
)
def test_work_that_cannot_be_counted_is_said_and_not_left_out(
    run: Callable[[Tensor, Tensor], Tensor], reason: str
) -> None:
    found = counted(Around(run))
    assert found.macs is None
    assert reason in (found.error or "")


def test_hand_counted_modules_are_counted_so() -> None:
    cases = list(hand_cases().items())
    counts, expected = {}, {}
    for name, case in cases[:: 1 if THOROUGH else 6]:
        module, inputs = case.build().eval(), case.tensors()
        counts[name], expected[name] = count_exact(module, lambda: module(*inputs)).macs, case.macs  # noqa: B023
    assert counts == expected


def test_backward_is_counted_by_the_same_table_wherever_it_runs() -> None:
    """Both operands of each product have a gradient of its cost; a fused attention has five products for two."""
    for name in ("nn.Conv2d groups 3", "nn.ConvTranspose1d stride 2", "x @ w", "einsum bnc,cd,de->bne", "attention: @"):
        case = hand_cases()[name]
        assert {counted(case.build(), *case.inputs[0], mode="train", device=on).macs for on in ("cpu", "meta")} == {
            3 * case.macs
        }, name


def backward_by_numpy(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
    return torch.from_numpy(gradient.numpy() @ gradient.numpy().swapaxes(1, 2) @ gradient.numpy()), None


def test_hidden_work_of_a_backward_is_found() -> None:
    members = {"forward": staticmethod(lambda context, x, w: x @ w), "backward": staticmethod(backward_by_numpy)}
    hidden = type("Hidden", (torch.autograd.Function,), members)
    assert "as a numpy array" in (counted(Around(hidden.apply), mode="train").error or "")


def test_a_complex_product_is_four_multiply_adds() -> None:
    module = Around(lambda x, w: (x.to(w.dtype) @ w).real, torch.complex64)
    assert counted(module).macs == 5 * LAYER
    assert module.weight.is_complex()


class Keeping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.kept = nn.Linear(64, 64), {}

    def forward(self, x: Tensor) -> Tensor:
        if x.shape not in self.kept:
            self.kept[x.shape] = self.layer(x)
        return self.kept[x.shape]


def test_a_module_that_keeps_its_answer_has_no_count() -> None:
    found = counted(Keeping())
    assert found.error == "the first call has 65,536 MACs and the second 0: the module keeps what it computed"
    again = counted(user_models.Attention(64))
    assert again.error is None


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_work_is_told_apart_by_submodule_forward_and_backward(device: str) -> None:
    model = user_models.VisionTransformer()
    forward = counted(model, 2, 3, 112, 112, device=device)
    train = counted(model, 2, 3, 112, 112, mode="train", device=device)
    tokens, dim = 2 * 50, 96
    block = 12 * tokens * dim * dim
    products = 2 * tokens * 50 * dim
    scopes, trained = forward.by_scope(), train.by_scope()
    assert scopes["patch_embed"].macs == 2 * 49 * dim * 3 * 256
    assert [scopes[f"blocks.{place}"].macs for place in (0, 1)] == [block + products] * 2
    assert scopes["blocks.1.mlp"].macs == 8 * tokens * dim * dim
    assert scopes["blocks"].shapes == ((2, 50, 96),)
    assert scopes[""].macs == forward.macs == sum(op.macs or 0 for op in forward.ops)
    assert trained["blocks.1.mlp"].macs == 3 * 8 * tokens * dim * dim
    assert trained["blocks.0.attn"].macs == 3 * 4 * tokens * dim * dim + products + 5 * products // 2
    assert trained[""].macs == train.macs == sum(op.macs or 0 for op in train.ops)


def test_elementwise_work_and_moved_bytes_of_the_mixers_are_those_of_their_closed_forms() -> None:
    """What PyTorch copies for its products is moved beside it."""
    for name in MIXERS:
        spec = parse_mixer(name)
        w = Workload(2, 4, 6, *spec.resolve_channels(64), spec.resolve_kernel_size())
        module, x, row = build_mixer(spec, w).eval(), torch.randn(2, 24, 64), cost_row(Variant(spec), w)
        found = count_exact(module, lambda: module(x))  # noqa: B023  # called at once
        whole, copies = found.by_scope()[""], [op for op in found.ops if op.name == "aten.clone"]
        copied = sum(op.bytes_read + op.bytes_written for op in copies)
        assert (whole.macs, whole.elementwise_flops) == (row.macs, row.elementwise_flops), name
        assert whole.bytes_read + whole.bytes_written - copied >= row.traffic_bytes, name
        if name in ("mhsa", "ska", "pooling", "identity"):
            assert whole.bytes_read + whole.bytes_written - copied == row.traffic_bytes, name


def test_counting_leaves_gradients_and_modes_as_they_were() -> None:
    model = user_models.PartlyFrozen(48)
    model(torch.ones(1, 4, 48)).sum().backward()
    before = {name: parameter.grad for name, parameter in model.named_parameters()}
    counted(model, 1, 4, 48, mode="train")
    assert all(parameter.grad is before[name] for name, parameter in model.named_parameters())
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_attention_of_grouped_queries_is_trained_as_one_kernel_on_every_device(device: str) -> None:
    def attend(x: Tensor, weight: Tensor) -> Tensor:
        q = x.unflatten(-1, (4, 16)).transpose(1, 2)
        return F.scaled_dot_product_attention(q, q[:, :2], q[:, :2], enable_gqa=True)

    found = counted(Around(attend), mode="train", device=device)
    assert found.macs == 3 * LAYER + (2 + 5) * 4 * 16 * 16 * 16
