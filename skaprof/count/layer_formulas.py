"""MACs of whole layers that are one op: recurrent layers, and the quantized linear layers and convolutions.

A recurrent layer multiplies each of its weights with each step of each sequence. A quantized product counts as what it
multiplies, whatever its numbers are stored in; its weights lie packed in an object that PyTorch unpacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from skaprof.count.convolution_formulas import convolution_macs
from skaprof.count.product_formulas import Formula, NoFormulaError, product


def _steps(x: Any, batch_sizes: Sequence[int]) -> int:
    """Steps of all sequences: of a padded batch, or of a packed one, whose steps lie behind each other."""
    return int(x.shape[0] if batch_sizes else x.shape[0] * x.shape[1])


def _one_lstm(first_weight: int, passes: int) -> Formula:
    """mkldnn_rnn_layer: the weights of input and state; its backward has the gradients of both of their operands."""

    def macs(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
        weights = args[first_weight : first_weight + 2]
        return passes * int(args[0].shape[:2].numel()) * sum(weight.numel() for weight in weights)

    return macs


def _cudnn_rnn(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    return _steps(args[0], args[14]) * sum(weight.numel() for weight in args[1] if weight.dim() == 2)


def _cudnn_rnn_backward(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    weights = sum(weight.numel() for weight in args[1] if weight.dim() == 2)
    wanted = args[22]
    return (bool(wanted[0]) + bool(wanted[3])) * _steps(args[0], args[18]) * weights


def _packed_linear(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    return int(args[0].numel() * out.shape[-1])


def _packed_convolution(*, transposed: bool) -> Formula:
    def macs(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
        weights = [tensor for tensor in unpacked(args[1]) if tensor.dim() > 2]
        if len(weights) != 1:
            raise NoFormulaError("its packed weights cannot be read")
        shape = list(weights[0].shape)
        while len(shape) > out.dim():  # a convolution of sequences is packed as one of maps
            shape.remove(1) if 1 in shape[2:] else shape.pop()
        return convolution_macs(shape, args[0].shape, out.shape, transposed=transposed)

    return macs


def _quantized_cell(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """x, state, packed weights of input and state: linear layers of both."""
    weights = [tensor for packed in args[2:4] for tensor in unpacked(packed) if tensor.dim() == 2]
    if len(weights) != 2:
        raise NoFormulaError("its packed weights cannot be read")
    return int(args[0].shape[0]) * sum(weight.numel() for weight in weights)


def _quantized_rnn(gates: int) -> Formula:
    """aten.quantized_lstm, quantized_gru: x (batch, steps, in), state, weights; or packed steps, their sizes, state."""

    def macs(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
        is_packed = isinstance(args[1], Tensor) and not args[1].is_floating_point()
        x, state, *options = args if not is_packed else (args[0], *args[2:])
        layers, _, hidden = (state if isinstance(state, Tensor) else state[0]).shape
        ways = 2 if options[5] else 1
        steps = x.shape[:-1].numel()
        inputs = [x.shape[-1]] * ways + [ways * hidden] * (layers - ways)
        return int(steps) * sum(gates * hidden * (width + hidden) for width in inputs)

    return macs


_UNPACK = {
    "LinearPackedParamsBase": "linear_unpack",
    "Conv2dPackedParamsBase": "conv2d_unpack",
    "Conv3dPackedParamsBase": "conv3d_unpack",
    "EmbeddingPackedParamsBase": "embedding_bag_unpack",
}
"""By the class of an object that holds packed weights, the op of `quantized` that unpacks it."""


def unpacked(packed: Any) -> Iterator[Tensor]:
    """The weights and biases in an object that a quantized op takes.

    Raises:
        NoFormulaError: it is none that PyTorch unpacks.
    """
    kind = str(packed._type()).rpartition(".")[2]
    if kind == "CellParamsBase":
        state = packed.__getstate__()[0]
        for part in state[-1]:
            yield from unpacked(part)
        return
    if kind not in _UNPACK:
        raise NoFormulaError("its weights are packed in an object that PyTorch does not unpack")
    found = getattr(torch.ops.quantized, _UNPACK[kind])(packed)
    yield from (tensor for tensor in (found if isinstance(found, tuple) else (found,)) if isinstance(tensor, Tensor))


LAYERS: dict[str, Formula] = {
    "aten.mkldnn_rnn_layer": _one_lstm(1, passes=1),
    "aten.mkldnn_rnn_layer_backward": _one_lstm(1, passes=2),
    "aten._cudnn_rnn": _cudnn_rnn,
    "aten._cudnn_rnn_backward": _cudnn_rnn_backward,
    **dict.fromkeys(
        (
            *(f"quantized.linear{form}" for form in ("", "_relu", "_leaky_relu", "_tanh", "_dynamic", "_relu_dynamic")),
            *(f"quantized.linear{form}" for form in ("_dynamic_fp16", "_relu_dynamic_fp16")),
            *("_quantized.linear", "_quantized.linear_dynamic", "onednn.linear_dynamic_fp16"),
        ),
        _packed_linear,
    ),
    **dict.fromkeys(
        (
            *(f"quantized.conv{rank}d{form}" for rank in (1, 2, 3) for form in ("", "_relu", "_dynamic")),
            *("quantized.conv2d_add", "quantized.conv2d_add_relu"),
        ),
        _packed_convolution(transposed=False),
    ),
    **dict.fromkeys(
        (f"quantized.conv_transpose{rank}d{form}" for rank in (1, 2, 3) for form in ("", "_dynamic")),
        _packed_convolution(transposed=True),
    ),
    **dict.fromkeys(
        (f"quantized.quantized_{cell}_cell_dynamic" for cell in ("lstm", "gru", "rnn_relu", "rnn_tanh")),
        _quantized_cell,
    ),
    "aten.quantized_lstm": _quantized_rnn(4),
    "aten.quantized_gru": _quantized_rnn(3),
    "quantized.matmul": product(0, 1),
}
"""By namespace and name."""
