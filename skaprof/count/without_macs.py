"""Ops known to have no multiply-adds of the kind counted here: a linear layer, matrix product or convolution in them.

Not an open default: an op is named here, or PyTorch marks it as elementwise or as a view, or nobody knows it. Distances
between all pairs (`cdist`), Fourier transforms, and decompositions and inverses of matrices are left out on purpose:
what they multiply depends on the algorithm that a library picks, so no count of them is exact.
"""

from __future__ import annotations

from typing import Any

import torch

_NO_MULTIPLY_ADDS = """
_adaptive_avg_pool2d _adaptive_avg_pool2d_backward _adaptive_avg_pool3d _adaptive_avg_pool3d_backward _add_relu
_aminmax _amp_foreach_non_finite_check_and_unscale _amp_update_scale _assert_async _assert_scalar
_assert_tensor_metadata _batch_norm_impl_index _batch_norm_no_update _batch_norm_with_update
_batch_norm_with_update_functional _chunk_cat _coalesce _coalesced _convert_indices_from_coo_to_csr
_convert_indices_from_csr_to_coo _convert_weight_to_int4pack _convert_weight_to_int4pack_for_cpu _copy_from _ctc_loss
_ctc_loss_backward _cummax_helper _cummin_helper _dimI _dimV _efficientzerotensor _embedding_bag_dense_backward
_empty_affine_quantized _empty_per_channel_affine_quantized _fake_quantize_learnable_per_channel_affine
_fake_quantize_learnable_per_channel_affine_backward _fake_quantize_learnable_per_tensor_affine
_fake_quantize_learnable_per_tensor_affine_backward _fake_quantize_per_tensor_affine_cachemask_tensor_qparams
_fill_mem_eff_dropout_mask_ _functional_assert_async _functional_assert_scalar _functional_sym_constrain_range
_functional_sym_constrain_range_for_size _fused_dropout _fused_moving_avg_obs_fq_helper
_fused_moving_avg_obs_fq_helper_functional _fused_rms_norm _fused_rms_norm_backward _fused_sdp_choice
_grid_sampler_2d_cpu_fallback _grid_sampler_2d_cpu_fallback_backward _has_same_storage_numel _index_put_impl
_is_all_true _is_any_true _jagged_to_padded_dense_forward _lazy_clone _local_scalar_dense _log_softmax
_log_softmax_backward_data _logcumsumexp _make_per_channel_quantized_tensor _make_per_tensor_quantized_tensor
_masked_scale _masked_softmax _masked_softmax_backward _mkldnn_reshape _mkldnn_transpose _native_batch_norm_legit
_native_batch_norm_legit_functional _native_batch_norm_legit_no_training _nested_from_padded _nested_select_backward
_nested_sum_backward _nested_tensor_from_mask _nested_tensor_from_mask_left_aligned _nested_tensor_size
_nested_tensor_storage_offsets _nested_tensor_strides _new_zeros_with_same_feature_meta _nnz _pack_padded_sequence
_pad_circular _padded_dense_to_jagged_forward _pin_memory _prelu_kernel _prelu_kernel_backward _reshape_alias
_reshape_copy _resize_output _safe_softmax _segment_reduce_backward _softmax _softmax_backward_data
_sparse_compressed_tensor_with_dims _sparse_coo_tensor_with_dims _sparse_coo_tensor_with_dims_and_tensors
_sparse_csr_prod _sparse_csr_sum _sparse_log_softmax _sparse_log_softmax_backward_data _sparse_mask_projection
_sparse_softmax _sparse_softmax_backward_data _sparse_sum _sparse_sum_backward _spdiags _stack _standard_gamma
_standard_gamma_grad _thnn_fused_gru_cell _thnn_fused_gru_cell_backward _thnn_fused_lstm_cell
_thnn_fused_lstm_cell_backward_impl _to_copy _to_dense _to_sparse _to_sparse_bsc _to_sparse_bsr _to_sparse_csc
_to_sparse_csr _transform_bias_rescale_qkv _unique _unique2 _unsafe_index _unsafe_index_put _unsafe_masked_index
_unsafe_masked_index_put_accumulate _unsafe_view _upsample_bicubic2d_aa _upsample_bicubic2d_aa_backward
_upsample_bilinear2d_aa _upsample_bilinear2d_aa_backward _upsample_lanczos2d_aa _upsample_nearest_exact1d
_upsample_nearest_exact1d_backward _upsample_nearest_exact2d _upsample_nearest_exact2d_backward
_upsample_nearest_exact3d _upsample_nearest_exact3d_backward _validate_compressed_sparse_indices _weight_norm
_weight_norm_interface _weight_norm_interface_backward adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
adaptive_avg_pool3d_backward adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool2d_backward adaptive_max_pool3d
adaptive_max_pool3d_backward addr all allclose alpha_dropout amax amin aminmax any arange argmax argmin argsort
as_strided_scatter avg_pool1d avg_pool2d avg_pool2d_backward avg_pool3d avg_pool3d_backward bartlett_window batch_norm
batch_norm_backward batch_norm_elemt batch_norm_stats batch_norm_update_stats bernoulli binary_cross_entropy
binary_cross_entropy_backward binary_cross_entropy_with_logits bincount binomial blackman_window block_diag bucketize
cat cauchy celu channel_shuffle chunk clone col2im column_stack complex concat concatenate constant_pad_nd contiguous
copy copy_ copy_sparse_to_sparse count_nonzero cudnn_batch_norm cudnn_batch_norm_backward cudnn_grid_sampler
cudnn_grid_sampler_backward cummax cummin cumprod cumsum dense_dim dequantize diag diag_embed diagonal_backward
diagonal_scatter dist dropout dstack elu_backward embedding embedding_dense_backward embedding_renorm empty empty_like
empty_permuted empty_quantized empty_strided equal expand exponential eye fake_quantize_per_channel_affine_cachemask
fake_quantize_per_tensor_affine_cachemask feature_dropout fft_fftfreq fft_rfftfreq fill fill_ flatten flip fliplr
flipud floor_divide fractional_max_pool2d fractional_max_pool2d_backward fractional_max_pool3d
fractional_max_pool3d_backward from_file full full_like gather geometric glu glu_backward glu_backward_jvp glu_jvp
grid_sampler grid_sampler_2d grid_sampler_2d_backward grid_sampler_3d grid_sampler_3d_backward group_norm
hamming_window hann_window hardshrink_backward hardsigmoid_backward hardswish hardswish_backward hardtanh_backward
hash_tensor histc histogram hstack huber_loss huber_loss_backward im2col index index_add index_copy index_fill
index_put index_reduce index_select instance_norm int_repr is_coalesced is_pinned is_same_size is_set_to isin
kaiser_window kthvalue layer_norm leaky_relu_backward lift lift_fresh lift_fresh_copy linalg__powsum linalg_cross
linalg_vector_norm linspace log_normal log_sigmoid_backward log_sigmoid_forward log_softmax logcumsumexp logspace
logsumexp masked_scatter masked_scatter_backward masked_select max max_pool1d max_pool1d_with_indices max_pool2d
max_pool2d_backward max_pool2d_with_indices max_pool2d_with_indices_backward max_pool3d max_pool3d_with_indices
max_pool3d_with_indices_backward max_unpool2d max_unpool3d mean median meshgrid min mkldnn_adaptive_avg_pool2d
mkldnn_adaptive_avg_pool2d_backward mkldnn_max_pool2d mkldnn_max_pool2d_backward mkldnn_max_pool3d
mkldnn_max_pool3d_backward mkldnn_reorder_conv2d_weight mkldnn_reorder_conv3d_weight mode mse_loss mse_loss_backward
multi_margin_loss multi_margin_loss_backward multilabel_margin_loss_backward multilabel_margin_loss_forward
multinomial nanmean nanmedian nansum native_batch_norm native_batch_norm_backward native_channel_shuffle
native_dropout native_group_norm native_group_norm_backward native_layer_norm native_layer_norm_backward native_norm
new_empty new_empty_strided new_full new_ones new_zeros nll_loss2d_backward nll_loss2d_forward nll_loss_backward
nll_loss_forward nonzero nonzero_static norm normal normal_functional one_hot ones ones_like pad pixel_shuffle
pixel_unshuffle poisson polar prod put q_per_channel_axis q_per_channel_scales q_per_channel_zero_points q_scale
q_zero_point qscheme quantize_per_channel quantize_per_tensor quantize_per_tensor_dynamic quantized_batch_norm
quantized_max_pool1d quantized_max_pool2d quantized_max_pool3d rand rand_like randint randint_like randn randn_like
random randperm range record_stream reflection_pad1d reflection_pad1d_backward reflection_pad2d
reflection_pad2d_backward reflection_pad3d reflection_pad3d_backward renorm repeat repeat_interleave replication_pad1d
replication_pad1d_backward replication_pad2d replication_pad2d_backward replication_pad3d replication_pad3d_backward
resize resize_as resize_as_sparse resolve_conj resolve_neg rms_norm roll rot90 rrelu_with_noise
rrelu_with_noise_backward rrelu_with_noise_functional scalar_tensor scatter scatter_add scatter_reduce searchsorted
segment_reduce select_backward select_scatter set slice_backward slice_scatter smooth_l1_loss smooth_l1_loss_backward
soft_margin_loss soft_margin_loss_backward softmax softplus_backward softshrink_backward sort sparse_compressed_tensor
sparse_coo_tensor sparse_dim sparse_mask sparse_resize sparse_resize_and_clear split split_with_sizes stack std
std_mean sum sym_constrain_range sym_constrain_range_for_size take take_along_dim tensor_split threshold
threshold_backward tile to to_mkldnn to_padded_tensor topk trace tril tril_indices triu triu_indices type_as unflatten
unfold unfold_backward uniform unique_consecutive unique_dim unique_dim_consecutive unsafe_chunk unsafe_split
unsafe_split_with_sizes upsample_bicubic2d upsample_bicubic2d_backward upsample_bilinear2d
upsample_bilinear2d_backward upsample_linear1d upsample_linear1d_backward upsample_nearest1d
upsample_nearest1d_backward upsample_nearest2d upsample_nearest2d_backward upsample_nearest3d
upsample_nearest3d_backward upsample_trilinear3d upsample_trilinear3d_backward var var_mean vstack where zero zeros
zeros_like
"""
NO_MULTIPLY_ADDS = frozenset(_NO_MULTIPLY_ADDS.split())
"""ATen ops that reduce, normalize, interpolate, quantize, sample, compare or move data."""
_QUANTIZED = frozenset(
    f"quantized.{name}"
    for name in (
        *(
            "add",
            "add_relu",
            "add_scalar",
            "add_scalar_relu",
            "mul",
            "mul_relu",
            "mul_scalar",
            "mul_scalar_relu",
            "cat",
        ),
        *("cat_relu", "batch_norm", "batch_norm1d", "batch_norm2d", "batch_norm3d", "batch_norm_relu", "celu", "clamp"),
        *(
            "batch_norm1d_relu",
            "batch_norm2d_relu",
            "batch_norm3d_relu",
            "dropout",
            "elu",
            "embedding_4bit",
            "group_norm",
        ),
        *(
            "embedding_byte",
            "hardswish",
            "instance_norm",
            "layer_norm",
            "leaky_relu",
            "max_pool1d",
            "max_pool2d",
            "prelu",
        ),
        *("relu6", "sigmoid", "softmax", "threshold"),
    )
)
_BOOKKEEPING = ("profiler", "prim", "debug_mode_ops")
"""Namespaces of ops that compute nothing."""


def holds_no_macs(op: str) -> bool:
    """Whether an op, named as `aten::mul` or `aten.mul`, is known to hold no multiply-adds of the kind counted here."""
    namespace, _, name = op.replace("::", ".").partition(".")
    if namespace in _BOOKKEEPING:
        return not name.startswith(("PythonOp", "Call"))
    if namespace == "quantized":
        return op.replace("::", ".") in _QUANTIZED
    if namespace != "aten" or not name.isidentifier():
        return False
    if name.startswith(("_foreach_", "_fused_ada", "_fused_sgd")):
        return name != "_foreach_mm"  # for each tensor of a list, what the op without the prefix does
    forms = (name, name.removesuffix("_"))
    return any(form in NO_MULTIPLY_ADDS or _is_marked(getattr(torch.ops.aten, form, None)) for form in forms)


def _is_marked(packet: Any) -> bool:
    """Whether PyTorch marks an op as elementwise, or as a view that moves no data (its scalar forms bear no mark)."""
    marks = {torch.Tag.pointwise, torch.Tag.inplace_view, torch.Tag.view_copy}
    forms = [] if packet is None else [getattr(packet, name, None) for name in packet.overloads()]
    return any(form is not None and (form.is_view or not marks.isdisjoint(form.tags)) for form in forms)
