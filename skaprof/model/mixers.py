"""Each token mixer written once, as the list of ops it runs. Every figure skaprof prints derives from these lists.

Definitions: "Static Key Attention in Vision" (Hu, Zhou, Rostami, arXiv 2412.07049) for ska and cska; "MetaFormer
Baselines for Vision" (arXiv 2210.13452) for sepconv and pooling; "Transformers are RNNs" (arXiv 2006.16236) for linear.
Op names are the names of the submodules in `skaprof.nn`: that is how each op is proved on its own.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from skaprof.model.ops import (
    Op,
    Tensor,
    average_pool,
    concat,
    conv2d,
    divide,
    elu_plus_one,
    fused,
    linear,
    matmul,
    parameter,
    scale,
    softmax,
    star_relu,
    subtract,
    token_sum,
    unfold,
)
from skaprof.workload import Size, Workload

UNFOLDED_BIAS_COLUMNS = 8
"""Columns that the bias takes in CSKA's unfolded form: itself and seven zeros.

PyTorch's fused attention kernels refuse, or copy the key for, widths that are not a multiple of 8 in half precision
(4 in float32); k * k * e mostly is one.
"""

OptionValue = bool | int
OpList = Callable[..., list[Op]]


def tokens_in(w: Workload) -> Tensor:
    """The mixer's input x (batch, tokens, dim)."""
    return Tensor("x", (w.batch, w.tokens, w.dim))


def _by_head(x: Tensor, w: Workload) -> Tensor:
    """x (batch, tokens, heads * head_dim) seen as (batch, heads, tokens, head_dim)."""
    return x.view(w.batch, w.heads, w.tokens, w.head_dim)


def _transposed(x: Tensor) -> Tensor:
    *leading, rows, columns = x.shape
    return x.view(*leading, columns, rows)


def _attend(w: Workload, scores: Op, value: Op, *, bias: bool) -> list[Op]:
    """From scores (batch, heads, tokens, tokens) to the output: scale, softmax, times the values, projection."""
    scaled = scale("scale", scores.output.view(w.batch, w.heads, w.tokens, w.tokens))
    weights = softmax("softmax", scaled.output)
    mixed = matmul("mix", weights.output, _by_head(value.output, w))
    output = linear("output", mixed.output.view(w.batch, w.tokens, w.attention_dim), w.dim, bias=bias)
    return [*fused("attention", scores, scaled, weights, mixed), output]


def mhsa(w: Workload, *, bias: bool = False) -> list[Op]:
    """Multi-head self-attention: softmax(q k^T / sqrt(e)) v with q, k and v all computed from x."""
    x = tokens_in(w)
    query = linear("query", x, w.attention_dim, bias=bias)
    key = linear("key", x, w.attention_dim, bias=bias)
    value = linear("value", x, w.attention_dim, bias=bias)
    scores = matmul("scores", _by_head(query.output, w), _transposed(_by_head(key.output, w)))
    return [query, key, value, *_attend(w, scores, value, bias=bias)]


def ska(w: Workload, *, query: bool = True, bias: bool = False) -> list[Op]:
    """Static key attention: softmax(q K^T / sqrt(e)) v with a learned K (h, n, e); query=false takes q = x."""
    x = tokens_in(w)
    queries = [linear("query", x, w.attention_dim, bias=bias)] if query else []
    value = linear("value", x, w.attention_dim, bias=bias)
    key = parameter("scores.key", w.heads, w.tokens, w.head_dim)
    scores = matmul("scores", _by_head(queries[0].output if queries else x, w), _transposed(key))
    return [*queries, value, *_attend(w, scores, value, bias=bias)]


def cska(w: Workload, *, bias: bool = False, conv_bias: bool = True) -> list[Op]:
    """Convolutional static key attention: each head's scores are a k x k convolution of its query map.

    A class token has no place on the map: its query meets a static key of its own, (h, n, e), as in the authors' ViT.
    """
    x = tokens_in(w)
    query = linear("query", x, w.attention_dim, bias=bias)
    value = linear("value", x, w.attention_dim, bias=bias)
    query_map = query.output.view(w.batch, w.attention_dim, w.positions)
    scores = conv2d("scores", query_map, w.heads * w.tokens, w.head_dim, w.kernel_size, bias=conv_bias)
    if not w.class_tokens:
        return [query, value, *_attend(w, scores, value, bias=bias)]
    class_query = query.output.view(w.batch, w.heads, w.class_tokens, w.head_dim)
    key = parameter("class_scores.key", w.heads, w.tokens, w.head_dim)
    class_scores = matmul("class_scores", class_query, _transposed(key))
    joined = concat("concat", class_scores.output, scores.output, w.batch, w.heads, w.tokens, w.tokens)
    return [query, value, scores, class_scores, *_attend(w, joined, value, bias=bias)]


def cska_unfolded(w: Workload, *, bias: bool = False, conv_bias: bool = True) -> list[Op]:
    """CSKA as attention with unfolded queries: q' = patches of q ++ ones, K' = conv weight ++ bias ++ zeros.

    The same result, which a fused attention kernel can compute without the n x n scores in memory. The bias takes
    UNFOLDED_BIAS_COLUMNS columns, which cost so many times h n^2 MACs more.
    """
    x = tokens_in(w)
    query = linear("query", x, w.attention_dim, bias=bias)
    value = linear("value", x, w.attention_dim, bias=bias)
    patch = w.kernel_size * w.kernel_size * w.head_dim
    width = patch + UNFOLDED_BIAS_COLUMNS * int(conv_bias)
    patches = unfold("unfold", query.output, w.batch, w.heads, w.tokens, width)
    learned = parameter("scores.key", w.heads, w.tokens, patch + int(conv_bias))
    key = learned.view(w.heads, w.tokens, width)
    scores = matmul("scores", patches.output, _transposed(key))._replace(parameters=(learned,))
    if conv_bias:  # columns are appended: to the patches, and to the weights, each in a copy
        assembled = Tensor("scores.assembled_key", key.shape)
        patches = patches._replace(scratch=w.batch * w.heads * w.tokens * patch)
        scores = scores._replace(kept=(patches.output, assembled), scratch=assembled.numel)
    return [query, value, patches, *_attend(w, scores, value, bias=bias)]


def linear_attention(w: Workload, *, bias: bool = False) -> list[Op]:
    """Linear attention with elu + 1 features: f(q) (f(k)^T v) / (f(q) sum f(k)); no n x n scores at all."""
    x = tokens_in(w)
    query = linear("query", x, w.attention_dim, bias=bias)
    key = linear("key", x, w.attention_dim, bias=bias)
    value = linear("value", x, w.attention_dim, bias=bias)
    query_features = elu_plus_one("query_features", _by_head(query.output, w))
    key_features = elu_plus_one("key_features", _by_head(key.output, w))
    context = matmul("context", _transposed(key_features.output), _by_head(value.output, w))
    key_sum = token_sum("key_sum", key_features.output)
    normalizer = matmul("normalizer", query_features.output, key_sum.output)
    mixed = matmul("mix", query_features.output, context.output)
    normalized = divide("divide", mixed.output, normalizer.output)
    output = linear("output", normalized.output.view(w.batch, w.tokens, w.attention_dim), w.dim, bias=bias)
    return [
        query,
        key,
        value,
        query_features,
        key_features,
        context,
        key_sum,
        normalizer,
        mixed,
        normalized,
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

    `class_token_forms` are the implementations that have a place for a token off the grid.
    """

    name: str
    summary: str
    op_lists: Mapping[str, OpList]
    options: Mapping[str, OptionValue] = MappingProxyType({})
    has_heads: bool = True
    kernel_size: int | None = None
    static_key: bool = False
    class_token_forms: tuple[str, ...] = ()


KEY_OPS = ("scores", "class_scores")
"""The ops whose parameters are the key of a static key mixer."""

MIXERS: dict[str, Mixer] = {
    mixer.name: mixer
    for mixer in (
        Mixer(
            "mhsa",
            "multi-head self-attention",
            {"eager": mhsa, "sdpa": mhsa},
            {"bias": False},
            class_token_forms=("eager", "sdpa"),
        ),
        Mixer(
            "ska",
            "static key attention",
            {"eager": ska, "sdpa": ska},
            {"query": True, "bias": False},
            static_key=True,
            class_token_forms=("eager", "sdpa"),
        ),
        Mixer(
            "cska",
            "convolutional static key attention",
            {"eager": cska, "sdpa": cska_unfolded},
            {"bias": False, "conv_bias": True},
            kernel_size=3,
            static_key=True,
            class_token_forms=("eager",),
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
