"""Memory: what the model says is kept and held, against PyTorch's own tensors, to the byte."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from conftest import SPEC_TEXTS, THOROUGH, examples, workloads
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.count import allocator
from skaprof.count.memory import held_in_forward, saved_by_autograd
from skaprof.count.verify import verify
from skaprof.model import memory
from skaprof.model.choice import parse_backbone
from skaprof.model.mixers import MIXERS, ska
from skaprof.model.network import backbone_totals, make_network
from skaprof.model.ops import Op, Tensor
from skaprof.model.spec import parse_mixer
from skaprof.nn import build_mixer
from skaprof.workload import TRITON, Workload

DTYPES = ("float32", "bfloat16")
ONE_KERNEL = ("mhsa", "mhsa:bias=true", "ska", "ska:bias=true", "ska:query=false", "ska:query=false:bias=true")
"""What the processor's fused attention runs as one kernel: CSKA's unfolded form, with keys wider than values, it does
not."""


def built(text: str, w: Workload, dtype: str, form: str = "eager") -> tuple[nn.Module, torch.Tensor]:
    """The module and its input, real ones on the processor."""
    module = build_mixer(parse_mixer(text), w, form).to(getattr(torch, dtype))
    return module, torch.zeros(w.batch, w.tokens, w.dim, dtype=getattr(torch, dtype))


def row_bytes(text: str, w: Workload, dtype: str, form: str = "eager") -> tuple[int, int | None]:
    """(saved_bytes in training, peak_bytes in inference)."""
    spec = parse_mixer(text)
    train, forward = (cost_row(Variant(spec, form, mode, dtype), w) for mode in ("train", "forward"))
    return train.saved_bytes, forward.peak_bytes


@pytest.mark.parametrize("text", SPEC_TEXTS)
@settings(max_examples=examples(200))
@given(data=st.data())
def test_bytes_are_those_of_autograd_and_of_pytorchs_storages(text: str, data: st.DataObject) -> None:
    w, dtype = data.draw(workloads(parse_mixer(text))), data.draw(st.sampled_from(DTYPES))
    module, x = built(text, w, dtype)
    saved, peak = row_bytes(text, w, dtype)
    assert saved_by_autograd(module, x) == saved
    if peak is not None:
        assert held_in_forward(module, x) == peak


@pytest.mark.parametrize("text", SPEC_TEXTS)
@settings(max_examples=examples(15))
@given(data=st.data())
def test_pytorchs_own_tracker_holds_what_the_model_says(text: str, data: st.DataObject) -> None:
    module, x = built(text, w := data.draw(workloads(parse_mixer(text))), "float32")
    assert _tracked_peak(module, x) == (row_bytes(text, w, "float32")[1] or x.nbytes)


def _tracked_peak(module: nn.Module, x: torch.Tensor) -> int:
    """The most that PyTorch's memory tracker sees on fake tensors, less the parameters."""
    mode = FakeTensorMode()
    with FakeCopyMode(mode):
        fake, fake_x = copy.deepcopy(module), copy.deepcopy(x)
    tracker = MemTracker()
    tracker.track_external(fake, fake_x)
    with mode, tracker, torch.no_grad():
        fake(fake_x)
    (found,) = tracker.get_tracker_snapshot("peak").values()
    weights = sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
    return int(found["Total"]) - weights


@pytest.mark.parametrize("text", ONE_KERNEL)
@settings(max_examples=examples(40))
@given(data=st.data())
def test_bytes_of_the_processors_fused_attention_agree_too(text: str, data: st.DataObject) -> None:
    w, dtype = data.draw(workloads(parse_mixer(text))), data.draw(st.sampled_from(DTYPES))
    module, x = built(text, w, dtype, "sdpa")
    assert (saved_by_autograd(module, x), held_in_forward(module, x)) == row_bytes(text, w, dtype, "sdpa")


FORMS_OF = [
    (text, form)
    for text in ("mhsa", "ska", "ska:query=false", "cska", "linear", "sepconv", "pooling")
    for form in parse_mixer(text).mixer.op_lists
    if form != TRITON
]
"""Every form that a processor runs, of every mixer that has ops."""
WITHOUT_FORMULA = {("cska", "eager"), ("cska", "sdpa"), ("sepconv", "eager")}
"""Where PyTorch takes what nothing here computes: convolutions, and attention that it runs as plain operations."""


@pytest.mark.parametrize(("text", "form"), FORMS_OF)
@settings(max_examples=30 if THOROUGH else 2)
@given(data=st.data())
def test_the_allocator_hands_out_what_is_computed_or_the_row_says_what_is_not(
    text: str, form: str, data: st.DataObject
) -> None:
    spec = parse_mixer(text)
    batch, height, width = (data.draw(st.integers(1, most)) for most in (4, 16, 16))
    channels = spec.resolve_channels(
        data.draw(st.sampled_from((32, 64, 96))), None, data.draw(st.sampled_from((8, 32)))
    )
    w = Workload(batch, height, width, *channels, spec.resolve_kernel_size())
    proof = verify(Variant(spec, form), w)
    found = proof.as_dict()
    expected = (row_bytes(text, w, "float32", form)[1] or 0) + found["workspace_bytes"]
    assert [str(difference) for difference in proof.differences] == []
    assert abs(found["peak_allocated_bytes"] - expected) <= 0.02 * expected or "% above: " in found["peak_note"]
    if (spec.mixer.name, form) not in WITHOUT_FORMULA:
        assert found["peak_note"] is None


def test_scratch_that_is_not_computed_is_found_at_the_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    """On meta tensors no kernel runs: only a call for real takes it."""
    variant, w = Variant(parse_mixer("ska"), "sdpa"), Workload(1, 14, 14, 32, 1, 32)
    assert verify(variant, w).verified
    monkeypatch.setattr(allocator, "fused_workspace", lambda w, dtype, threads: 0)
    (difference,) = verify(variant, w).differences
    assert (difference.quantity, difference.source) == ("peak_bytes", "PyTorch's allocator")


def test_a_call_too_large_to_run_leaves_the_allocator_unasked() -> None:
    proof = verify(Variant(parse_mixer("ska")), Workload(64, 56, 56, 64, 2, 32))
    assert proof.verified
    assert proof.as_dict()["peak_allocated_bytes"] is None


def test_saved_bytes_of_mhsa_counted_by_hand() -> None:
    """x, q, k, v and the mixed values, and the scores after softmax; fused, a statistic a row in their place."""
    w = Workload(3, 2, 4, 10, 2, 5)
    x = a = 3 * 8 * 10
    assert row_bytes("mhsa", w, "float32")[0] == 4 * (x + 4 * a + 3 * 2 * 8 * 8)
    assert row_bytes("mhsa", w, "float32", "sdpa")[0] == 4 * (x + 4 * a + 3 * 2 * 8)
    assert row_bytes("mhsa", w, "bfloat16", "sdpa")[0] == 2 * (x + 4 * a) + 4 * (3 * 2 * 8)


def test_peak_bytes_of_mhsa_counted_by_hand() -> None:
    """x, and the scores before and after softmax; fused, x, q, k, v, the output and a statistic a row."""
    w = Workload(3, 2, 40, 10, 2, 5)
    x = a = 3 * 80 * 10
    assert row_bytes("mhsa", w, "float32")[1] == 4 * (x + 2 * (3 * 2 * 80 * 80))
    assert row_bytes("mhsa", w, "float32", "sdpa")[1] == 4 * (x + 4 * a + 3 * 2 * 80)


def test_a_networks_rows_add_up_and_peak_at_their_largest() -> None:
    from skaprof.analysis.scopes import costed

    network = make_network(parse_backbone("caformer_s18[stage3=ska]"), 64, 64)
    train, forward = (costed(network, mode=mode).rows("stage") for mode in ("train", "forward"))
    totals = [backbone_totals("caformer_s18[stage3=ska]", 64, mode=mode) for mode in ("train", "forward")]
    assert sum(row.saved_bytes for row in train) == totals[0].saved_bytes
    assert [row.peak_bytes for row in train] == [None] * len(train)
    assert max(row.peak_bytes or 0 for row in forward) == totals[1].peak_bytes
    assert all(row.saved_bytes == 0 for row in forward)


W = Workload(2, 3, 4, 20, 2, 10, 3)


FAULTS = [
    ("train", "saved_bytes", {"kept": ()}),
    ("train", "saved_bytes", {"kept": (Tensor("surplus", (7,)),)}),
    ("forward", "peak_bytes", {"inputs": ()}),
    ("forward", "peak_bytes", {"scratch": 10**6}),
]


@pytest.mark.parametrize(("mode", "metric", "changes"), FAULTS)
def test_a_planted_fault_is_found(mode: str, metric: str, changes: dict[str, Any]) -> None:
    def faulty(w: Workload, **options: bool) -> list[Op]:
        return [op._replace(**changes) if op.name == "mix" else op for op in ska(w, **options)]

    spec = parse_mixer("ska")._replace(mixer=MIXERS["ska"]._replace(op_lists={"eager": faulty}))
    proof = verify(Variant(spec, mode=mode), W)
    witnesses = 2 if mode == "forward" else 1  # the allocator too
    assert [(found.op, found.quantity) for found in proof.differences] == [("memory", metric)] * witnesses
    assert not proof.verified


def test_what_is_counted_is_pytorchs_not_the_models() -> None:
    class Squaring(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * x

    x = torch.zeros(3, 5)
    assert saved_by_autograd(Squaring(), x) == x.nbytes
    assert held_in_forward(Squaring(), x) == 2 * x.nbytes
    assert held_in_forward(nn.Sequential(Squaring(), Squaring()), x) == 3 * x.nbytes
    assert held_in_forward(nn.Identity(), x) == x.nbytes


def test_what_is_gone_is_not_held_where_an_address_is_used_again() -> None:
    class Copying(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            doubled = (x + x).t()
            copied = doubled.contiguous()
            del doubled
            return copied + (x + x).t()

    x = torch.zeros(3, 5)
    assert held_in_forward(Copying(), x) == 4 * x.nbytes


def test_statistics_stand_in_for_an_output_that_is_not_kept() -> None:
    ops = parse_mixer("mhsa").ops(W)
    softmax = next(op for op in ops if op.kind == "softmax")
    assert memory.kept_bytes([softmax], set(), 4) == [4 * softmax.output.numel]
    assert memory.kept_bytes([softmax], {softmax.output.name}, 2) == [memory.STATISTIC_BYTES * softmax.row_statistics]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("text", ["mhsa", "ska", "cska"])
def test_the_devices_allocator_holds_what_the_model_says(text: str) -> None:
    """Or more: the allocator counts layout copies and workspaces too, which the model leaves out."""
    spec = parse_mixer(text)
    w = Workload(1, 28, 28, 256, 8, 32, spec.resolve_kernel_size())
    with torch.device("cuda"), torch.no_grad():
        module, x = build_mixer(spec, w), torch.zeros(w.batch, w.tokens, w.dim)
        module(x)
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() - x.nbytes
        module(x)
    measured = torch.cuda.max_memory_allocated() - before
    peak = cost_row(Variant(spec), w).peak_bytes
    assert peak is not None
    assert peak <= measured
