"""SKA and CSKA as Triton's kernels run them: all from the scores to the mixed values is one op.

Scores are scaled, and not the queries; the backward pass makes them once more.
"""

from skaprof.model.attention import by_head, tokens_in, transposed
from skaprof.model.ops import Op, Tensor, concat, conv2d, fused, linear, matmul, parameter, scale, softmax
from skaprof.workload import Workload


def _attend(w: Workload, *scores: Op, value: Op, bias: bool) -> list[Op]:
    scaled = scale("scale", scores[-1].output.view(w.batch, w.heads, w.tokens, w.tokens))
    weights = softmax("softmax", scaled.output)
    mixed = matmul("mix", weights.output, by_head(value.output, w))
    output = linear("output", mixed.output.view(w.batch, w.tokens, w.attention_dim), w.dim, bias=bias)
    return [*fused("attention", *scores, scaled, weights, mixed), output]


def ska_triton(w: Workload, *, query: bool = True, bias: bool = False) -> list[Op]:
    """SKA in one kernel, whose key has no copy for each image."""
    x = tokens_in(w)
    queries = [linear("query", x, w.attention_dim, bias=bias)] if query else []
    value = linear("value", x, w.attention_dim, bias=bias)
    key = parameter("scores.key", w.heads, w.tokens, w.head_dim)
    scores = matmul("scores", by_head(queries[0].output if queries else x, w), transposed(key))
    return [*queries, value, *_attend(w, scores, value=value, bias=bias)]


def cska_triton(w: Workload, *, bias: bool = False, conv_bias: bool = True) -> list[Op]:
    """CSKA in one kernel, which reads each k x k neighbourhood from the query map; class tokens in a second one."""
    x = tokens_in(w)
    query = linear("query", x, w.attention_dim, bias=bias)
    value = linear("value", x, w.attention_dim, bias=bias)
    query_map = query.output.view(w.batch, w.attention_dim, w.positions)
    scores = conv2d("scores", query_map, w.heads * w.tokens, w.head_dim, w.kernel_size, bias=conv_bias)
    if not w.class_tokens:
        return [query, value, *_attend(w, scores, value=value, bias=bias)]
    return [query, value, *_attend(w, scores, *_of_classes(w, query.output, scores), value=value, bias=bias)]


def _of_classes(w: Workload, query: Tensor, scores: Op) -> tuple[Op, Op]:
    """The scores of class tokens, against a key of their own, and those of all tokens behind each other."""
    class_query = query.view(w.batch, w.heads, w.class_tokens, w.head_dim)
    key = parameter("class_scores.key", w.heads, w.tokens, w.head_dim)
    class_scores = matmul("class_scores", class_query, transposed(key))
    joined = concat("concat", class_scores.output, scores.output, w.batch, w.heads, w.tokens, w.tokens)
    return class_scores, joined
