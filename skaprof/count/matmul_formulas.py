"""Exact formulas for matrix products that a counter rounds, miscounts or lacks.

fvcore 0.1.5 takes an einsum's MACs from numpy's printed report, whose figures are rounded, and multiplies the wrong
shapes where a matmul broadcasts its first operand. FlopCounterMode (PyTorch 2.13) has no formula for vectors.
"""

from __future__ import annotations

from math import prod
from typing import Any

import torch

from skaprof.count.fvcore_here import get_shape


class BlindError(Exception):
    """What a counter does not see rightly, in words that follow its name."""


def fvcore_einsum(inputs: list[Any], outputs: list[Any]) -> int:
    """MACs of aten::einsum as PyTorch runs it.

    Raises:
        BlindError: three operands or more, of which fvcore has a rounded figure alone.
    """
    equation = inputs[0].toIValue().replace(" ", "")
    shapes = [get_shape(value) for value in inputs[1].node().inputs()]
    if len(shapes) > 2 or None in shapes:
        raise BlindError("rounds the MACs of an einsum of three operands or more")
    return einsum_macs(spelled_out(equation, shapes), shapes) if len(shapes) == 2 else 0


def spelled_out(equation: str, shapes: list[list[int]]) -> str:
    """The equation with capital Greek letters for the axes that an ellipsis stands for, the last ones alike."""
    if "..." not in equation:
        return equation
    terms, arrow, result = equation.partition("->")
    named = terms.split(",")
    counts = [len(shape) - len(term.replace("...", "")) for term, shape in zip(named, shapes, strict=True)]
    counts = [count if "..." in term else 0 for term, count in zip(named, counts, strict=True)]
    axes = [chr(ord("\u0391") + place) for place in range(max(counts))]
    said = [term.replace("...", "".join(axes[len(axes) - n :])) for term, n in zip(named, counts, strict=True)]
    if not arrow:
        letters = "".join(named).replace(".", "")
        result = "..." + "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    return f"{','.join(said)}->{result.replace('...', ''.join(axes))}"


def einsum_macs(equation: str, shapes: list[list[int]]) -> int:
    """MACs of an einsum of two operands, an ellipsis spelled out as letters.

    An index that only one of them has is summed before the product, and where none is summed over both (or one of a
    single element), the product is elementwise: neither is a multiply-add.
    """
    terms, arrow, result = equation.partition("->")
    named = terms.split(",")
    if not arrow:
        letters = "".join(named)
        result = "".join(letter for letter in letters if letters.count(letter) == 1)
    sizes: dict[str, int] = {}
    for term, shape in zip(named, shapes, strict=True):
        for letter, size in zip(term, shape, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    summed = {letter for letter in sizes if letter not in result}
    alone = {letter for letter in summed if sizes[letter] == 1 or not all(letter in term for term in named)}
    return prod(size for letter, size in sizes.items() if letter not in alone) if summed - alone else 0


def fvcore_matmul(inputs: list[Any], outputs: list[Any]) -> int:
    """MACs of aten::matmul, of vectors too: each element of the output sums over the axis that both share."""
    return prod(get_shape(outputs[0]) or ()) * get_shape(inputs[0])[-1]


def _vector_flops(a: list[int], b: list[int], *_: object, out_shape: object = None, **__: object) -> int:
    """2 FLOPs a multiply-add of a matrix or vector with a vector."""
    return 2 * prod(a)


def _added_vector_flops(bias: object, a: list[int], b: list[int], *_: object, **__: object) -> int:
    return 2 * prod(a)


TORCH_FORMULAS: dict[Any, Any] = {
    torch.ops.aten.mv: _vector_flops,
    torch.ops.aten.dot: _vector_flops,
    torch.ops.aten.vdot: _vector_flops,
    torch.ops.aten.addmv: _added_vector_flops,
}
"""Formulas that FlopCounterMode takes beside its own."""
