"""Static key attention as one op that Triton's kernels run: the k x k neighbourhood of each query is formed on the fly.

The op is PyTorch's to dispatch, so that counters see it: on meta tensors it has shapes alone, and needs no Triton. Its
multiply-adds have a formula (`attention_macs`), which FlopCounterMode and skaprof's exact counter take.
"Static Key Attention in Vision" (Hu, Zhou, Rostami, arXiv 2412.07049) defines what is computed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import register_flop_formula

from skaprof.foreign_code import reason_of
from skaprof.nn.triton_here import require_possible

if TYPE_CHECKING:
    from skaprof.nn.triton_launch import Map

FORWARD, BACKWARD = "skaprof::static_key_attention", "skaprof::static_key_attention_backward"
_INPUTS = (
    "Tensor query, Tensor weight, Tensor? bias, Tensor? class_key, Tensor value, int height, int width, float scale"
)


class TritonAttention(nn.Module):
    """softmax(q K^T * scale) v by Triton's kernels, with a static key: a convolution whose kernel is 1 x 1."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """(B, h, n, e), (h, keys, e), (B, h, keys, e) -> (B, h, n, e), laid out as (B, n, h, e).

        Raises:
            SkaprofError: Triton is not here, or does not take this device, dtype or head_dim.
        """
        return _mixed(q, v, k.flatten(0, 1)[..., None, None], None, None, (q.shape[2], 1), self.scale)


class TritonConvAttention(nn.Module):
    """softmax(conv(q) * scale) v by Triton's kernels.

    Args:
        scale: of the scores.
        grid: (H, W); tokens before those of the grid meet a static key of their own.
        bias: whether the convolution has one.
    """

    def __init__(self, scale: float, grid: tuple[int, int], *, bias: bool) -> None:
        super().__init__()
        self.scale = scale
        self.grid = grid
        self.bias = bias

    def forward(self, q: Tensor, v: Tensor, weight: Tensor, *learned: Tensor) -> Tensor:
        """(B, h, n, e), (B, h, keys, e), (h * keys, e, k, k), then the bias (h * keys), where there is one, and the key
        of class tokens (h, keys, e), where there are some -> (B, h, n, e), laid out as (B, n, h, e).

        Raises:
            SkaprofError: as TritonAttention.
        """
        bias, rest = (learned[0], learned[1:]) if self.bias else (None, learned)
        return _mixed(q, v, weight, bias, rest[0] if rest else None, self.grid, self.scale)


def _mixed(
    q: Tensor,
    v: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    class_key: Tensor | None,
    grid: tuple[int, int],
    scale: float,
) -> Tensor:
    """The op, in the dtype of the queries: autocast has cast them, and no parameter."""
    rest = (None if tensor is None else tensor.to(q.dtype) for tensor in (weight, bias, class_key, v))
    mixed: Tensor = torch.ops.skaprof.static_key_attention(q, *rest, *grid, scale)[0]
    return mixed.transpose(1, 2)


def attention_macs(
    query: Sequence[int], weight: Sequence[int], value: Sequence[int], height: int, width: int, *, backward: bool
) -> int:
    """Multiply-adds of the op, of tensors of these shapes: those of its products, not of what blocks add at the edges.

    The backward pass makes the scores once more, and has two products for each of the forward pass.
    """
    batch, heads, tokens, head_dim = query
    places = height * width
    scores, mixed = (places * weight[2] * weight[3] + tokens - places) * head_dim, tokens * value[3]
    return batch * heads * value[2] * (3 * scores + 2 * mixed if backward else scores + mixed)


class _Inputs(NamedTuple):
    """What both ops take first, as TritonAttention has it."""

    query: Tensor
    weight: Tensor
    bias: Tensor | None
    class_key: Tensor | None
    value: Tensor
    height: int
    width: int
    scale: float

    def maps(self) -> list[Map]:
        """The grid's queries, then those of class tokens, laid out as the kernels read them, in copies if need be."""
        from skaprof.nn.triton_launch import Map

        class_tokens = self.query.shape[2] - self.height * self.width
        query, value = (tensor.transpose(1, 2).contiguous() for tensor in (self.query, self.value))
        weight = self.weight.unflatten(0, self.value.shape[1:3]).permute(0, 1, 3, 4, 2).contiguous()
        bias = None if self.bias is None else self.bias.contiguous()
        found = [Map(query, weight, bias, value, class_tokens, self.height, self.width, self.scale)]
        if self.class_key is not None:
            key = self.class_key.contiguous()[:, :, None, None]
            found.append(Map(query, key, None, value, 0, class_tokens, 1, self.scale))
        return found


def _outputs(given: _Inputs) -> tuple[Tensor, Tensor]:
    """Room for the output (B, n, h, e), and for log2 of each sum of exponentials (B, h, n), in float32."""
    batch, heads, tokens, head_dim = given.query.shape
    output = given.query.new_empty(batch, tokens, heads, head_dim)
    return output, given.query.new_empty(batch, heads, tokens, dtype=torch.float32)


class _Sums(NamedTuple):
    """Gradients as the kernels add them up: by token (B, n, h, e), by key (h, keys, k, k, e), (h, keys)."""

    query: Tensor
    key: Tensor
    bias: Tensor
    class_key: Tensor | None
    value: Tensor

    def as_inputs(self, given: _Inputs) -> tuple[Tensor, ...]:
        """In the dtype and shape of the inputs, one each; empty where there is no such input."""
        query, key, bias, value = (sums.to(given.query.dtype) for sums in (self.query, self.key, self.bias, self.value))
        none = query.new_empty(0)
        return (
            query.transpose(1, 2),
            key.flatten(0, 1).permute(0, 3, 1, 2),
            none if given.bias is None else bias.flatten(),
            none.clone() if self.class_key is None else self.class_key[:, :, 0, 0].to(query.dtype),
            value.transpose(1, 2),
        )


def _forward(*inputs: Any) -> tuple[Tensor, Tensor]:
    given = _Inputs(*inputs)
    require_possible(given.query)
    output, statistics = _outputs(given)
    with torch.cuda.device_of(given.query), _explained():
        for part in given.maps():
            part.mix(output, statistics)
    return output, statistics


def _backward(*inputs: Any) -> tuple[Tensor, ...]:
    *first, output, statistics, gradient = inputs
    given = _Inputs(*first)
    with torch.cuda.device_of(given.query), _explained():
        grid, *classes = given.maps()
        query, value = (torch.zeros_like(tensor, dtype=torch.float32) for tensor in (grid.query, grid.value))
        found = [
            part.add_gradients(output, statistics, gradient.contiguous(), query, value) for part in (grid, *classes)
        ]
    return _Sums(query, *found[0], found[1][0] if classes else None, value).as_inputs(given)


def _fake_backward(*inputs: Any) -> tuple[Tensor, ...]:
    given = _Inputs(*inputs[:-3])
    batch, heads, tokens, head_dim = given.query.shape
    keys, (*_, rows, columns) = given.value.shape[2], given.weight.shape
    empty = given.query.new_empty
    class_key = None if given.class_key is None else empty(heads, keys, 1, 1, head_dim)
    return _Sums(
        empty(batch, tokens, heads, head_dim),
        empty(heads, keys, rows, columns, head_dim),
        empty(heads, keys),
        class_key,
        empty(batch, keys, heads, head_dim),
    ).as_inputs(given)


@contextmanager
def _explained() -> Iterator[None]:
    """Triton's errors, which are of kinds of its own, as PyTorch's are."""
    try:
        yield
    except RuntimeError:
        raise
    except Exception as error:
        raise RuntimeError(f"Triton's kernel cannot run here: {reason_of(error)}") from error


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:5], *output)
    ctx.sizes = inputs[5:]
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)  # of the statistics there is none


def _differentiate(ctx: Any, gradient: Tensor, _: Tensor | None) -> tuple[Tensor | None, ...]:
    *tensors, output, statistics = ctx.saved_tensors
    found = torch.ops.skaprof.static_key_attention_backward(*tensors, *ctx.sizes, output, statistics, gradient)
    return *(None if given is None else of_it for given, of_it in zip(tensors, found, strict=True)), None, None, None


def _flops(*shapes: Any, backward: bool, **named: Any) -> int:
    """FLOPs by FlopCounterMode's convention, of the arguments with shapes in their tensors' places."""
    query, weight, _, _, value, height, width = shapes[:7]
    return 2 * attention_macs(query, weight, value, height, width, backward=backward)


def _define() -> None:
    """Tell PyTorch of both ops, and its counter of their multiply-adds."""
    of_outputs = f"{_INPUTS}, Tensor output, Tensor statistics, Tensor gradient"
    forward = torch.library.custom_op(FORWARD, _forward, mutates_args=(), schema=f"({_INPUTS}) -> (Tensor, Tensor)")
    backward = torch.library.custom_op(
        BACKWARD, _backward, mutates_args=(), schema=f"({of_outputs}) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
    )
    forward.register_fake(lambda *inputs: _outputs(_Inputs(*inputs)))
    forward.register_autograd(_differentiate, setup_context=_keep)
    backward.register_fake(_fake_backward)
    for op, is_backward in (
        (torch.ops.skaprof.static_key_attention, False),
        (torch.ops.skaprof.static_key_attention_backward, True),
    ):
        register_flop_formula(op)(partial(_flops, backward=is_backward))


_define()
