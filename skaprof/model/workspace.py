"""What PyTorch's kernels take on a processor beside their inputs and outputs: what has a formula, and what not."""

from collections.abc import Sequence

from skaprof.model.cost import OpCost
from skaprof.model.memory import STATISTIC_BYTES
from skaprof.workload import DTYPE_BYTES, FUSED, TILED, Workload

_QUERIES_AT_A_TIME = ((768, 256), (192, 64), (1, 32))
"""From so many queries on, how many of them a block has."""
_KEYS_AT_A_TIME = 512


def fused_workspace(w: Workload, dtype: str, threads: int) -> int:
    """Bytes of scratch of the fused attention: for each thread a block of scores, its rows' maxima and sums, and the
    values that it mixes.

    In half precision these are float32, and the block is there once more in the dtype; in float64 each row's statistic
    is wider than elsewhere. PyTorch 2.13, aten/src/ATen/native/cpu/FlashAttentionKernel.cpp; queries as wide as values.
    """
    queries = min(w.tokens, next(rows for least, rows in _QUERIES_AT_A_TIME if w.tokens >= least))
    keys = min(w.tokens, _KEYS_AT_A_TIME)
    size = DTYPE_BYTES[dtype]
    accumulated = max(size, DTYPE_BYTES["float32"])
    narrowed = queries * (keys + keys % 2) * size if size < accumulated else 0
    wider = w.batch * w.heads * w.tokens * (accumulated - STATISTIC_BYTES)
    return int(threads * (queries * (keys + 2 + w.head_dim) * accumulated + narrowed) + wider)


def unmodelled(costs: Sequence[OpCost], implementation: str, dtype: str) -> str:
    """What kernels may take that no formula here tells, in words; "" for nothing."""
    kinds = {cost.kind for cost in costs}
    if implementation == FUSED and "unfold" in kinds:
        return "PyTorch runs attention of queries wider than values as plain operations, with all scores"
    if implementation != TILED and "conv2d" in kinds:
        return "a convolution takes its weights, and at times its input and output, in layouts of its own"
    if DTYPE_BYTES[dtype] < DTYPE_BYTES["float32"] and kinds & {"linear", "matmul"}:
        return "products in half precision may run on copies"
    return ""
