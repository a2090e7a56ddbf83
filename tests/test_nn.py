"""The modules compute what the paper defines, train, and say clearly where they cannot serve."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from conftest import ATTENTION_TEXTS, SPEC_TEXTS, examples, workloads
from hypothesis import given, settings
from hypothesis import strategies as st

from skaprof.errors import SkaprofError
from skaprof.model.choice import parse_backbone
from skaprof.model.network import make_network
from skaprof.model.spec import parse_mixer
from skaprof.nn import (
    ConvStaticKeyAttention,
    Identity,
    LinearAttention,
    MultiHeadSelfAttention,
    Pooling,
    SeparableConvolution,
    StaticKeyAttention,
    TokenMixer,
    add_drop_paths,
    build_mixer,
    build_network,
    draw_weights,
)
from skaprof.nn.layers import as_map
from skaprof.workload import Workload

SIZES = {"dim": 24, "heads": 3, "head_dim": 8}
GRID = (4, 6)


def build(text: str, implementation: str = "eager") -> TokenMixer:
    spec = parse_mixer(text)
    channels = spec.resolve_channels(SIZES["dim"], SIZES["heads"], SIZES["head_dim"])
    workload = Workload(2, *GRID, *channels, spec.resolve_kernel_size())
    torch.manual_seed(1)
    return build_mixer(spec, workload, implementation).double()


def images() -> torch.Tensor:
    return torch.randn(2, *GRID, SIZES["dim"], dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def by_head(x: torch.Tensor) -> torch.Tensor:
    return x.view(2, 24, 3, 8).permute(0, 2, 1, 3)


def attention_by_loops(scores: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """softmax(scores / sqrt(e)) v, one head of one image at a time."""
    out = torch.empty_like(v)
    for image in range(v.shape[0]):
        for head in range(v.shape[1]):
            weights = torch.softmax(scores[image, head] / 8**0.5, dim=-1)
            out[image, head] = weights @ v[image, head]
    return out.permute(0, 2, 1, 3).reshape(2, 24, 24)


@pytest.mark.parametrize("text", SPEC_TEXTS)
@pytest.mark.parametrize("shape", ["images", "tokens"])
def test_shape_in_is_shape_out_and_both_forms_of_input_agree(text: str, shape: str) -> None:
    mixer, x = build(text), images()
    out = mixer(x)
    assert out.shape == x.shape
    if shape == "tokens":
        torch.testing.assert_close(mixer(x.flatten(1, 2)), out.flatten(1, 2))


def test_mhsa_is_softmax_of_qk_times_v() -> None:
    mixer, x = build("mhsa"), images()
    assert isinstance(mixer, MultiHeadSelfAttention)
    t = x.flatten(1, 2)
    q, k, v = (by_head(t @ layer.weight.T) for layer in (mixer.query, mixer.key, mixer.value))
    expected = attention_by_loops(torch.einsum("bhie,bhje->bhij", q, k), v) @ mixer.output.weight.T
    torch.testing.assert_close(mixer(x).flatten(1, 2), expected)


@pytest.mark.parametrize("text", ["ska", "ska:query=false"])
def test_ska_is_softmax_of_qk_times_v_with_one_learned_key_for_the_batch(text: str) -> None:
    mixer, x = build(text), images()
    assert isinstance(mixer, StaticKeyAttention)
    t = x.flatten(1, 2)
    q = by_head(t @ mixer.query.weight.T if text == "ska" else t)
    v = by_head(t @ mixer.value.weight.T)
    expected = attention_by_loops(torch.einsum("bhie,hje->bhij", q, mixer.scores.key), v) @ mixer.output.weight.T
    torch.testing.assert_close(mixer(x).flatten(1, 2), expected)


def test_cska_scores_are_each_heads_convolution_one_channel_a_key() -> None:
    mixer, x = build("cska"), images()
    assert isinstance(mixer, ConvStaticKeyAttention)
    t = x.flatten(1, 2)
    query_map = (t @ mixer.query.weight.T).transpose(1, 2).view(2, 24, *GRID)
    weight, bias = mixer.scores.weight.view(3, 24, 8, 3, 3), mixer.scores.bias.view(3, 24)
    scores = torch.stack(
        [F.conv2d(query_map[:, 8 * h : 8 * h + 8], weight[h], bias[h], padding=1).flatten(2).mT for h in range(3)], 1
    )
    expected = attention_by_loops(scores, by_head(t @ mixer.value.weight.T)) @ mixer.output.weight.T
    torch.testing.assert_close(mixer(x).flatten(1, 2), expected)


def test_linear_attention_is_attention_with_the_kernel_f_q_f_k() -> None:
    mixer, x = build("linear"), images()
    assert isinstance(mixer, LinearAttention)
    t = x.flatten(1, 2)
    q, k, v = (by_head(t @ layer.weight.T) for layer in (mixer.query, mixer.key, mixer.value))
    weights = (F.elu(q) + 1) @ (F.elu(k) + 1).mT
    mixed = (weights / weights.sum(-1, keepdim=True)) @ v
    expected = mixed.permute(0, 2, 1, 3).reshape(2, 24, 24) @ mixer.output.weight.T
    torch.testing.assert_close(mixer(x).flatten(1, 2), expected)


def test_sepconv_and_pooling_and_identity_are_metaformers() -> None:
    x = images()
    pooled = F.avg_pool2d(x.permute(0, 3, 1, 2), 3, 1, 1, count_include_pad=False).permute(0, 2, 3, 1)
    pooling = build("pooling")
    assert isinstance(pooling, Pooling)
    torch.testing.assert_close(pooling(x), pooled - x)
    assert isinstance(build("identity"), Identity)
    torch.testing.assert_close(build("identity")(x), x)
    sepconv = build("sepconv")
    assert isinstance(sepconv, SeparableConvolution)
    hidden = x @ sepconv.expand.weight.T
    hidden = sepconv.activation.scale * F.relu(hidden) ** 2 + sepconv.activation.bias
    hidden = F.conv2d(hidden.permute(0, 3, 1, 2), sepconv.depthwise.weight, padding=3, groups=48).permute(0, 2, 3, 1)
    torch.testing.assert_close(sepconv(x), hidden @ sepconv.project.weight.T)


@settings(max_examples=examples(60))
@given(st.sampled_from(ATTENTION_TEXTS), st.data())
def test_the_sdpa_form_gives_the_same_output_and_gradients(text: str, data: st.DataObject) -> None:
    spec = parse_mixer(text)
    w = data.draw(workloads(spec))
    eager, sdpa = (build_mixer(spec, w, implementation).double() for implementation in ("eager", "sdpa"))
    sdpa.load_state_dict(eager.state_dict())
    x = torch.randn(w.batch, w.height, w.width, w.dim, dtype=torch.float64)
    gradients = []
    for mixer in (eager, sdpa):
        leaf = x.clone().requires_grad_()
        out = mixer(leaf)
        (out * torch.linspace(-1, 1, out.numel(), dtype=torch.float64).view_as(out)).sum().backward()
        gradients.append((out.detach(), leaf.grad, *(p.grad for p in mixer.parameters())))
    for reference, other in zip(*gradients, strict=True):
        torch.testing.assert_close(other, reference)


@pytest.mark.parametrize("text", [text for text in SPEC_TEXTS if text not in ("pooling", "identity")])
def test_every_parameter_learns(text: str) -> None:
    mixer, x = build(text), images()
    optimizer = torch.optim.SGD(mixer.parameters(), lr=0.05)
    losses = []
    for _ in range(3):
        loss = (mixer(x) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in mixer.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("text", ["ska", "cska"])
@pytest.mark.parametrize("shape", [(2, 25, 24), (2, 5, 5, 24), (2, 6, 4, 24)])
def test_a_static_key_at_another_size_says_so(text: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(SkaprofError, match=r"built for 24 tokens \(4 x 6\).*static key serves one resolution"):
        build(text)(torch.zeros(shape, dtype=torch.float64))


def test_mhsa_serves_any_size() -> None:
    mixer = MultiHeadSelfAttention(24, heads=3)
    assert mixer(torch.zeros(1, 7, 24)).shape == (1, 7, 24)
    assert mixer(torch.zeros(1, 2, 9, 24)).shape == (1, 2, 9, 24)


def test_input_that_no_mixer_takes_is_refused() -> None:
    with pytest.raises(SkaprofError, match=r"\(B, N, C\) has no grid"):
        Pooling()(torch.zeros(1, 9, 4))
    with pytest.raises(SkaprofError, match="got 2 dimensions"):
        Identity()(torch.zeros(9, 4))
    with pytest.raises(SkaprofError, match="implementation: 'flash'"):
        MultiHeadSelfAttention(24, implementation="flash")
    with pytest.raises(SkaprofError, match="must be dim"):
        StaticKeyAttention(24, GRID, heads=2, head_dim=5, query=False)
    with pytest.raises(SkaprofError, match="odd"):
        ConvStaticKeyAttention(24, GRID, kernel_size=2)
    with pytest.raises(SkaprofError, match=r"built for 49 tokens.*pass \(B, H, W, C\), or build"):
        Pooling(grid=(7, 7))(torch.zeros(1, 9, 4))
    assert MultiHeadSelfAttention(24, grid=(7, 7))(torch.zeros(1, 9, 24)).shape == (1, 9, 24)
    for name, bad in (
        ("dim", {"dim": 0}),
        ("heads", {"heads": -2}),
        ("head_dim", {"head_dim": 0}),
        ("grid", {"grid": (0, 3)}),
    ):
        with pytest.raises(SkaprofError, match=name):
            MultiHeadSelfAttention(**{"dim": 24, **bad})
    with pytest.raises(SkaprofError, match="pair"):
        Identity(grid=(1, 2, 3))
    with pytest.raises(SkaprofError, match="sepconv has no 'sdpa' form"):
        build("sepconv", "sdpa")


@pytest.mark.parametrize("batch", [1, 2])
def test_tokens_seen_as_a_map_have_the_strides_of_channels_last(batch: int) -> None:
    tokens = torch.randn(batch, 12, 5)
    found = as_map(tokens, (3, 4))
    assert torch.equal(found, tokens.transpose(1, 2).unflatten(2, (3, 4)))
    assert found.stride() == (60, 1, 20, 5)
    assert found.data_ptr() == tokens.data_ptr()


def test_weights_are_drawn_by_name_and_as_timm_has_them() -> None:
    module = build_network(make_network(parse_backbone("vit_micro[stage1=ska]"), 28, 28))
    before = torch.get_rng_state()
    draw_weights(module, 0, "timm")
    assert torch.equal(torch.get_rng_state(), before)
    expand = module.get_submodule("stage1.block1.mlp.expand")
    first = expand.weight.clone()
    assert first.std().item() == pytest.approx(0.02, rel=0.1)
    assert not expand.bias.any()
    assert module.get_submodule("stage1.block1.mixer.scores").key.std().item() == pytest.approx(0.9, rel=0.1)
    draw_weights(module, 0, "torch")
    assert first.std() < expand.weight.std() / 2
    draw_weights(module, 0, "timm")
    assert torch.equal(expand.weight, first)
    with pytest.raises(SkaprofError, match="initialisation: 'kaiming'"):
        draw_weights(module, 0, "kaiming")


def test_dropped_paths_leave_the_mean_as_it_is_and_inference_alone() -> None:
    torch.manual_seed(0)
    module = build_network(make_network(parse_backbone("vit_micro[stage1=identity]"), 28, 28))
    names, x = list(module.state_dict()), torch.randn(1, 3, 28, 28).expand(4000, -1, -1, -1)
    first, last = (module.get_submodule(f"stage1.block{place}.mixer") for place in (1, 3))
    add_drop_paths(module, 0.4)
    assert list(module.state_dict()) == names
    tokens = torch.ones(4000, 2, 2)
    kept = last.train()(tokens)
    assert kept.unique().tolist() == pytest.approx([0, 1 / 0.6])
    assert all(image.unique().numel() == 1 for image in kept[:50])
    assert kept.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(first.train()(tokens), tokens)
    assert torch.equal(last.eval()(tokens), tokens)
    assert module.eval()(x[:2]).isfinite().all()
    with pytest.raises(SkaprofError, match="rate: '1'"):
        add_drop_paths(module, 1)
