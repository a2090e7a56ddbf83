"""The proof: model, module, fvcore and FlopCounterMode agree to the last digit, and a planted fault is found."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import SPEC_TEXTS, Run, examples, variants
from hypothesis import given, settings
from torch import nn

import skaprof
from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.count import counters, fvcore_here, uncounted_ops
from skaprof.count.counters import count_fvcore, count_torch, count_torch_training
from skaprof.count.verify import verify
from skaprof.model import mixers, ops
from skaprof.model.spec import parse_mixer
from skaprof.nn import build_mixer
from skaprof.workload import Workload

W = Workload(2, 3, 4, 20, 2, 5, 3)


@settings(max_examples=examples(2000))
@given(variants(modes=("forward",)))
def test_forward_counts_agree_exactly_over_2000_drawn_configurations(drawn: tuple[Variant, Workload]) -> None:
    proof = verify(*drawn)
    assert [str(difference) for difference in proof.differences] == []
    row = cost_row(*drawn)
    assert (proof.params_counted, proof.macs_torch) == (row.params, row.macs)
    if drawn[0].implementation == "eager":
        assert proof.macs_fvcore == row.macs


@settings(max_examples=examples(300))
@given(variants(modes=("train",)))
def test_training_counts_agree_exactly(drawn: tuple[Variant, Workload]) -> None:
    proof = verify(*drawn)
    assert [str(difference) for difference in proof.differences] == []
    assert proof.macs_torch == cost_row(*drawn).macs
    assert proof.macs_fvcore is None


@pytest.mark.parametrize("text", SPEC_TEXTS)
def test_each_op_is_proved_on_its_own(text: str) -> None:
    variant = Variant(parse_mixer(text))
    channels = variant.spec.resolve_channels(20, 4, 5)
    w = Workload(2, 3, 4, *channels, variant.spec.resolve_kernel_size())
    proof = verify(variant, w)
    for op in skaprof.analysis.costs.op_rows(variant, w):
        found = proof.of_op(op.op)
        assert found == {
            "params_counted": op.params,
            "macs_fvcore": op.macs,
            "macs_torch": op.macs,
            "verified": True,
        }


def test_proof_needs_no_memory_at_any_size() -> None:
    proof = skaprof.verify("cska", size=(800, 1280), dim=512, batch=64, dtype="bfloat16")
    assert proof.verified
    assert proof.macs_torch > 10**15


def test_a_count_beyond_64_bits_is_refused() -> None:
    with pytest.raises(skaprof.SkaprofError, match="64-bit"):
        skaprof.verify("mhsa", tokens=10**9, dim=1024, batch=10**3)


def plant(monkeypatch: pytest.MonkeyPatch, text: str, change: Callable[[list[ops.Op]], list[ops.Op]]) -> list[str]:
    """The differences found when the op list of a mixer is changed as a mistake would."""
    spec = parse_mixer(text)
    true_list = spec.mixer.op_lists["eager"]
    broken = spec.mixer._replace(op_lists={"eager": lambda w, **options: change(true_list(w, **options))})
    monkeypatch.setitem(mixers.MIXERS, spec.mixer.name, broken)
    return [str(difference) for difference in verify(Variant(parse_mixer(text)), W).differences]


def edit(op_name: str, **changes: Any) -> Callable[[list[ops.Op]], list[ops.Op]]:
    return lambda listed: [op._replace(**changes) if op.name == op_name else op for op in listed]


def test_a_wrong_mac_formula_is_found_at_its_op_by_both_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plant(monkeypatch, "mhsa", edit("mix", macs=1)) == [
        "mix: macs: the model says 1, fvcore 2,880",
        "mix: macs: the model says 1, FlopCounterMode 2,880",
    ]


def test_a_wrong_parameter_formula_is_found_at_its_op(monkeypatch: pytest.MonkeyPatch) -> None:
    found = plant(monkeypatch, "ska", edit("scores", parameters=()))
    assert found == ["scores: params: the model says 0, the module 120"]


def test_an_op_that_the_model_forgot_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = plant(monkeypatch, "mhsa", lambda listed: [op for op in listed if op.name != "value"])
    assert "value: params: the model says 0, the module 200" in found
    assert any("(elsewhere): macs: the model says 0, fvcore" in line for line in found)


def test_an_op_that_a_counter_leaves_out_unpredicted_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(uncounted_ops.FVCORE_LEAVES_OUT, "softmax", ())
    monkeypatch.setitem(uncounted_ops.TORCH_LEAVES_OUT, "scale", ())
    found = [str(difference) for difference in verify(Variant(parse_mixer("mhsa")), W).differences]
    assert found == [
        "scale: ops left out: the model says none, FlopCounterMode aten.mul x 1",
        "softmax: ops left out: the model says none, fvcore aten::softmax x 1",
    ]


def test_an_op_of_a_backward_that_no_one_classified_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    known = uncounted_ops.TORCH_BACKWARD_ELEMENTWISE - {"aten._softmax_backward_data"}
    monkeypatch.setattr(sys.modules["skaprof.count.differences"], "TORCH_BACKWARD_ELEMENTWISE", known)
    found = [str(difference) for difference in verify(Variant(parse_mixer("mhsa"), mode="train"), W).differences]
    assert found
    assert all("aten._softmax_backward_data" in line for line in found)


def test_sdpa_is_what_fvcore_leaves_out_and_nothing_else() -> None:
    sdpa = skaprof.verify("mhsa", tokens=64, dim=64, implementation="sdpa")
    eager = skaprof.cost("mhsa", tokens=64, dim=64)
    assert sdpa.verified
    assert sdpa.macs_fvcore == eager.macs - 2 * 64 * 64 * 64
    assert sdpa.macs_torch == eager.macs


def test_flop_counter_mode_is_wrong_on_grouped_convolution_backward_as_documented() -> None:
    """The reason for counting unfolded matrix products. Where PyTorch mends it, this says so and they can go."""
    conv = nn.Conv2d(16, 16, 3, padding=1, groups=4, bias=False, device="meta")
    x = torch.empty(2, 16, 5, 5, device="meta")
    forward = counters._macs({0: 2 * 2 * 25 * 16 * 4 * 9})
    plain = counters.train_once(conv, (x,))
    unfolded = counters.train_once(counters._UnfoldedConvolution(conv), (x,))
    assert unfolded == 3 * forward
    assert plain == 6 * forward


@pytest.mark.parametrize("bias", [True, False])
def test_the_unfolded_convolution_is_the_convolution(bias: bool) -> None:
    conv = nn.Conv2d(12, 9, 5, padding=2, groups=3, bias=bias).double()
    x = torch.randn(2, 12, 4, 6, dtype=torch.float64)
    torch.testing.assert_close(counters._UnfoldedConvolution(conv)(x), conv(x))


def test_counting_leaves_the_module_as_it_was() -> None:
    variant = Variant(parse_mixer("cska"), "sdpa", "train")
    with torch.device("meta"):
        module, x = build_mixer(variant.spec, W, "sdpa"), torch.empty(2, 12, 20)
    before = {name: type(sub) for name, sub in module.named_modules()}
    units = ["query", "value", "unfold", "attention", "output"]
    count_fvcore(module, x, units)
    count_torch(module, x, units)
    count_torch_training(module, x, units)
    assert {name: type(sub) for name, sub in module.named_modules()} == before
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_fvcore_counts_the_same_on_meta_as_on_real_tensors() -> None:
    spec = parse_mixer("cska")
    counts = []
    for device in ("meta", "cpu"):
        with torch.device(device):
            counts.append(count_fvcore(build_mixer(spec, W), torch.zeros(2, 12, 20), ["query", "scores", "mix"]))
    assert counts[0] == counts[1]


def test_the_proof_goes_on_where_fvcore_no_longer_works(skaprof: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "IMPORT_FAILS", "AttributeError: module 'torch.jit' has no attribute 'script'")
    done = skaprof("flops", "--verify", "-m", "ska", "--tokens", "16", "--dim", "32", "--format", "json")
    (row,) = json.loads(done.stdout)["rows"]
    assert (done.returncode, row["verified"], row["macs_fvcore"]) == (0, True, None)
    assert row["macs_torch"] == row["macs"]
    assert "no attribute 'script'" in row["error"]
    assert done.stderr.startswith("proved without fvcore: fvcore cannot be imported")
    told = skaprof("flops", "--verify", "-m", "ska", "--tokens", "16", "--dim", "32").stdout
    assert "by FlopCounterMode alone (fvcore fails here)" in told


def test_importing_fvcore_warns_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "fvcore"]:
        monkeypatch.delitem(sys.modules, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        *_, trouble = fvcore_here._imported()
    assert trouble == ""
