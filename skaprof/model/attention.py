"""The attention mixers as lists of ops, in each of their forms.

Definitions: "Static Key Attention in Vision" (Hu, Zhou, Rostami, arXiv 2412.07049). Op names are the names of the
submodules in `skaprof.nn`: that is how each op is proved on its own. `scored` are the options of `_attend`, which only
the eager forms have.
"""

from collections.abc import Callable

from skaprof.model.layers import learned_scale, mask_diagonal
from skaprof.model.ops import (
    Op,
    Tensor,
    concat,
    conv2d,
    fused,
    linear,
    matmul,
    parameter,
    scale,
    softmax,
    unfold,
)
from skaprof.model.tiles import key_tile_elements, patch_tile_elements
from skaprof.workload import Size, Workload

UNFOLDED_BIAS_COLUMNS = 8
"""Columns that the bias takes in CSKA's unfolded form: itself and seven zeros.

PyTorch's fused attention kernels refuse, or copy the key for, widths that are not a multiple of 8 in half precision
(4 in float32); k * k * e mostly is one.
"""


def tokens_in(w: Workload) -> Tensor:
    """The mixer's input x (batch, tokens, dim)."""
    return Tensor("x", (w.batch, w.tokens, w.dim))


def by_head(x: Tensor, w: Workload) -> Tensor:
    """x (batch, tokens, heads * head_dim) seen as (batch, heads, tokens, head_dim)."""
    return x.view(w.batch, w.heads, w.tokens, w.head_dim)


def transposed(x: Tensor) -> Tensor:
    *leading, rows, columns = x.shape
    return x.view(*leading, columns, rows)


def _attend(
    w: Workload, scores: Op, value: Op, *, bias: bool, learned_temperature: bool = False, diagonal_mask: bool = False
) -> list[Op]:
    """From scores (batch, heads, tokens, tokens) to the output: scale, softmax, times the values, projection.

    The scale may be one learned value, and the diagonal of the scores masked.
    """
    of_pairs = scores.output.view(w.batch, w.heads, w.tokens, w.tokens)
    scaled = learned_scale("scale", of_pairs, 1) if learned_temperature else scale("scale", of_pairs)
    masked = [mask_diagonal("mask", scaled.output)] if diagonal_mask else []
    weights = softmax("softmax", [scaled, *masked][-1].output)
    mixed = matmul("mix", weights.output, by_head(value.output, w))
    output = linear("output", mixed.output.view(w.batch, w.tokens, w.attention_dim), w.dim, bias=bias)
    return [*fused("attention", scores, scaled, *masked, weights, mixed), output]


def _attend_tiled(
    w: Workload, query: Tensor, value: Op, scores: Callable[[Tensor], list[Op]], held: Size, *, bias: bool
) -> list[Op]:
    """From queries to the output, tile by tile: they are scaled, and not the scores; both ends alone are kept."""
    scaled = scale("scale", query)._replace(saved=(query,))
    found = scores(scaled.output)
    weights = softmax("softmax", found[-1].output.view(w.batch, w.heads, w.tokens, w.tokens))
    mixed = matmul("mix", weights.output, by_head(value.output, w))._replace(scratch=held)
    output = linear("output", mixed.output.view(w.batch, w.tokens, w.attention_dim), w.dim, bias=bias)
    return [*fused("attention", scaled, *found, weights._replace(row_statistics=0), mixed), output]


def mhsa(w: Workload, *, bias: bool = False, **scored: bool) -> list[Op]:
    """Multi-head self-attention: softmax(q k^T / sqrt(e)) v with q, k and v all computed from x."""
    x = tokens_in(w)
    query = linear("query", x, w.attention_dim, bias=bias)
    key = linear("key", x, w.attention_dim, bias=bias)
    value = linear("value", x, w.attention_dim, bias=bias)
    scores = matmul("scores", by_head(query.output, w), transposed(by_head(key.output, w)))
    return [query, key, value, *_attend(w, scores, value, bias=bias, **scored)]


def mhsa_tiled(w: Workload, *, bias: bool = False) -> list[Op]:
    """MHSA some rows of queries at a time."""
    x = tokens_in(w)
    query, key, value = (linear(name, x, w.attention_dim, bias=bias) for name in ("query", "key", "value"))

    def scores(scaled: Tensor) -> list[Op]:
        return [matmul("scores", by_head(scaled, w), transposed(by_head(key.output, w)))]

    return [query, key, value, *_attend_tiled(w, query.output, value, scores, key_tile_elements(w), bias=bias)]


def ska(w: Workload, *, query: bool = True, bias: bool = False, **scored: bool) -> list[Op]:
    """Static key attention: softmax(q K^T / sqrt(e)) v with a learned K (h, n, e); query=false takes q = x."""
    x = tokens_in(w)
    queries = [linear("query", x, w.attention_dim, bias=bias)] if query else []
    value = linear("value", x, w.attention_dim, bias=bias)
    key = parameter("scores.key", w.heads, w.tokens, w.head_dim)
    scores = matmul("scores", by_head(queries[0].output if queries else x, w), transposed(key))
    return [*queries, value, *_attend(w, scores, value, bias=bias, **scored)]


def ska_tiled(w: Workload, *, query: bool = True, bias: bool = False) -> list[Op]:
    """SKA some rows of queries at a time."""
    x = tokens_in(w)
    queries = [linear("query", x, w.attention_dim, bias=bias)] if query else []
    value = linear("value", x, w.attention_dim, bias=bias)
    key = parameter("scores.key", w.heads, w.tokens, w.head_dim)

    def scores(scaled: Tensor) -> list[Op]:
        return [matmul("scores", by_head(scaled, w), transposed(key))]

    first = queries[0].output if queries else x
    return [*queries, value, *_attend_tiled(w, first, value, scores, key_tile_elements(w), bias=bias)]


def cska(w: Workload, *, bias: bool = False, conv_bias: bool = True, **scored: bool) -> list[Op]:
    """Convolutional static key attention: each head's scores are a k x k convolution of its query map.

    A class token has no place on the map: its query meets a static key of its own, (h, n, e), as in the authors' ViT.
    """
    x = tokens_in(w)
    query = linear("query", x, w.attention_dim, bias=bias)
    value = linear("value", x, w.attention_dim, bias=bias)
    query_map = query.output.view(w.batch, w.attention_dim, w.positions)
    scores = conv2d("scores", query_map, w.heads * w.tokens, w.head_dim, w.kernel_size, bias=conv_bias)
    if not w.class_tokens:
        return [query, value, *_attend(w, scores, value, bias=bias, **scored)]
    *apart, joined = _with_class_scores(w, query.output, scores)
    return [query, value, *apart, *_attend(w, joined, value, bias=bias, **scored)]


def _with_class_scores(w: Workload, query: Tensor, scores: Op) -> list[Op]:
    """The grid's scores, those of class tokens against a static key of their own, and both behind each other."""
    class_query = query.view(w.batch, w.heads, w.class_tokens, w.head_dim)
    key = parameter("class_scores.key", w.heads, w.tokens, w.head_dim)
    class_scores = matmul("class_scores", class_query, transposed(key))
    joined = concat("concat", class_scores.output, scores.output, w.batch, w.heads, w.tokens, w.tokens)
    return [scores, class_scores, joined]


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
    scores = matmul("scores", patches.output, transposed(key))._replace(parameters=(learned,))
    if conv_bias:  # columns are appended: to the patches, and to the weights, each in a copy
        assembled = Tensor("scores.assembled_key", key.shape)
        patches = patches._replace(scratch=w.batch * w.heads * w.tokens * patch)
        scores = scores._replace(kept=(patches.output, assembled), scratch=assembled.numel)
    return [query, value, patches, *_attend(w, scores, value, bias=bias)]


def cska_tiled(w: Workload, *, bias: bool = False, conv_bias: bool = True) -> list[Op]:
    """CSKA some of the grid's rows at a time: k x k patches of the query map times the static key."""
    x = tokens_in(w)
    query = linear("query", x, w.attention_dim, bias=bias)
    value = linear("value", x, w.attention_dim, bias=bias)

    def scores(scaled: Tensor) -> list[Op]:
        maps = scaled.view(w.batch, w.attention_dim, w.positions)
        by_position = conv2d("scores", maps, w.heads * w.tokens, w.head_dim, w.kernel_size, bias=conv_bias)
        return _with_class_scores(w, scaled, by_position) if w.class_tokens else [by_position]

    held = patch_tile_elements(w, bias=conv_bias)
    return [query, value, *_attend_tiled(w, query.output, value, scores, held, bias=bias)]
