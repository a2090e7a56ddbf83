"""MACs of matrix products, as integers: dense ones from their shapes, sparse ones from their non-zeros.

Each formula takes an op's arguments and what it gave. One multiply-add of real numbers is 1; `rules` counts those of
complex numbers four times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

Formula = Callable[[Sequence[Any], Mapping[str, Any], Any], int]
"""From an op's arguments, those by name, and its result to its MACs.

Raises:
    NoFormulaError: these arguments are beyond it, and why.
"""

_COMPRESSED_BY_ROW = (torch.sparse_csr, torch.sparse_bsr)
_COMPRESSED = (*_COMPRESSED_BY_ROW, torch.sparse_csc, torch.sparse_bsc)
SPARSE_LAYOUTS = (torch.sparse_coo, *_COMPRESSED)


class NoFormulaError(Exception):
    """Why the MACs of this call of an op cannot be told."""


class NeedsValuesError(NoFormulaError):
    """The same, of tensors on meta, whose numbers say how much it is."""


def product(left: int, right: int) -> Formula:
    """The formula of a matrix product of the arguments at these places: (..., n, k) with (..., k, m) or (k)."""

    def macs(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
        return multiply_adds(args[left], args[right])

    return macs


def multiply_adds(a: Tensor, b: Tensor) -> int:
    """MACs of a @ b, either of which may be sparse: each non-zero of one meets a row of the other."""
    if a.layout in SPARSE_LAYOUTS and b.layout in SPARSE_LAYOUTS:
        return _both_sparse(a, b)
    if a.layout in SPARSE_LAYOUTS:
        return non_zeros(a) * (b.shape[-1] if b.dim() > 1 else 1)
    if b.layout in SPARSE_LAYOUTS:
        return non_zeros(b) * a.shape[-2]
    return a.numel() * (b.shape[-1] if b.dim() > 1 else 1)


def non_zeros(x: Tensor) -> int:
    """How many numbers a sparse tensor holds, those of its blocks among them.

    Raises:
        NoFormulaError: it is on meta, where nobody knows.
    """
    if x.is_meta:
        raise NeedsValuesError("a sparse tensor on meta holds no indices to count")
    return int(x._values().numel() if x.layout is torch.sparse_coo else x.values().numel())


def _both_sparse(a: Tensor, b: Tensor) -> int:
    """For each k, the non-zeros in column k of a meet those in row k of b."""
    non_zeros(a)
    if a.dim() != 2 or b.dim() != 2:
        raise NoFormulaError("a product of two sparse tensors that are no matrices")
    columns = torch.bincount(_indices(a, 1), minlength=a.shape[1])
    rows = torch.bincount(_indices(b, 0), minlength=b.shape[0])
    return int((columns * rows).sum())


def _indices(x: Tensor, axis: int) -> Tensor:
    if x.layout is not torch.sparse_coo:
        if x.values().dim() != 1:
            raise NoFormulaError("a product of two sparse tensors in blocks")
        x = x.to_sparse_coo()
    return x._indices()[axis]


def _sampled(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """Only the elements that the first argument has are computed of a @ b."""
    return non_zeros(args[0]) * int(args[1].shape[-1])


def _linear(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """x (..., in) -> (..., out), whatever form the weights have."""
    return int(args[0].numel() * out.shape[-1])


def _outer_sum(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """affine_grid: theta (batch, d, d + 1) times the points of a grid, output (batch, ..., d)."""
    return int(out.numel() * args[0].shape[-1])


def _grouped(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """Products of groups of rows, columns or inner elements, which end at `offs`."""
    a, b = args[0], args[1]
    ends = args[2] if len(args) > 2 else kwargs.get("offs")
    if ends is None:
        return multiply_adds(a, b)
    if ends.is_meta:
        raise NeedsValuesError("the groups' sizes are on meta")
    grouped = int(ends[-1])
    if a.dim() == 2 and b.dim() == 3:
        return grouped * int(a.shape[1] * b.shape[2])
    return grouped * int(a.shape[-2] * (a.shape[-1] if a.dim() == 3 else b.shape[-1]))


def _trilinear(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """The sum of a * b * c over some axes: first a times b, summed over what c lacks, then times c (as F.bilinear)."""
    a, b, c, *expanded, summed = args[:7]
    unrolled = args[7] if len(args) > 7 else 1
    shapes = [_with_ones(x.shape, axes) for x, axes in zip((a, b, c), expanded, strict=True)]
    first = {axis for axis in summed if axis in expanded[2] or axis == unrolled}
    both = _paired(shapes[0], shapes[1], first)
    between = [1 if axis in first else max(sizes) for axis, sizes in enumerate(zip(*shapes[:2], strict=True))]
    return both + _paired(between, shapes[2], set(summed) - first)


def _with_ones(shape: Sequence[int], axes: Sequence[int]) -> list[int]:
    sizes = iter(shape)
    return [1 if axis in axes else next(sizes) for axis in range(len(shape) + len(axes))]


def _paired(a: Sequence[int], b: Sequence[int], summed: set[int]) -> int:
    """MACs of the product of two broadcast shapes summed over axes that both have; none where none is."""
    shared = {axis for axis in summed if a[axis] > 1 and b[axis] > 1}
    alone = summed - shared
    sizes = [max(pair) for axis, pair in enumerate(zip(a, b, strict=True)) if axis not in alone]
    return prod(sizes) if summed and (shared or not alone) else 0


def _weighted_bag(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """A weighted sum of rows of a table is a product with a sparse matrix; an unweighted one only adds."""
    weights = args[6] if len(args) > 6 else kwargs.get("per_sample_weights")
    return 0 if weights is None else int(args[1].numel() * args[0].shape[1])


def _weighted_bag_backward(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """The gradient of each row is the bag's, times the row's weight where it has one."""
    weights = args[10] if len(args) > 10 else kwargs.get("per_sample_weights")
    return 0 if weights is None else int(args[1].numel() * args[0].shape[1])


def _bag_weights_backward(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """The gradient of each weight is its row times its bag's gradient."""
    return int(args[2].numel() * args[1].shape[1])


def _each_product(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    return sum(multiply_adds(a, b) for a, b in zip(args[0], args[1], strict=True))


PRODUCTS: dict[str, Formula] = {
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot", "_int_mm", "_scaled_mm", "_scaled_mm_v2"), product(0, 1)),
    **dict.fromkeys(("matmul", "linalg_matmul", "_sparse_mm", "_sparse_sparse_matmul"), product(0, 1)),
    "_sparse_mm_reduce_impl": product(0, 1),
    **dict.fromkeys(("addmm", "baddbmm", "addbmm", "addmv", "sspaddmm", "_sparse_addmm"), product(1, 2)),
    "_addmm_activation": product(1, 2),
    "hspmm": product(0, 1),
    "sparse_sampled_addmm": _sampled,
    **dict.fromkeys(("linear", "mkldnn_linear", "_mixed_dtypes_linear", "_weight_int8pack_mm"), _linear),
    **dict.fromkeys(("_weight_int4pack_mm", "_weight_int4pack_mm_for_cpu", "_dyn_quant_matmul_4bit"), _linear),
    "_grouped_mm": _grouped,
    "_foreach_mm": _each_product,
    "affine_grid_generator": _outer_sum,
    "_trilinear": _trilinear,
    **dict.fromkeys(("_embedding_bag", "_embedding_bag_forward_only"), _weighted_bag),
    "_embedding_bag_backward": _weighted_bag_backward,
    "_embedding_bag_per_sample_weights_backward": _bag_weights_backward,
}
"""By the name of the op in ATen; in-place forms are those of the name without its underscore."""
