"""Tensors and the primitive ops that every mixer is written in, each a closed form over named tensors.

Counting convention (the same as fvcore's): one MAC is one multiply-add of a linear layer, matrix product or
convolution. Elementwise work is counted apart, at the price per element stated in `PRICES`. Padding positions of a
convolution count as if they held data, as every counter does.

Shapes may hold ints, numpy arrays or sympy symbols: the formulas use + and * alone.
"""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple, Self

from skaprof.workload import Size


class Tensor(NamedTuple):
    """A named tensor. The name is its identity: a reshaped or transposed view keeps the name and moves no data."""

    name: str
    shape: tuple[Size, ...]
    is_parameter: bool = False

    @property
    def numel(self) -> Size:
        """Number of elements."""
        return prod(self.shape)

    def view(self, *shape: Size) -> Self:
        """The same data in another shape with as many elements (reshape or transpose)."""
        return self._replace(shape=shape)


class Op(NamedTuple):
    """One primitive op: what it reads, writes, learns and computes, forward and backward.

    A contraction (linear, matmul, conv2d) has two `contracted` operands; the gradient of each costs `macs` again and
    reads the other. Any other op's backward reads `saved`, unless it `passes_gradient` on: then the gradients of its
    inputs are (parts of) its output's, and nothing moves but what a parameter's gradient reads.

    `kept` is what autograd keeps in memory for the backward, where that is not what it reads (the operands or `saved`).
    `scratch` is how many elements the op holds for a while beside inputs and output. `is_copied` says that its output
    is then copied into another layout, which takes its place once what the op read is gone. `row_statistics` is how
    many float32 values (a norm's mean and deviation, a fused softmax's logarithm of the sum) it has where it does not
    keep its output.
    """

    name: str
    kind: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    parameters: tuple[Tensor, ...] = ()
    contracted: tuple[Tensor, ...] = ()
    saved: tuple[Tensor, ...] = ()
    macs: Size = 0
    elementwise_flops: Size = 0
    backward_elementwise_flops: Size = 0
    group: str | None = None
    passes_gradient: bool = False
    kept: tuple[Tensor, ...] | None = None
    scratch: Size = 0
    row_statistics: Size = 0
    is_copied: bool = False

    @property
    def params(self) -> Size:
        """Number of learned values."""
        return sum(parameter.numel for parameter in self.parameters)


class Price(NamedTuple):
    """Elementwise FLOPs per output element. `why` lists them, so that nobody has to trust the number."""

    forward: int
    backward: int
    why: str


PRICES: dict[str, Price] = {
    "bias": Price(1, 1, "add; its gradient sums over the outputs"),
    "scale": Price(1, 1, "multiply; multiply"),
    "softmax": Price(5, 4, "max, subtract, exp, sum, divide; multiply, sum, subtract, multiply"),
    "elu_plus_one": Price(4, 2, "exp, subtract one, select, add one; select, multiply"),
    "token_sum": Price(1, 0, "add, per element summed; its gradient is a broadcast"),
    "divide": Price(1, 4, "divide; divide, multiply, sum, divide"),
    "star_relu": Price(4, 6, "relu, square, scale, bias; three multiplies, two for the scale, one for the bias"),
    "average_pool": Price(1, 1, "per element under the k x k window: add; add"),
    "subtract": Price(1, 1, "subtract; negate"),
    "unfold": Price(0, 1, "copies; its gradient adds overlapping patches"),
    "layer_norm": Price(
        6, 12, "sum, subtract, square, sum, two multiplies; eight for x, two for the scale, two to normalize x anew"
    ),
    "group_norm": Price(6, 12, "as layer_norm"),
    "gelu": Price(5, 11, "three multiplies, erf, add; four for the cdf, four for the pdf, multiply, add, multiply"),
    "squared_relu": Price(2, 2, "relu, square; two multiplies"),
    "learned_scale": Price(1, 3, "multiply; one multiply for x, multiply and add for the scale"),
    "diagonal_mask": Price(0, 0, "copies; its gradient is copied"),
    "add": Price(1, 0, "add; its gradient passes on"),
    "position": Price(1, 1, "add; its gradient sums over the batch"),
    "class_token": Price(0, 0, "copies"),
    "concat": Price(0, 0, "copies"),
    "shift": Price(0, 1, "copies; its gradient adds the shifted copies"),
    "token_mean": Price(1, 1, "add, per element averaged; its gradient is divided and spread"),
    "gradient_sum": Price(0, 1, "add, for each further op that reads a tensor: autograd sums their gradients"),
}


def parameter(name: str, *shape: Size) -> Tensor:
    """A learned tensor."""
    return Tensor(name, shape, is_parameter=True)


def _contraction(name: str, kind: str, x: Tensor, other: Tensor, output: Tensor, macs: Size, bias: Tensor | None) -> Op:
    inputs = tuple(tensor for tensor in (x, other) if not tensor.is_parameter)
    parameters = tuple(tensor for tensor in (other, bias) if tensor is not None and tensor.is_parameter)
    elementwise = output.numel * PRICES["bias"].forward if bias is not None else 0
    backward = output.numel * PRICES["bias"].backward if bias is not None else 0
    return Op(name, kind, inputs, output, parameters, (x, other), (), macs, elementwise, backward)


def linear(name: str, x: Tensor, out_features: Size, *, bias: bool = False) -> Op:
    """y = x W^T (+ b): x (..., in_features) -> (..., out_features); one MAC per input element and output feature."""
    *rows, in_features = x.shape
    weight = parameter(f"{name}.weight", out_features, in_features)
    output = Tensor(name, (*rows, out_features))
    bias_tensor = parameter(f"{name}.bias", out_features) if bias else None
    return _contraction(name, "linear", x, weight, output, x.numel * out_features, bias_tensor)


def matmul(name: str, a: Tensor, b: Tensor) -> Op:
    """y = a @ b: (..., rows, inner) @ (..., inner, columns) -> (..., rows, columns), with a's leading dimensions.

    `b` may be a parameter without the batch dimension (a static key): each batch item uses the same one.
    """
    columns = b.shape[-1]
    output = Tensor(name, (*a.shape[:-1], columns))
    return _contraction(name, "matmul", a, b, output, a.numel * columns, None)


def conv2d(
    name: str,
    x: Tensor,
    out_channels: Size,
    channels_per_group: Size,
    kernel_size: Size,
    *,
    bias: bool = False,
    positions: Size = None,
) -> Op:
    """A k x k convolution in groups on x (batch, channels, positions), to as many `positions` as given, or as x has.

    Positions are H * W flattened: the cost depends on their number alone, whatever stride and padding led to it.
    Each output position costs one MAC per weight: out_channels * channels_per_group * k * k.
    """
    batch = x.shape[0]
    positions = x.shape[2] if positions is None else positions
    weight = parameter(f"{name}.weight", out_channels, channels_per_group, kernel_size, kernel_size)
    output = Tensor(name, (batch, out_channels, positions))
    bias_tensor = parameter(f"{name}.bias", out_channels) if bias else None
    return _contraction(name, "conv2d", x, weight, output, batch * positions * weight.numel, bias_tensor)


def elementwise(name: str, kind: str, inputs: tuple[Tensor, ...], output: Tensor, saved: tuple[Tensor, ...]) -> Op:
    """An op at the price of its kind for each output element."""
    price = PRICES[kind]
    return Op(
        name,
        kind,
        inputs,
        output,
        saved=saved,
        elementwise_flops=price.forward * output.numel,
        backward_elementwise_flops=price.backward * output.numel,
    )


def scale(name: str, x: Tensor) -> Op:
    """y = c x with a constant c; its backward needs nothing saved."""
    return elementwise(name, "scale", (x,), Tensor(name, x.shape), ())


def softmax(name: str, x: Tensor) -> Op:
    """Softmax over the last dimension; its backward reads its output.

    A fused kernel has no such output: for each row it keeps the logarithm of the sum of exponentials.
    """
    output = Tensor(name, x.shape)
    return elementwise(name, "softmax", (x,), output, (output,))._replace(row_statistics=prod(x.shape[:-1]))


def elu_plus_one(name: str, x: Tensor) -> Op:
    """elu(x) + 1, the positive feature map of linear attention (Katharopoulos et al., arXiv 2006.16236, eq. 7)."""
    return elementwise(name, "elu_plus_one", (x,), Tensor(name, x.shape), (x,))._replace(scratch=x.numel)


def divide(name: str, x: Tensor, y: Tensor) -> Op:
    """x / y, where y broadcasts over x's last dimension."""
    return elementwise(name, "divide", (x, y), Tensor(name, x.shape), (x, y))


def subtract(name: str, x: Tensor, y: Tensor) -> Op:
    """x - y."""
    return elementwise(name, "subtract", (x, y), Tensor(name, x.shape), ())


def star_relu(name: str, x: Tensor) -> Op:
    """s * relu(x)^2 + b with learned scalars s and b (MetaFormer baselines, arXiv 2210.13452, section 3.2).

    Autograd keeps relu(x) for the square and the square for the scale, and does not need x then.
    """
    op = elementwise(name, "star_relu", (x,), Tensor(name, x.shape), (x,))
    return op._replace(
        parameters=(parameter(f"{name}.scale", 1), parameter(f"{name}.bias", 1)),
        kept=(Tensor(f"{name}.relu", x.shape), Tensor(f"{name}.square", x.shape)),
        scratch=x.numel,
    )


def token_sum(name: str, x: Tensor) -> Op:
    """The sum over the tokens of x (batch, heads, tokens, head_dim), kept as a column (batch, heads, head_dim, 1)."""
    batch, heads, _, head_dim = x.shape
    output = Tensor(name, (batch, heads, head_dim, 1))
    price = PRICES["token_sum"]
    return Op(name, "token_sum", (x,), output, elementwise_flops=price.forward * x.numel)


def average_pool(name: str, x: Tensor, kernel_size: Size) -> Op:
    """A k x k average at stride 1, padding not counted in: k * k additions and divisions per output element.

    Autograd keeps x, though the gradient is made of its shape alone.
    """
    op = elementwise(name, "average_pool", (x,), Tensor(name, x.shape), ())
    window = kernel_size * kernel_size
    return op._replace(
        elementwise_flops=op.elementwise_flops * window,
        backward_elementwise_flops=op.backward_elementwise_flops * window,
        kept=(x,),
    )


def unfold(name: str, x: Tensor, *shape: Size) -> Op:
    """k x k patches of x copied out into `shape`: no arithmetic forward, overlapping patches added backward."""
    return elementwise(name, "unfold", (x,), Tensor(name, shape), ())


def concat(name: str, x: Tensor, y: Tensor, *shape: Size) -> Op:
    """x and y copied behind each other into `shape`."""
    return elementwise(name, "concat", (x, y), Tensor(name, shape), ())._replace(passes_gradient=True)


def scoped(scope: str, ops: Sequence[Op], x: Tensor) -> list[Op]:
    """`ops`, written for an input named "x", as they are inside `scope` and on the tensor `x` there."""

    def placed(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(
            [
                Tensor(x.name if name == "x" else f"{scope}.{name}", shape, is_parameter)
                for name, shape, is_parameter in tensors
            ]
        )

    return [
        Op(
            f"{scope}.{op.name}",
            op.kind,
            placed(op.inputs),
            placed((op.output,))[0],
            placed(op.parameters),
            placed(op.contracted),
            placed(op.saved),
            op.macs,
            op.elementwise_flops,
            op.backward_elementwise_flops,
            None if op.group is None else f"{scope}.{op.group}",
            op.passes_gradient,
            None if op.kept is None else placed(op.kept),
            op.scratch,
            op.row_statistics,
            op.is_copied,
        )
        for op in ops
    ]


def copied(op: Op) -> Op:
    """`op`, whose output is then copied into another layout."""
    return op._replace(is_copied=True)


def fused(group: str, *ops: Op) -> list[Op]:
    """`ops` marked as one group that a fused kernel may run without writing the tensors in between."""
    return [op._replace(group=group) for op in ops]
