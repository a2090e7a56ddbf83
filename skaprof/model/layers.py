"""The primitive ops that whole networks add to those of the mixers: norms, activations, shortcuts, tokens."""

from math import prod

from skaprof.model.ops import PRICES, Op, Tensor, elementwise, parameter
from skaprof.workload import Size


def _norm(name: str, kind: str, x: Tensor, *, bias: bool) -> Op:
    op = elementwise(name, kind, (x,), Tensor(name, x.shape), (x,))
    dim = x.shape[-1]
    if not bias:
        return op._replace(parameters=(parameter(f"{name}.weight", dim),))
    return op._replace(
        parameters=(parameter(f"{name}.weight", dim), parameter(f"{name}.bias", dim)),
        elementwise_flops=op.elementwise_flops + PRICES["bias"].forward * x.numel,
        backward_elementwise_flops=op.backward_elementwise_flops + PRICES["bias"].backward * x.numel,
    )


def layer_norm(name: str, x: Tensor, *, bias: bool = True) -> Op:
    """Each token of x (..., dim) brought to mean 0 and variance 1, then scaled (and shifted) by learned values.

    Each token's mean and deviation are kept in float32.
    """
    return _norm(name, "layer_norm", x, bias=bias)._replace(row_statistics=2 * prod(x.shape[:-1]))


def group_norm(name: str, x: Tensor, *, bias: bool = True) -> Op:
    """As `layer_norm`, with one mean and variance for all tokens of an image, kept in x's dtype: one group's norm."""
    statistics = Tensor(f"{name}.statistics", (x.shape[0], 2))
    return _norm(name, "group_norm", x, bias=bias)._replace(kept=(x, statistics), scratch=statistics.numel)


def gelu(name: str, x: Tensor) -> Op:
    """x / 2 * (1 + erf(x / sqrt(2)))."""
    return elementwise(name, "gelu", (x,), Tensor(name, x.shape), (x,))


def squared_relu(name: str, x: Tensor) -> Op:
    """relu(x)^2. Autograd keeps relu(x), and does not need x then."""
    op = elementwise(name, "squared_relu", (x,), Tensor(name, x.shape), (x,))
    return op._replace(kept=(Tensor(f"{name}.relu", x.shape),), scratch=x.numel)


def learned_scale(name: str, x: Tensor, values: Size = None) -> Op:
    """x (..., dim) times a learned value a channel, or so many `values`."""
    op = elementwise(name, "learned_scale", (x,), Tensor(name, x.shape), (x,))
    return op._replace(parameters=(parameter(f"{name}.weight", x.shape[-1] if values is None else values),))


def mask_diagonal(name: str, scores: Tensor) -> Op:
    """Scores (..., n, n) copied with one number all along the diagonal."""
    return elementwise(name, "diagonal_mask", (scores,), Tensor(name, scores.shape), ())._replace(scratch=1)


def add(name: str, x: Tensor, y: Tensor) -> Op:
    """x + y, both of one shape."""
    return elementwise(name, "add", (x, y), Tensor(name, x.shape), ())._replace(passes_gradient=True)


def position(name: str, x: Tensor) -> Op:
    """x (batch, tokens, dim) plus a learned position (1, tokens, dim)."""
    op = elementwise(name, "position", (x,), Tensor(name, x.shape), ())
    return op._replace(parameters=(parameter(f"{name}.weight", 1, *x.shape[1:]),), passes_gradient=True)


def class_token(name: str, x: Tensor) -> Op:
    """x (batch, positions, dim) behind a learned token (1, 1, dim): (batch, 1 + positions, dim)."""
    batch, positions, dim = x.shape
    op = elementwise(name, "class_token", (x,), Tensor(name, (batch, 1 + positions, dim)), ())
    return op._replace(parameters=(parameter(f"{name}.weight", 1, 1, dim),), passes_gradient=True)


def shift(name: str, image: Tensor) -> Op:
    """An image (batch, channels, positions) and its four copies shifted by one pixel: five times the channels."""
    batch, channels, positions = image.shape
    return elementwise(name, "shift", (image,), Tensor(name, (batch, 5 * channels, positions)), ())


def token_mean(name: str, x: Tensor) -> Op:
    """The mean over the tokens of x (batch, tokens, dim): (batch, dim)."""
    price = PRICES["token_mean"]
    output = Tensor(name, (x.shape[0], x.shape[2]))
    return Op(
        name,
        "token_mean",
        (x,),
        output,
        elementwise_flops=price.forward * x.numel,
        backward_elementwise_flops=price.backward * x.numel,
    )
