"""The attention mixers as lists of ops, in each of their forms.

Definitions: "Static Key Attention in Vision" (Hu, Zhou, Rostami, arXiv 2412.07049). Op names are the names of the
submodules in `skaprof.nn`: that is how each op is proved on its own.

The scale e^-1/2 is on the queries (n x e), where the definitions have it on the scores (n x n): the same result for
less work. A fused kernel scales the scores, as it finds them, and so does a learned temperature. `scored` are the
options of `_eager`, which only the eager forms have.
"""

from collections.abc import Mapping, Sequence

from skaprof.model.layers import learned_scale, mask_diagonal
from skaprof.model.ops import (
    Op,
    Tensor,
    concat,
    conv2d,
    copied,
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


def projected(w: Workload, *names: str, bias: bool) -> list[Op]:
    """x through a linear layer of each name, to (batch, tokens, heads * head_dim)."""
    return [linear(name, tokens_in(w), w.attention_dim, bias=bias) for name in names]


def by_head(x: Tensor, w: Workload) -> Tensor:
    """x (batch, tokens, heads * head_dim) seen as (batch, heads, tokens, head_dim)."""
    return x.view(w.batch, w.heads, w.tokens, w.head_dim)


def transposed(x: Tensor) -> Tensor:
    *leading, rows, columns = x.shape
    return x.view(*leading, columns, rows)


def _mixed(w: Workload, scores: Tensor, value: Op, *, bias: bool) -> tuple[Op, Op, Op]:
    """From scores (batch, heads, tokens, tokens) to the output: softmax, times the values, projection."""
    weights = softmax("softmax", _of_pairs(w, scores))
    mixed = matmul("mix", weights.output, by_head(value.output, w))
    output = linear("output", mixed.output.view(w.batch, w.tokens, w.attention_dim), w.dim, bias=bias)
    return weights, mixed, output


def _eager(
    w: Workload,
    scores: Sequence[Op],
    value: Op,
    *,
    bias: bool,
    learned_temperature: bool = False,
    diagonal_mask: bool = False,
) -> list[Op]:
    """Scores to output, op by op. Values are made when the scores are gone, and copied by head, as what is mixed is.

    The scale may be one learned value, on the scores, and their diagonal masked.
    """
    steps = list(scores)
    if learned_temperature:
        steps.append(learned_scale("scale", _of_pairs(w, steps[-1].output), 1))
    if diagonal_mask:
        steps.append(mask_diagonal("mask", _of_pairs(w, steps[-1].output)))
    weights, mixed, output = _mixed(w, steps[-1].output, value, bias=bias)
    return [*steps, weights, copied(value), copied(mixed), output]


def _of_pairs(w: Workload, scores: Tensor) -> Tensor:
    return scores.view(w.batch, w.heads, w.tokens, w.tokens)


def _scaled(queries: Tensor, scored: Mapping[str, bool]) -> list[Op]:
    """The scale of the queries, unless it is learned: then it is one of the scores."""
    return [] if scored.get("learned_temperature") else [scale("scale", queries)]


def _fused(w: Workload, scores: Op, value: Op, *, bias: bool) -> list[Op]:
    """Scores to output in one kernel, which scales the scores."""
    scaled = scale("scale", scores.output)
    weights, mixed, output = _mixed(w, scaled.output, value, bias=bias)
    return [*fused("attention", scores, scaled, weights, mixed), output]


def _tiled(w: Workload, scaled: Op, scores: Sequence[Op], value: Op, held: Size, *, bias: bool) -> list[Op]:
    """Queries to output, tile by tile; both ends alone are kept."""
    weights, mixed, output = _mixed(w, scores[-1].output, value, bias=bias)
    scaled = scaled._replace(saved=scaled.inputs)
    weights, mixed = weights._replace(row_statistics=0), mixed._replace(scratch=held)
    return [*fused("attention", scaled, *scores, weights, mixed), output]


def mhsa(w: Workload, *, bias: bool = False, **scored: bool) -> list[Op]:
    """Multi-head self-attention: softmax(q k^T / sqrt(e)) v with q, k and v all computed from x."""
    query, key, value = projected(w, "query", "key", "value", bias=bias)
    *before, last = [query, *_scaled(query.output, scored)]
    scores = _products(w, last.output, by_head(key.output, w))
    return [*before, copied(last), copied(key), *_eager(w, [scores], value, bias=bias, **scored)]


def mhsa_fused(w: Workload, *, bias: bool = False) -> list[Op]:
    """MHSA with its attention in one kernel."""
    query, key, value = projected(w, "query", "key", "value", bias=bias)
    scores = _products(w, query.output, by_head(key.output, w))
    return [query, key, value, *_fused(w, scores, value, bias=bias)]


def mhsa_tiled(w: Workload, *, bias: bool = False) -> list[Op]:
    """MHSA some rows of queries at a time."""
    query, key, value = projected(w, "query", "key", "value", bias=bias)
    scaled = scale("scale", query.output)
    scores = _products(w, scaled.output, by_head(key.output, w))
    return [query, key, value, *_tiled(w, scaled, [scores], value, key_tile_elements(w), bias=bias)]


def _products(w: Workload, queries: Tensor, keys: Tensor) -> Op:
    """Scores of queries, by head, against keys (..., tokens, head_dim)."""
    return matmul("scores", by_head(queries, w), transposed(keys))


def ska(w: Workload, *, query: bool = True, bias: bool = False, **scored: bool) -> list[Op]:
    """Static key attention: softmax(q K^T / sqrt(e)) v with a learned K (h, n, e); query=false takes q = x."""
    projections, queries = _queries(w, query=query, bias=bias)
    (value,) = projected(w, "value", bias=bias)
    made = [*projections, *_scaled(queries, scored)]
    scores = _products(w, made[-1].output if made else queries, _key(w))
    if not made:  # x itself is copied by head
        scores = scores._replace(scratch=queries.numel)
    return [*made[:-1], *map(copied, made[-1:]), *_eager(w, [scores], value, bias=bias, **scored)]


def ska_fused(w: Workload, *, query: bool = True, bias: bool = False) -> list[Op]:
    """SKA with its attention in one kernel."""
    projections, queries = _queries(w, query=query, bias=bias)
    (value,) = projected(w, "value", bias=bias)
    return [*projections, value, *_fused(w, _products(w, queries, _key(w)), value, bias=bias)]


def ska_tiled(w: Workload, *, query: bool = True, bias: bool = False) -> list[Op]:
    """SKA some rows of queries at a time."""
    projections, queries = _queries(w, query=query, bias=bias)
    (value,) = projected(w, "value", bias=bias)
    scaled = scale("scale", queries)
    scores = _products(w, scaled.output, _key(w))
    return [*projections, value, *_tiled(w, scaled, [scores], value, key_tile_elements(w), bias=bias)]


def _queries(w: Workload, *, query: bool, bias: bool) -> tuple[list[Op], Tensor]:
    """What makes SKA's queries, and these; they are x itself where there is no query projection."""
    projections = projected(w, "query", bias=bias) if query else []
    return projections, projections[0].output if query else tokens_in(w)


def _key(w: Workload) -> Tensor:
    return parameter("scores.key", w.heads, w.tokens, w.head_dim)


def cska(w: Workload, *, bias: bool = False, conv_bias: bool = True, **scored: bool) -> list[Op]:
    """Convolutional static key attention: each head's scores are a k x k convolution of its query map.

    A class token has no place on the map: its query meets a static key of its own, (h, n, e), as in the authors' ViT.
    """
    query, value = projected(w, "query", "value", bias=bias)
    scaled = _scaled(query.output, scored)
    queries = [query, *scaled][-1].output
    *scores, last = _scores_by_position(w, queries, bias=conv_bias, scales_bias=bool(scaled))
    if w.class_tokens:  # whose queries are copied by head
        *scores, of_classes = scores
        copies = Tensor("class_scores.queries", of_classes.inputs[0].shape)
        scores.append(of_classes._replace(scratch=copies.numel, kept=(copies,)))
    else:  # the map has the keys last already, and all heads of a position before the next
        last = copied(last)
    return [query, *scaled, *_eager(w, [*scores, last], value, bias=bias, **scored)]


def _scores_by_position(w: Workload, queries: Tensor, *, bias: bool, scales_bias: bool = True) -> list[Op]:
    """Scores of queries: the grid's by a convolution, its bias scaled where they are, and those of class tokens."""
    query_map = queries.view(w.batch, w.attention_dim, w.positions)
    scores = conv2d("scores", query_map, w.heads * w.tokens, w.head_dim, w.kernel_size, bias=bias)
    found = [scores]
    if bias and scales_bias:
        scaled = scale("bias_scale", scores.parameters[-1])
        found = [scaled, scores._replace(inputs=(*scores.inputs, scaled.output))]
    if w.class_tokens:
        class_query = queries.view(w.batch, w.heads, w.class_tokens, w.head_dim)
        key = parameter("class_scores.key", w.heads, w.tokens, w.head_dim)
        of_classes = matmul("class_scores", class_query, transposed(key))
        joined = concat("concat", of_classes.output, scores.output, w.batch, w.heads, w.tokens, w.tokens)
        found += [of_classes, joined]
    return found


def cska_unfolded(w: Workload, *, bias: bool = False, conv_bias: bool = True) -> list[Op]:
    """CSKA as attention with unfolded queries: q' = patches of q ++ ones, K' = conv weight ++ bias ++ zeros.

    The same result, which a fused attention kernel can compute without the n x n scores in memory. The bias takes
    UNFOLDED_BIAS_COLUMNS columns, which cost so many times h n^2 MACs more.
    """
    query, value = projected(w, "query", "value", bias=bias)
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
    return [query, value, patches, *_fused(w, scores, value, bias=bias)]


def cska_tiled(w: Workload, *, bias: bool = False, conv_bias: bool = True) -> list[Op]:
    """CSKA some of the grid's rows at a time: k x k patches of the query map times the static key."""
    query, value = projected(w, "query", "value", bias=bias)
    scaled = scale("scale", query.output)
    scores = _scores_by_position(w, scaled.output, bias=conv_bias)
    held = patch_tile_elements(w, bias=conv_bias)
    return [query, value, *_tiled(w, scaled, scores, value, held, bias=bias)]
