"""Each token mixer written once, as the list of ops it runs. Every figure skaprof prints derives from these lists.

Definitions: "Static Key Attention in Vision" (Hu, Zhou, Rostami, arXiv 2412.07049) for ska and cska; "MetaFormer
Baselines for Vision" (arXiv 2210.13452) for sepconv and pooling; "Transformers are RNNs" (arXiv 2006.16236) for linear.
Op names are the names of the submodules in `skaprof.nn`: that is how each op is proved on its own.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from skaprof.model.attention import (
    by_head,
    cska,
    cska_tiled,
    cska_unfolded,
    mhsa,
    mhsa_fused,
    mhsa_tiled,
    projected,
    ska,
    ska_fused,
    ska_tiled,
    transposed,
)
from skaprof.model.attention import tokens_in as tokens_in  # noqa: PLC0414  for mixers of other packages too
from skaprof.model.ops import (
    Op,
    average_pool,
    conv2d,
    copied,
    divide,
    elu_plus_one,
    linear,
    matmul,
    star_relu,
    subtract,
    token_sum,
)
from skaprof.model.triton_attention import cska_triton, ska_triton
from skaprof.workload import FORMS, FUSED, TILED, TRITON, Size, Workload

OptionValue = bool | int
OpList = Callable[..., list[Op]]


def linear_attention(w: Workload, *, bias: bool = False) -> list[Op]:
    """Linear attention with elu + 1 features: f(q) (f(k)^T v) / (f(q) sum f(k)); no n x n scores at all."""
    query, key, value = projected(w, "query", "key", "value", bias=bias)
    query_features = elu_plus_one("query_features", by_head(query.output, w))
    key_features = elu_plus_one("key_features", by_head(key.output, w))
    context = matmul("context", transposed(key_features.output), by_head(value.output, w))
    key_sum = token_sum("key_sum", key_features.output)
    normalizer = matmul("normalizer", query_features.output, key_sum.output)
    mixed = matmul("mix", query_features.output, context.output)
    normalized = divide("divide", mixed.output, normalizer.output)
    output = linear("output", normalized.output.view(w.batch, w.tokens, w.attention_dim), w.dim, bias=bias)
    return [
        query,
        copied(query_features),
        key,
        copied(key_features),
        copied(value),
        context,
        key_sum,
        normalizer,
        mixed,
        copied(normalized),
        output,
    ]


def sepconv(w: Workload, *, expansion: int = 2, bias: bool = False) -> list[Op]:
    """MetaFormer's separable convolution: pointwise to expansion * d, StarReLU, depthwise k x k, pointwise back."""
    hidden: Size = expansion * w.dim
    expand = linear("expand", tokens_in(w), hidden, bias=bias)
    activation = star_relu("activation", expand.output)
    feature_map = activation.output.view(w.batch, hidden, w.tokens)
    depthwise = conv2d("depthwise", feature_map, hidden, 1, w.kernel_size, bias=bias)
    project = linear("project", depthwise.output.view(w.batch, w.tokens, hidden), w.dim, bias=bias)
    return [expand, activation, depthwise, project]


def pooling(w: Workload) -> list[Op]:
    """PoolFormer's mixer: the k x k average minus the input; nothing learned, no MACs."""
    x = tokens_in(w)
    pool = average_pool("pool", x, w.kernel_size)
    return [pool, subtract("subtract", pool.output, x)]


def identity(w: Workload) -> list[Op]:
    """IdentityFormer's mixer: nothing at all."""
    return []


class Mixer(NamedTuple):
    """A mixer's name, what it is, its op list for each implementation, and the options its spec takes.

    `class_token_forms` are the implementations that have a place for a token off the grid; `eager_options` those
    options that only the eager form has: where one is on, there is no other.
    """

    name: str
    summary: str
    op_lists: Mapping[str, OpList]
    options: Mapping[str, OptionValue] = MappingProxyType({})
    has_heads: bool = True
    kernel_size: int | None = None
    static_key: bool = False
    class_token_forms: tuple[str, ...] = ()
    eager_options: tuple[str, ...] = ()


KEY_OPS = ("scores", "class_scores")
"""The ops whose parameters are the key of a static key mixer."""
_SCORED: dict[str, OptionValue] = {"learned_temperature": False, "diagonal_mask": False}
"""What may be done to the scores of attention beside the constant scale."""

MIXERS: dict[str, Mixer] = {
    mixer.name: mixer
    for mixer in (
        Mixer(
            "mhsa",
            "multi-head self-attention",
            {"eager": mhsa, FUSED: mhsa_fused, TILED: mhsa_tiled},
            {"bias": False, **_SCORED},
            class_token_forms=("eager", FUSED, TILED),
            eager_options=tuple(_SCORED),
        ),
        Mixer(
            "ska",
            "static key attention",
            {"eager": ska, FUSED: ska_fused, TILED: ska_tiled, TRITON: ska_triton},
            {"query": True, "bias": False, **_SCORED},
            static_key=True,
            class_token_forms=FORMS,
            eager_options=tuple(_SCORED),
        ),
        Mixer(
            "cska",
            "convolutional static key attention",
            {"eager": cska, FUSED: cska_unfolded, TILED: cska_tiled, TRITON: cska_triton},
            {"bias": False, "conv_bias": True, **_SCORED},
            kernel_size=3,
            static_key=True,
            class_token_forms=("eager", TILED, TRITON),
            eager_options=tuple(_SCORED),
        ),
        Mixer(
            "linear",
            "linear attention, elu + 1 features",
            {"eager": linear_attention},
            {"bias": False},
            class_token_forms=("eager",),
        ),
        Mixer(
            "sepconv",
            "separable convolution",
            {"eager": sepconv},
            {"expansion": 2, "bias": False},
            has_heads=False,
            kernel_size=7,
        ),
        Mixer("pooling", "average pooling", {"eager": pooling}, has_heads=False, kernel_size=3),
        Mixer("identity", "no mixing", {"eager": identity}, has_heads=False, class_token_forms=("eager",)),
    )
}
"""Every built-in mixer by name: the spectrum from no mixing over convolution to global attention."""

DEFAULT_MIXERS = ("mhsa", "ska", "cska")
