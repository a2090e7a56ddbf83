"""What each counter is known to leave out of each op, so that an omission is either predicted or an error.

Sources: fvcore 0.1.5 `fvcore/nn/jit_analysis.py` (ignored ops) and `flop_count.py` (supported ops); PyTorch
`torch/utils/flop_counter.py` (flop_registry). The names in the tables are those the modules of `skaprof.nn`
produce; `NO_MULTIPLY_ADDS` is for modules of others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

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
    "add": ("aten::add",),
    "position": ("aten::add",),
    "token_mean": ("aten::mean",),
    "fused_attention": ("aten::scaled_dot_product_attention",),  # the whole of it: fvcore counts SDPA as nothing
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
    "add": ("aten.add",),
    "position": ("aten.add",),
    "token_mean": ("aten.mean",),
}

FVCORE_LAYOUT = frozenset({"aten::pad", "aten::unflatten"})
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
    )
)
"""Elementwise ops that autograd runs for the modules of `skaprof.nn`; none of them hides a matrix product."""

_NO_MULTIPLY_ADDS = """
_adaptive_avg_pool2d _adaptive_avg_pool3d _assert_async _assert_tensor_metadata _batch_norm_impl_index
_batch_norm_no_update _fused_rms_norm _local_scalar_dense _log_softmax _native_batch_norm_legit
_native_batch_norm_legit_no_training _pad_circular _reshape_alias _safe_softmax _softmax _to_copy _unsafe_view
_upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact2d _weight_norm _weight_norm_interface
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d all
alpha_dropout amax amin aminmax any arange argmax argmin argsort avg_pool1d avg_pool2d avg_pool3d batch_norm
bernoulli bincount bucketize cat channel_shuffle chunk clone col2im column_stack concat concatenate constant_pad_nd
contiguous copy_ count_nonzero cudnn_batch_norm cummax cummin cumprod cumsum diag diag_embed diagonal_scatter
dropout dstack embedding empty empty_like empty_strided equal expand exponential eye feature_dropout fill_ flatten
flip fliplr flipud full full_like gather grid_sampler grid_sampler_2d group_norm hstack im2col index index_add
index_copy index_fill index_put index_select instance_norm kthvalue layer_norm lift lift_fresh lift_fresh_copy
linalg_vector_norm linspace log_softmax logcumsumexp logsumexp masked_scatter masked_select max max_pool1d
max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d max_pool3d_with_indices mean median meshgrid
min mode nanmean nanmedian nansum native_batch_norm native_channel_shuffle native_dropout native_group_norm
native_layer_norm new_empty new_empty_strided new_full new_ones new_zeros nonzero norm normal normal_functional
one_hot ones ones_like pad pixel_shuffle pixel_unshuffle prod rand rand_like randint randint_like randn randn_like
randperm reflection_pad1d reflection_pad2d reflection_pad3d repeat repeat_interleave replication_pad1d
replication_pad2d replication_pad3d resolve_conj resolve_neg rms_norm roll rot90 scalar_tensor scatter scatter_add
scatter_reduce searchsorted select_scatter slice_scatter softmax sort split split_with_sizes stack std std_mean sum
take take_along_dim tensor_split tile to topk tril tril_indices triu triu_indices type_as unflatten unfold uniform
unique_consecutive unsafe_chunk unsafe_split unsafe_split_with_sizes upsample_bicubic2d upsample_bilinear2d
upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_trilinear3d var var_mean vstack
where zeros zeros_like
"""
NO_MULTIPLY_ADDS = frozenset(_NO_MULTIPLY_ADDS.split())
"""ATen ops that reduce, normalize, interpolate or move data: no linear layer, matrix product or convolution in them.

Elementwise ops and views are not listed: PyTorch marks those itself.
"""


def predicted(table: dict[str, tuple[str, ...]], kinds: Iterable[str]) -> Counter[str]:
    """The ops that a counter with this table leaves out of ops of these kinds."""
    return Counter(name for kind in kinds for name in table.get(kind, ()))
