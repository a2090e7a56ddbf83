"""What each counter is known to leave out of each op, so that an omission is either predicted or an error.

Sources: fvcore 0.1.5 `fvcore/nn/jit_analysis.py` (ignored ops) and `flop_count.py` (supported ops); PyTorch
`torch/utils/flop_counter.py` (flop_registry). The names in the tables are those the modules of `skaprof.nn`
produce; `without_macs` is for modules of others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from skaprof.workload import FUSED, TILED, TRITON

GROUP_KINDS = {FUSED: "fused_attention", TILED: "tiled_attention", TRITON: "triton_attention"}
"""What the attention of each form is, where one submodule runs all of it."""
TILED_GROUP = GROUP_KINDS[TILED]

FVCORE_LEAVES_OUT: dict[str, tuple[str, ...]] = {
    "scale": ("aten::mul",),
    "softmax": ("aten::softmax",),
    "elu_plus_one": ("aten::elu", "aten::add"),
    "token_sum": ("aten::sum",),
    "divide": ("aten::div",),
    "subtract": ("aten::sub",),
    "average_pool": ("aten::avg_pool2d",),
    "star_relu": ("aten::square", "aten::mul", "aten::add"),  # its relu is on fvcore's ignore list
    "unfold": ("aten::im2col",),
    "gelu": ("aten::gelu",),
    "squared_relu": ("aten::square",),
    "learned_scale": ("aten::mul",),
    "diagonal_mask": ("aten::diagonal_scatter",),
    "add": ("aten::add",),
    "position": ("aten::add",),
    "token_mean": ("aten::mean",),
    GROUP_KINDS[FUSED]: ("aten::scaled_dot_product_attention",),  # the whole of it: fvcore counts SDPA as nothing
    TILED_GROUP: ("aten::mul", "aten::mul_", "aten::add_", "aten::softmax", "aten::unfold"),
    GROUP_KINDS[TRITON]: ("skaprof::static_key_attention",),  # the whole of it
}

TORCH_LEAVES_OUT: dict[str, tuple[str, ...]] = {
    "scale": ("aten.mul",),
    "softmax": ("aten._softmax",),
    "elu_plus_one": ("aten.elu", "aten.add"),
    "token_sum": ("aten.sum",),
    "divide": ("aten.div",),
    "subtract": ("aten.sub",),
    "average_pool": ("aten.avg_pool2d",),
    "star_relu": ("aten.relu", "aten.pow", "aten.mul", "aten.add"),
    "unfold": ("aten.im2col",),
    "layer_norm": ("aten.native_layer_norm",),
    "group_norm": ("aten.native_group_norm",),
    "gelu": ("aten.gelu",),
    "squared_relu": ("aten.relu", "aten.pow"),
    "learned_scale": ("aten.mul",),
    "diagonal_mask": ("aten.new_full", "aten.diagonal_scatter"),
    "add": ("aten.add",),
    "position": ("aten.add",),
    "token_mean": ("aten.mean",),
    TILED_GROUP: ("aten.mul", "aten.mul_", "aten.add_", "aten.softmax", "aten.unfold", "aten.new_empty"),
}

FVCORE_LAYOUT = frozenset({"aten::clone", "aten::pad", "aten::unflatten"})
"""Ops that fvcore lists as unsupported though they only move data."""

TORCH_LAYOUT = frozenset(
    f"aten.{name}"
    for name in (
        "_reshape_alias",
        "_unsafe_view",
        "alias",
        "as_strided",
        "cat",
        "clone",
        "copy_",
        "constant_pad_nd",
        "detach",
        "empty_like",
        "expand",
        "new_empty_strided",
        "permute",
        "select",
        "slice",
        "squeeze",
        "t",
        "transpose",
        "unsqueeze",
        "view",
    )
)
"""Ops below FlopCounterMode that only move or relabel data."""

TORCH_BACKWARD_ELEMENTWISE = frozenset(
    f"aten.{name}"
    for name in (
        "_softmax_backward_data",
        "add",
        "add_",
        "avg_pool2d_backward",
        "col2im",
        "diagonal_scatter",
        "div",
        "elu_backward",
        "fill",
        "gelu_backward",
        "mul",
        "native_group_norm_backward",
        "native_layer_norm_backward",
        "neg",
        "new_empty",
        "new_zeros",
        "ones_like",
        "pow",
        "select_backward",
        "slice_backward",
        "sum",
        "threshold_backward",
        "zeros",
        "zeros_like",
    )
)
"""Elementwise ops that autograd runs for the modules of `skaprof.nn`; none of them hides a matrix product."""


def predicted(table: dict[str, tuple[str, ...]], kinds: Iterable[str]) -> Counter[str]:
    """The ops that a counter with this table leaves out of ops of these kinds."""
    return Counter(name for kind in kinds for name in table.get(kind, ()))
