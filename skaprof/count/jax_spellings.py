"""MHSA, SKA and CSKA in JAX and flax, with the weights of PyTorch's module, and the probes that JAX has."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import torch
from flax import linen
from jax import Array, lax
from torch import nn

from skaprof.analysis import conventions as sizes
from skaprof.count.asked import PROBE, Case
from skaprof.count.same_output import require_same
from skaprof.count.spellings import build_spelling
from skaprof.model.spec import parse_mixer
from skaprof.workload import Workload

Weights = dict[str, Any]
_MAP = ("NHWC", "HWIO", "NHWC")


class Program(NamedTuple):
    """A pure function of weights and input; `module` is flax's, where it is one of those."""

    function: Callable[[Any, Array], Array]
    weights: Any
    module: linen.Module | None = None


def build_case(case: Case) -> tuple[Program, Array]:
    """The case's program and an input of it.

    Raises:
        NotTheSameError: its output is not that of PyTorch's module.
    """
    if case.mixer == PROBE:
        return _probe(case.spelling, case.framework)
    spec, w = parse_mixer(case.mixer), case.workload
    x = torch.randn(w.batch, w.tokens, w.dim)
    module = build_spelling(spec, w, "@").requires_grad_(False)
    program = _in_flax(module, w) if case.spelling == "flax" else _in_jax(module, w, scans=case.spelling == "jax-scan")
    given = jnp.asarray(x.numpy())
    require_same(program.function(program.weights, given), module(x))
    return program, given


def _linear(layer: Any) -> dict[str, Array]:
    """A linear layer's kernel (inputs, outputs), and its bias where it has one."""
    found = {"kernel": jnp.asarray(layer.get_parameter("weight").numpy().T)}
    return found if layer.bias is None else found | {"bias": jnp.asarray(layer.get_parameter("bias").numpy())}


def _weights(module: nn.Module) -> Weights:
    """PyTorch's weights by the names of its layers; a convolution's as (height, width, inputs, outputs)."""
    found: Weights = {name: _linear(part) for name, part in module.named_children() if isinstance(part, nn.Linear)}
    scores: Any = module.get_submodule("scores")
    if isinstance(scores, nn.Conv2d):
        found["scores"] = {"kernel": jnp.asarray(scores.weight.permute(2, 3, 1, 0).contiguous().numpy())}
        found["scores"] |= {} if scores.bias is None else {"bias": jnp.asarray(scores.bias.numpy())}
    elif hasattr(scores, "key"):
        found["scores"] = jnp.asarray(scores.get_parameter("key").numpy())
    return found


def _dense(weights: Weights, x: Array) -> Array:
    return x @ weights["kernel"] + weights.get("bias", 0.0)


def _heads_first(x: Array, w: Workload) -> Array:
    """(B, n, h * e) -> (h, B, n, e)."""
    return x.reshape(w.batch, w.tokens, w.heads, -1).transpose(2, 0, 1, 3)


def _merged(mixed: Array, w: Workload) -> Array:
    """(h, B, n, e) -> (B, n, h * e)."""
    return mixed.transpose(1, 2, 0, 3).reshape(w.batch, w.tokens, -1)


def _in_jax(module: nn.Module, w: Workload, *, scans: bool) -> Program:
    """Projections, then one head's attention, for all heads at once or one after another."""
    weights = _weights(module)
    over_heads: Any = (lambda head: lambda *given: lax.map(lambda each: head(*each), given)) if scans else jax.vmap

    def function(weights: Weights, x: Array) -> Array:
        q, k, v = (
            _heads_first(_dense(weights[name], x), w) if name in weights else None for name in ("query", "key", "value")
        )
        queries = _heads_first(x, w) if q is None else q
        keys = (k,) if k is not None else _static_keys(weights["scores"], w)
        mixed = over_heads(partial(_one_head, w))(queries, v, *keys)
        return _dense(weights["output"], _merged(mixed, w))

    return Program(function, weights)


def _static_keys(scores: Any, w: Workload) -> tuple[Array, ...]:
    """Each head's key (n, e); or its kernel (k, k, e, n) and bias."""
    if not isinstance(scores, dict):
        return (scores,)
    kernel = scores["kernel"]
    by_head = (kernel.reshape(*kernel.shape[:3], w.heads, w.tokens).transpose(3, 0, 1, 2, 4),)
    return (*by_head, scores["bias"].reshape(w.heads, w.tokens)) if "bias" in scores else by_head


def _one_head(w: Workload, q: Array, v: Array, key: Array, bias: Array | float = 0.0) -> Array:
    """Attention of q (B, n, e) and v with keys (B, n, e), (n, e) or a convolution's kernel (k, k, e, n)."""
    if key.ndim == 4:
        query_map = q.reshape(w.batch, w.height, w.width, -1)
        scored = lax.conv_general_dilated(query_map, key, (1, 1), "SAME", dimension_numbers=_MAP)
        scores = scored.reshape(w.batch, w.tokens, w.tokens) + bias
    else:
        scores = q @ jnp.swapaxes(key, -1, -2)
    return jax.nn.softmax(scores * w.head_dim**-0.5, axis=-1) @ v


class _Attention(linen.Module):  # type: ignore[misc]  # flax may be missing
    """The three mixers of flax's layers."""

    w: Workload
    kind: str
    has_query: bool
    bias: bool
    conv_bias: bool

    @linen.compact  # type: ignore[untyped-decorator]  # flax may be missing
    def __call__(self, x: Array) -> Array:
        w = self.w
        dense = partial(linen.Dense, w.attention_dim, use_bias=self.bias)
        q = dense(name="query")(x) if self.has_query else x
        v = _heads_first(dense(name="value")(x), w)
        if self.kind == "conv":
            scores = linen.Conv(
                w.heads * w.tokens,
                (w.kernel_size, w.kernel_size),
                feature_group_count=w.heads,
                use_bias=self.conv_bias,
                name="scores",
            )(q.reshape(w.batch, w.height, w.width, -1))
            scores = scores.reshape(w.batch, w.tokens, w.heads, w.tokens).transpose(2, 0, 1, 3)
        else:
            shape = (w.heads, w.tokens, w.head_dim)
            key = (
                self.param("scores", linen.initializers.zeros, shape)[:, None]
                if self.kind == "static"
                else _heads_first(dense(name="key")(x), w)
            )
            scores = _heads_first(q, w) @ jnp.swapaxes(key, -1, -2)
        mixed = jax.nn.softmax(scores * w.head_dim**-0.5, axis=-1) @ v
        return linen.Dense(w.dim, use_bias=self.bias, name="output")(_merged(mixed, w))


def _in_flax(module: nn.Module, w: Workload) -> Program:
    weights = _weights(module)
    scores = weights.get("scores")
    kind = "own" if scores is None else "conv" if isinstance(scores, dict) else "static"
    conv_bias = kind == "conv" and "bias" in weights["scores"]
    built = _Attention(w, kind, "query" in weights, "bias" in weights["output"], conv_bias)
    return Program(built.apply, {"params": weights}, built)


class _Layers(linen.Module):  # type: ignore[misc]  # flax may be missing
    """One layer of flax's."""

    layer: Callable[[], linen.Module]

    @linen.compact  # type: ignore[untyped-decorator]  # flax may be missing
    def __call__(self, x: Array) -> Array:
        return self.layer()(x)


def _convolution(**options: Any) -> linen.Module:
    return linen.Conv(sizes.MAP_OUT, (sizes.KERNEL,) * 2, use_bias=False, **options)


_FLAX_PROBES: dict[str, Callable[[], linen.Module]] = {
    "linear": lambda: linen.Dense(sizes.OUTPUTS, use_bias=False),
    "linear-bias": lambda: linen.Dense(sizes.OUTPUTS),
    "linear-images": lambda: linen.Dense(sizes.OUTPUTS, use_bias=False),
    "conv-same": _convolution,
    "conv-groups": lambda: _convolution(feature_group_count=sizes.GROUPS),
    "norm": lambda: linen.LayerNorm(use_scale=False, use_bias=False),
}


def _einsum(weight: Array, x: Array) -> Array:
    return jnp.einsum("bti,hio->hto", x, weight)


def _scan(weight: Array, x: Array) -> Array:
    return lax.scan(lambda carry, step: (carry @ step, None), x[0], weight)[0]


_HEADS = (2, sizes.INPUTS, sizes.OUTPUTS)
_JAX_PROBES: dict[str, tuple[Callable[[Array, Array], Array], tuple[int, ...]]] = {
    "linear": (lambda weight, x: x @ weight, _HEADS[1:]),
    "linear-images": (lambda weight, x: x @ weight, _HEADS[1:]),
    "@": (lambda weight, x: x @ weight, _HEADS),
    "einsum": (_einsum, _HEADS),
    "scan": (_scan, (sizes.STEPS, sizes.INPUTS, sizes.INPUTS)),
    "softmax": (lambda weight, x: jax.nn.softmax(x, axis=-1), ()),
    "scale": (lambda weight, x: x * 0.5, ()),
}


def _probe(name: str, framework: str) -> tuple[Program, Array]:
    images = sizes.IMAGES if name == "linear-images" else 1
    is_map = name.startswith("conv")
    x = jnp.ones((images, sizes.HEIGHT, sizes.WIDTH, sizes.MAP_IN) if is_map else (images, sizes.TOKENS, sizes.INPUTS))
    if framework == "jax" and name in _JAX_PROBES:
        function, shape = _JAX_PROBES[name]
        return Program(function, jnp.ones(shape)), x
    module = _Layers(_FLAX_PROBES[name])
    return Program(module.apply, module.init(jax.random.key(0), x), module), x
