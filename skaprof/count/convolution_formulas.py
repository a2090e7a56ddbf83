"""MACs of convolutions of any kind, forward and backward: each weight meets each position of the smaller side once.

Padding counts as if it held data, as every counter has it. `groups` are in the weight's shape, and stride, dilation and
padding in that of the output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from skaprof.count.product_formulas import Formula


def convolution_macs(weight: Sequence[int], x: Sequence[int], out: Sequence[int], *, transposed: bool) -> int:
    """MACs of a convolution, weight (out, in / groups, *kernel), or a transposed one, (in, out / groups, *kernel).

    A convolution applies its kernel at each position of the output, a transposed one at each of its input.
    """
    positions = (x if transposed else out)[-(len(weight) - 2) :]
    batch = prod(out[: -(len(weight) - 1)])
    return batch * prod(positions) * prod(weight)


def _convolution(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    return convolution_macs(args[1].shape, args[0].shape, out.shape, transposed=bool(args[6]))


def _forward(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    return convolution_macs(args[1].shape, args[0].shape, out.shape, transposed=False)


def _transposed(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    return convolution_macs(args[1].shape, args[0].shape, out.shape, transposed=True)


def _backward(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """The gradient of the input, and that of the weight, cost what the convolution does; that of the bias only adds."""
    gradient, x, weight, transposed, wanted = args[0], args[1], args[2], bool(args[7]), args[10]
    return sum(map(bool, wanted[:2])) * convolution_macs(weight.shape, x.shape, gradient.shape, transposed=transposed)


def _plain_backward(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """slow_conv2d: gradient, x, weight, kernel, stride, padding, and which of the three gradients are wanted."""
    wanted = args[6]
    return sum(map(bool, wanted[:2])) * convolution_macs(args[2].shape, args[1].shape, args[0].shape, transposed=False)


def _over_time(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """conv_tbc: x (time, batch, in), weight (kernel, in, out)."""
    return int(out.numel() * prod(args[1].shape[:2]))


CONVOLUTIONS: dict[str, Formula] = {
    **dict.fromkeys(("convolution", "_convolution", "convolution_overrideable"), _convolution),
    "convolution_backward": _backward,
    "convolution_backward_overrideable": lambda args, kwargs, out: _backward(
        (*args[:3], None, *args[3:9], args[9]), kwargs, out
    ),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "mkldnn_convolution", "cudnn_convolution"), _forward),
    **dict.fromkeys(("_slow_conv2d_forward", "slow_conv3d_forward", "slow_conv_dilated2d"), _forward),
    **dict.fromkeys(("slow_conv_dilated3d", "_conv_depthwise2d", "conv_depthwise3d", "thnn_conv2d"), _forward),
    **dict.fromkeys(("miopen_convolution", "miopen_depthwise_convolution", "_mps_convolution"), _forward),
    **dict.fromkeys(("cudnn_convolution_relu", "cudnn_convolution_add_relu", "_nnpack_spatial_convolution"), _forward),
    "_slow_conv2d_backward": _plain_backward,
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed),
    **dict.fromkeys(("slow_conv_transpose2d", "slow_conv_transpose3d"), _transposed),
    **dict.fromkeys(("cudnn_convolution_transpose", "miopen_convolution_transpose"), _transposed),
    "conv_tbc": _over_time,
}
"""By the name of the op in ATen."""
