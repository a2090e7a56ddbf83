"""Backbones as modules: they run, learn, and agree with the model and both counters; planted faults are found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import pytest
import torch
from conftest import PUBLISHED, THOROUGH, Run, examples, networks, thorough
from fvcore.nn import FlopCountAnalysis
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from skaprof.count import uncounted_ops
from skaprof.count.counters import Counted, count_fvcore, count_torch
from skaprof.count.verify import verify_network
from skaprof.errors import SkaprofError
from skaprof.model import network as network_module
from skaprof.model.backbones import BACKBONES
from skaprof.model.choice import parse_backbone
from skaprof.model.cost import total
from skaprof.model.network import Network, make_network, network_costs, network_ops
from skaprof.model.ops import Op
from skaprof.nn import ConvStaticKeyAttention, StaticKeyAttention, build_network
from skaprof.nn.layers import ImageNorm, Shift

proofs = import_module("skaprof.count.verify")  # whose package has a function of its name


def differences(network: Network, mode: str = "forward", dtype: str = "float32") -> list[str]:
    return [str(difference) for difference in verify_network(network, dtype, mode).differences]


def network_of(text: str, resolution: int = 32, form: str = "eager") -> Network:
    return make_network(parse_backbone(text), resolution, resolution, 1, form)


@pytest.mark.parametrize(("text", "resolution", "params", "macs"), PUBLISHED)
def test_published_figures_by_the_module_and_both_counters(text: str, resolution: int, params: int, macs: int) -> None:
    proof = verify_network(network_of(text, resolution))
    assert [str(difference) for difference in proof.differences] == []
    assert (proof.params_counted, proof.macs_fvcore, proof.macs_torch) == (params, macs, macs)


@settings(max_examples=examples(20))
@given(networks())
def test_any_network_agrees_with_both_counters_op_by_op(network: Network) -> None:
    proof = verify_network(network)
    assert [str(difference) for difference in proof.differences] == []
    cost = total(network_costs(network))
    assert (proof.params_counted, proof.macs_torch) == (cost.params, cost.macs)


@settings(max_examples=examples(25))
@given(networks() if THOROUGH else networks(deepest=18), st.sampled_from(("float32", "bfloat16")))
def test_any_network_agrees_in_training_and_saves_what_autograd_saves(network: Network, dtype: str) -> None:
    assert differences(network, "train", dtype) == []


def test_scopes_of_a_proof_add_up_to_it() -> None:
    network = network_of("caformer_s18[stage3=ska]", form="sdpa")
    proof = verify_network(network)
    scopes = [proof.of_scope(scope) for scope in ("stem", "stage1", "stage2", "stage3", "stage4", "head")]
    for key in ("params_counted", "macs_fvcore", "macs_torch"):
        assert sum(scope[key] for scope in scopes) == proof.of_scope("total")[key] == getattr(proof, key)
    assert all(scope["verified"] for scope in scopes)


def test_the_largest_backbone_is_proved_under_2_gib() -> None:
    program = (
        "import resource\n"
        "import skaprof\n"
        "assert skaprof.verify_model('caformer_b36', resolution=384).verified\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2 * 2**20  # KiB on Linux


def test_a_count_beyond_64_bits_is_refused() -> None:
    with pytest.raises(SkaprofError, match="64-bit"):
        verify_network(network_of("caformer_s18", 10**6))


def test_fvcore_counts_norms_among_its_multiply_adds_unless_told_not_to() -> None:
    """The reason for telling it. Where fvcore mends it, this says so and that can go."""
    x = torch.zeros(2, 3, 8)
    assert FlopCountAnalysis(nn.LayerNorm(8), x).total() == 5 * x.numel()
    assert count_fvcore(nn.Sequential(nn.LayerNorm(8)), x, ["0"]).total == 0


def plant(monkeypatch: pytest.MonkeyPatch, change: Callable[[Op], Op | None], text: str = "caformer_s18") -> list[str]:
    """The differences found when the ops of a network are changed as a mistake would."""

    def broken(network: Network) -> list[Op]:
        return [op for op in map(change, network_ops(network)) if op is not None]

    monkeypatch.setattr(network_module, "network_ops", broken)
    for count in (count_fvcore, count_torch):  # a fault in the model changes nothing that is counted of the module
        monkeypatch.setattr(proofs, count.__name__, partial(counted_once, count, text))
    return differences(network_of(text))


COUNTED: dict[tuple[Any, ...], Counted] = {}


def counted_once(count: Callable[..., Counted], text: str, module: nn.Module, x: Tensor, units: list[str]) -> Counted:
    """What a counter says of the network of that name, once for all faults planted in its model."""
    key = (count, text, x.shape, tuple(units))
    if key not in COUNTED:
        COUNTED[key] = count(module, x, units)
    return COUNTED[key]


def edit(name: str, **changes: Any) -> Callable[[Op], Op]:
    return lambda op: op._replace(**changes) if op.name == name else op


def test_a_wrong_mac_formula_is_found_at_its_op_by_both_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plant(monkeypatch, edit("stage3.block2.mlp.expand", macs=1)) == [
        "stage3.block2.mlp.expand: macs: the model says 1, fvcore 1,638,400",
        "stage3.block2.mlp.expand: macs: the model says 1, FlopCounterMode 1,638,400",
    ]


def test_a_wrong_parameter_count_is_found_at_its_op(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plant(monkeypatch, edit("stage4.block1.residual_scale2", parameters=())) == [
        "stage4.block1.residual_scale2: params: the model says 0, the module 512"
    ]


def test_an_op_that_the_model_forgot_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = plant(monkeypatch, lambda op: None if op.name == "stage2.downsampling.conv" else op)
    assert "stage2.downsampling.conv: params: the model says 0, the module 73,856" in found
    assert any(line.startswith("(elsewhere): macs: the model says 0, fvcore") for line in found)
    assert any(line.startswith("(elsewhere): macs: the model says 0, FlopCounterMode") for line in found)


def test_an_elementwise_op_that_the_model_forgot_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = plant(monkeypatch, lambda op: None if op.name == "stage1.block1.add1" else op)
    assert found == [
        "(elsewhere): ops left out: the model says none, fvcore aten::add x 1",
        "(elsewhere): ops left out: the model says none, FlopCounterMode aten.add x 1",
    ]


def test_an_op_of_another_kind_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = plant(monkeypatch, edit("stage1.block1.norm1", kind="group_norm"))
    assert found == [
        "stage1.block1.norm1: ops left out: the model says aten.native_group_norm x 1, "
        "FlopCounterMode aten.native_layer_norm x 1"
    ]


def test_an_op_that_a_counter_leaves_out_unpredicted_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(uncounted_ops.FVCORE_LEAVES_OUT, "gelu", ())
    monkeypatch.setitem(uncounted_ops.TORCH_LEAVES_OUT, "position", ())
    found = differences(network_of("vit_cifar"))
    assert "stem.position: ops left out: the model says none, FlopCounterMode aten.add x 1" in found
    assert "stage1.block6.mlp.activation: ops left out: the model says none, fvcore aten::gelu x 1" in found
    assert len(found) == 7


def test_a_difference_leaves_its_scopes_unverified_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plant(monkeypatch, edit("stem.conv", macs=1))
    proof = verify_network(network_of("caformer_s18"))
    verified = {scope: proof.of_scope(scope)["verified"] for scope in ("stem", "stage1", "stage1.block1", "total")}
    assert verified == {"stem": False, "stage1": True, "stage1.block1": True, "total": False}


@pytest.mark.parametrize("name", BACKBONES)
def test_images_in_logits_out(name: str) -> None:
    network = network_of(name)
    module = build_network(network).eval()
    with torch.no_grad():
        logits = module(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, network.backbone.classes)
    assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("caformer_s18", [(64, 16, 24), (128, 8, 12), (320, 4, 6), (512, 2, 3)]),
        ("vit_tiny", [(192, 4, 6)]),
        ("vit_tiny[stage1=pooling]", [(192, 4, 6)]),
    ],
)
def test_without_its_head_each_stage_gives_a_map(text: str, shapes: list[tuple[int, ...]]) -> None:
    network = make_network(parse_backbone(text), 64, 96, has_head=False)
    features = build_network(network)(torch.randn(1, 3, 64, 96))
    assert [tuple(feature.shape[1:]) for feature in features] == shapes


@pytest.mark.parametrize(
    ("text", "idle"),
    [
        ("caformer_s18[stage3=ska,stage4=cska]", set()),
        ("poolformerv2_s12", set()),
        ("vit_cifar[stage1=ska]", set()),
        # the head reads the class token alone, whose query does not meet the last block's convolution
        ("vit_cifar[stage1=cska]", {"stage1.block6.mixer.scores.weight", "stage1.block6.mixer.scores.bias"}),
    ],
)
def test_every_parameter_that_can_learn_does(text: str, idle: set[str]) -> None:
    torch.manual_seed(0)
    side = 32 if text.startswith("vit") else 64  # four stages, and a map at the last
    module = build_network(network_of(text, side))
    images, labels = torch.randn(4, 3, side, side), torch.tensor([0, 1, 2, 3])
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        loss = torch.nn.functional.cross_entropy(module(images), labels)
        optimizer.zero_grad()
        loss.backward()
        assert {name for name, p in module.named_parameters() if p.grad is None or not p.grad.any()} == idle
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@thorough
@pytest.mark.parametrize("text", ["caformer_s18[stage3=ska,stage4=cska]", "vit_cifar[stage1=ska]"])
def test_both_forms_give_the_same_logits(text: str) -> None:
    torch.manual_seed(0)
    eager, sdpa = (build_network(network_of(text, 32, form)).double().eval() for form in ("eager", "sdpa"))
    sdpa.load_state_dict(eager.state_dict())
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(sdpa(images), eager(images))


def test_static_keys_serve_one_image_size() -> None:
    module = build_network(network_of("caformer_s18[stage3=ska]"))
    with pytest.raises(SkaprofError, match="a static key serves one resolution only"):
        module(torch.randn(1, 3, 64, 64))


def test_image_norm_is_group_norm_with_one_group() -> None:
    x = torch.randn(2, 3, 4, 6)
    norm = ImageNorm(6, bias=False)
    norm.weight.data = torch.arange(6.0)
    flat = x.flatten(1)
    expected = (flat - flat.mean(1, keepdim=True)) / (flat.var(1, keepdim=True, unbiased=False) + 1e-6).sqrt()
    torch.testing.assert_close(norm(x), expected.view_as(x) * torch.arange(6.0))


def test_shift_moves_an_image_by_a_pixel_each_way() -> None:
    image = torch.arange(6.0).view(1, 1, 2, 3)
    assert Shift()(image)[0].tolist() == [
        [[0, 1, 2], [3, 4, 5]],
        [[0, 0, 1], [0, 3, 4]],
        [[1, 2, 0], [4, 5, 0]],
        [[0, 0, 0], [0, 1, 2]],
        [[3, 4, 5], [0, 0, 0]],
    ]


def test_a_class_tokens_query_meets_a_static_key_of_its_own_in_cska() -> None:
    torch.manual_seed(0)
    mixer = ConvStaticKeyAttention(8, (2, 3), heads=2, class_tokens=1).double()
    x = torch.randn(3, 7, 8, dtype=torch.float64)
    q, v = (layer(x).view(3, 7, 2, 4).transpose(1, 2) for layer in (mixer.query, mixer.value))
    class_scores = torch.einsum("bhe,hne->bhn", q[:, :, 0], mixer.class_scores.key)
    weights = torch.softmax(class_scores / 2, dim=-1)
    expected = mixer.output(torch.einsum("bhn,bhne->bhe", weights, v).flatten(1))
    torch.testing.assert_close(mixer(x)[:, 0], expected)
    moved = x.clone()
    moved[:, 0] += 1  # the grid's scores do not see the class token: only its value changes their outputs
    with torch.no_grad():
        mixer.value.weight.zero_()
    torch.testing.assert_close(mixer(moved)[:, 1:], mixer(x)[:, 1:])


def test_a_class_token_needs_its_form() -> None:
    assert StaticKeyAttention(8, (2, 3), heads=2, class_tokens=1)(torch.zeros(1, 7, 8)).shape == (1, 7, 8)
    with pytest.raises(SkaprofError, match="no sdpa form"):
        ConvStaticKeyAttention(8, (2, 3), heads=2, class_tokens=1, implementation="sdpa")
    with pytest.raises(SkaprofError, match="with a class token: expected"):
        StaticKeyAttention(8, (2, 3), heads=2, class_tokens=1)(torch.zeros(1, 2, 3, 8))


def test_the_command_fails_where_the_proof_does(skaprof: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(network: Network) -> list[Op]:
        return [op._replace(macs=op.macs + 1) if op.name == "stem.conv" else op for op in network_ops(network)]

    monkeypatch.setattr(network_module, "network_ops", wrong)
    done = skaprof("model", "caformer_s18", "--resolution", "32", "--verify", "--format", "csv")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "caformer_s18, 32 x 32, forward: stem.conv: macs: the model says 602,113, fvcore 602,112",
        "caformer_s18, 32 x 32, forward: stem.conv: macs: the model says 602,113, FlopCounterMode 602,112",
    ]
    assert [line.rsplit(",", 1)[1] for line in done.stdout.splitlines()] == ["verified", "false", *["true"] * 5]
