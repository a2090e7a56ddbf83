"""What a list of ops holds in memory: what training keeps for the backward pass, and what inference holds at once.

What a kernel uses inside itself is not seen.
"""

from collections.abc import Sequence
from itertools import groupby

from skaprof.model.ops import Op, Tensor
from skaprof.workload import Size, larger

STATISTIC_BYTES = 4
"""Row statistics (of a norm, of a fused softmax) are float32 in whatever dtype the rest is."""


def kept_bytes(ops: Sequence[Op], hidden: set[str], bytes_per_element: Size) -> list[Size]:
    """For each op, bytes of the activations that autograd keeps for its backward pass and for none before it.

    A tensor that several ops keep counts at the first, whole where an op reads a part of it; the input counts where it
    is kept, parameters never. `hidden` are the names of tensors inside fused kernels, which are not there to be kept.
    """
    seen = set(hidden)
    whole = {op.output.name: op.output for op in ops}
    found = []
    for op in ops:
        elements: Size = 0
        for tensor in _kept(op):
            if not tensor.is_parameter and tensor.name not in seen:
                seen.add(tensor.name)
                elements = elements + whole.get(tensor.name, tensor).numel
        found.append(elements * bytes_per_element + _statistic_bytes(op, hidden))
    return found


def held_bytes(ops: Sequence[Op], hidden: set[str], bytes_per_element: Size, *, fused: bool) -> list[Size]:
    """For each op, bytes of the activations held while it runs in inference, the whole kernel's inside a fused group.

    These are its inputs, its output, what it needs beside them, and every tensor that a later op reads; or where that
    is more, its output beside the copy of it, when its inputs are gone. The input of the list is held throughout, as
    whoever called holds it; every other tensor goes after its last reader.
    """
    steps = _steps(ops, fused=fused)
    written = {op.output.name for op in ops}
    sizes = {op.output.name: op.output.numel for op in ops if op.output.name not in hidden}
    given = {
        tensor.name: tensor for op in ops for tensor in op.inputs if not (tensor.is_parameter or tensor.name in written)
    }
    held: Size = sum(tensor.numel for tensor in given.values())
    found: list[Size] = []
    for step, gone in zip(steps, _freed_after(steps, hidden), strict=True):
        for op in step:
            held = held + sizes.get(op.output.name, 0)
        running = held * bytes_per_element + _bytes_beside(step, hidden, bytes_per_element)
        for name in gone:
            held = held - sizes[name]
        copies = sum(sizes.get(op.output.name, 0) for op in step if op.is_copied)
        found += [larger(running, (held + copies) * bytes_per_element)] * len(step)
    return found


def _bytes_beside(step: Sequence[Op], hidden: set[str], bytes_per_element: Size) -> Size:
    """What the ops of a step hold beside their inputs and outputs."""
    beside: Size = 0
    for op in step:
        beside = beside + op.scratch * bytes_per_element + _statistic_bytes(op, hidden)
    return beside


def _kept(op: Op) -> Sequence[Tensor]:
    """A contraction's gradients each read the other operand; other ops keep what their backward reads, or say what."""
    return op.kept if op.kept is not None else op.contracted or op.saved


def _statistic_bytes(op: Op, hidden: set[str]) -> Size:
    """Row statistics stand in for an output that is not kept itself."""
    keeps_output = op.output.name not in hidden and any(tensor.name == op.output.name for tensor in _kept(op))
    return 0 if keeps_output else op.row_statistics * STATISTIC_BYTES


def _steps(ops: Sequence[Op], *, fused: bool) -> list[list[Op]]:
    """The ops that run as one kernel: each fused group, and every other op alone."""
    if not fused:
        return [[op] for op in ops]
    keys = [op.group or op.name for op in ops]
    return [[op for op, _ in step] for _, step in groupby(zip(ops, keys, strict=True), key=lambda pair: pair[1])]


def _freed_after(steps: Sequence[Sequence[Op]], hidden: set[str]) -> list[list[str]]:
    """For each step, the names of the tensors written before it that no later step reads."""
    last_reader: dict[str, int] = {}
    for number, step in enumerate(steps):
        last_reader.update({tensor.name: number for op in step for tensor in op.inputs})
    freed: list[list[str]] = [[] for _ in steps]
    for op in (op for step in steps for op in step):
        if op.output.name in last_reader and op.output.name not in hidden:
            freed[last_reader[op.output.name]].append(op.output.name)
    return freed
