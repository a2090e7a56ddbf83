"""Every spelling of the audit computes the same, by the functions it names, and each probe is what it says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import thorough
from torch import nn

from skaprof.analysis.audit_cases import spellings_of
from skaprof.analysis.conventions import PROBED, PROBES
from skaprof.count.asked import Answer, Case
from skaprof.count.audit import case_row, probes_of
from skaprof.count.counter_process import answers_of
from skaprof.count.counters import count_torch
from skaprof.count.probes import build_probe
from skaprof.count.side_effects import watched
from skaprof.count.spellings import build_spelling
from skaprof.counters import COUNTERS, FRAMEWORKS, SPELLINGS
from skaprof.model.spec import parse_mixer
from skaprof.nn import build_mixer
from skaprof.workload import Workload

W = Workload(2, 3, 4, 16, 2, 8)
TRACED = ("exported", "compiled")
"""Spellings that take seconds to build."""


def require_the_same(mixer: str, traced: bool) -> None:
    spec = parse_mixer(mixer)
    w = W._replace(kernel_size=spec.resolve_kernel_size())
    x = torch.randn(2, 12, 16)
    names = [name for name in spellings_of(spec, w) if not name.startswith("mha") and (name in TRACED) == traced]
    reference = build_spelling(spec, w, "@" if "@" in spellings_of(spec, w) else "modules")
    for name in names:
        module = build_spelling(spec, w, name, x)
        assert sum(p.numel() for p in module.parameters()) == sum(p.numel() for p in reference.parameters())
        torch.testing.assert_close(module(x), reference(x))
    assert len(names) >= (2 if traced else 3)


@pytest.mark.parametrize("mixer", ["mhsa", "mhsa:bias=true", "ska", "ska:query=false", "cska", "linear", "sepconv"])
def test_every_spelling_computes_the_same(mixer: str) -> None:
    require_the_same(mixer, traced=False)


@thorough
@pytest.mark.parametrize("mixer", ["mhsa", "ska", "cska"])
def test_what_is_traced_computes_the_same(mixer: str) -> None:
    require_the_same(mixer, traced=True)


def test_the_spellings_use_the_functions_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    def recorded(name: str, function: Any) -> Any:
        return lambda *arguments: called.append(name) or function(*arguments)

    monkeypatch.setattr(torch, "matmul", recorded("matmul", torch.matmul))
    monkeypatch.setattr(torch, "einsum", recorded("einsum", torch.einsum))
    for name, expected in (("@", []), ("matmul", ["matmul"] * 2), ("einsum", ["einsum"] * 2)):
        module = build_spelling(parse_mixer("ska"), W, name)
        called.clear()
        module(torch.randn(2, 12, 16))
        assert called == expected


def test_the_convolution_is_padded_and_laid_out_as_named(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Any, bool, bool]] = []
    convolve = F.conv2d

    def recorded(x: Any, weight: Any, *rest: Any, padding: Any, **settings: Any) -> Any:
        seen.append((padding, x.is_contiguous(), weight.is_contiguous()))
        return convolve(x, weight, *rest, padding=padding, **settings)

    monkeypatch.setattr(F, "conv2d", recorded)
    for name in ("@", "same", "channels-first"):
        build_spelling(parse_mixer("cska"), W._replace(kernel_size=3), name)(torch.randn(2, 12, 16))
    assert seen == [((1, 1), False, False), ("same", False, False), ((1, 1), True, True)]


def test_the_key_is_the_mixers_own_in_one_spelling() -> None:
    module = build_spelling(parse_mixer("ska"), W, "parent-key")
    assert [name for name, _ in module.named_parameters() if "key" in name] == ["key"]
    assert isinstance(module.get_parameter("key"), nn.Parameter)


@pytest.mark.parametrize("name", ["mha", "mha-weights", "mha-train", "mha-fast"])
def test_torchs_own_attention_is_the_same_function_and_runs_as_named(name: str) -> None:
    x = torch.randn(2, 12, 16)
    own = build_mixer(parse_mixer("mhsa:bias=true"), W)
    module = build_spelling(parse_mixer("mhsa"), W, name)
    attention = module.attention
    assert isinstance(attention, nn.MultiheadAttention)
    weights = torch.cat([own.query.weight, own.key.weight, own.value.weight])
    biases = torch.cat([own.query.bias, own.key.bias, own.value.bias])
    state = {"in_proj_weight": weights, "in_proj_bias": biases}
    state |= {"out_proj.weight": own.output.weight, "out_proj.bias": own.output.bias}
    attention.load_state_dict(state)
    with torch.profiler.profile() as profile:
        torch.testing.assert_close(module(x), own(x))
    ops = {event.key for event in profile.key_averages()}
    assert module.training == (name == "mha-train")
    assert ("aten::_native_multi_head_attention" in ops) == (name == "mha-fast")
    assert ("aten::scaled_dot_product_attention" in ops) == (name == "mha")


def test_spellings_are_those_a_mixer_has() -> None:
    plain = ("@", "matmul", "einsum")
    assert spellings_of(parse_mixer("sepconv"), W._replace(kernel_size=7)) == (
        *("modules", "same", "channels-first"),
        *TRACED,
    )
    assert spellings_of(parse_mixer("linear"), W) == (*plain, *TRACED)
    assert "mha-fast" not in spellings_of(parse_mixer("mhsa"), W._replace(heads=1, head_dim=16))
    assert "mha" not in spellings_of(parse_mixer("mhsa"), W._replace(head_dim=4))
    assert "parent-key" in spellings_of(parse_mixer("ska"), W)


@pytest.mark.parametrize("spelling", [name for name in spellings_of(parse_mixer("mhsa"), W) if name not in TRACED])
def test_a_row_has_the_parameters_of_the_module_that_was_counted(spelling: str) -> None:
    row = case_row(COUNTERS["torch"], Case("mhsa", spelling, tuple(W)), Answer(), ())
    module = build_spelling(parse_mixer("mhsa"), W, spelling)
    assert row.params == sum(parameter.numel() for parameter in module.parameters())
    assert (row.mixer, row.implementation) == ("mhsa", SPELLINGS[spelling].form)


@pytest.mark.parametrize("name", PROBED["torch"])
def test_a_probe_has_the_work_that_is_said_of_it(name: str) -> None:
    module, x = build_probe(name)
    assert count_torch(module, x, []).total == PROBES[name]


def test_pytorchs_counter_is_found_to_be_what_it_is() -> None:
    """Fused attention is nothing to it on a processor, and of a grouped convolution the backward is too dear."""
    from skaprof.count.audit import _conventions

    counter = COUNTERS["torch"]
    probes = probes_of(counter)
    loaders = {"forward": counter.loader, "train": counter.training}
    answers = list(answers_of({"loaders": loaders, "builders": FRAMEWORKS, "limit": 60}, probes))
    assert _conventions(counter, probes, answers) == [
        "counts scaled_dot_product_attention as nothing",
        "counts the backward, which is twice the forward: that of a grouped convolution (2 groups) at 3 times its "
        "forward",
    ]


def test_what_a_counter_leaves_behind_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(module: nn.Module) -> None:
        module.eval()
        module.register_buffer("total_ops", torch.zeros(1))
        module.layer.register_forward_hook(print)
        module.layer.weight.data += 1
        module.layer.weight.requires_grad_(False)
        monkeypatch.setattr(F, "linear", lambda *arguments: None)

    module, _ = build_probe("linear")
    module.train()
    effects = watched(module)
    assert effects() == ()
    leave(module)
    assert effects() == (
        "leaves requires_grad changed",
        "leaves hooks",
        "leaves attributes of its own",
        "leaves the module in eval mode",
        "changes weights or buffers",
        "leaves functions of PyTorch replaced",
    )
    assert watched(lambda x: x)() == ()
