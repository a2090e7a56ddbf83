"""What a list of ops costs: totals and per-op rows, forward and in training, eager and fused.

Every figure derives from the one list. Fusion has no formula of its own: it drops the tensors that only the group
itself reads, and in training it adds what must then be computed again.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import NamedTuple

from skaprof.model.memory import held_bytes, kept_bytes
from skaprof.model.ops import PRICES, Op, Tensor
from skaprof.workload import Size, larger


def flops_per_param(flops: Size, params: Size) -> Size | None:
    """FLOPs for each parameter, as figure 4 of arXiv 2412.07049 draws them; None without parameters."""
    return None if isinstance(params, int) and not params else flops / params


class OpCost(NamedTuple):
    """The cost of one op. All counts are exact; bytes follow from the dtype.

    `saved_bytes`: activations kept for the backward pass, at the first op that keeps them; 0 in forward.
    `peak_bytes`: activations held while the op runs; None in training.
    """

    name: str
    kind: str
    group: str | None
    params: Size
    macs: Size
    elementwise_flops: Size
    weight_bytes: Size
    traffic_bytes: Size
    saved_bytes: Size
    peak_bytes: Size | None

    @property
    def flops(self) -> Size:
        """2 * macs: multiplies and adds counted apart. Elementwise work is not in it."""
        return 2 * self.macs


class Cost(NamedTuple):
    """The cost of a whole op list: the sums over its ops.

    `params` learned values; `macs` multiply-adds of linears, matrix products and convolutions; `elementwise_flops` all
    other arithmetic, at the prices of `skaprof.model.ops.PRICES`; `weight_bytes` the parameters' bytes;
    `traffic_bytes` activation bytes moved: each op reads its activations once and writes its result once (in
    training, gradients of activations likewise). Weights are not in it: `weight_bytes` has them; `saved_bytes` the
    activations kept from the forward for the backward pass; `held_bytes` what is held while each op runs in inference.
    """

    params: Size
    macs: Size
    elementwise_flops: Size
    weight_bytes: Size
    traffic_bytes: Size
    saved_bytes: Size
    held_bytes: tuple[Size, ...]

    @property
    def flops(self) -> Size:
        """2 * macs."""
        return 2 * self.macs

    @property
    def flops_per_param(self) -> Size | None:
        """FLOPs for each parameter: a quotient, where all else is exact; None without parameters."""
        return flops_per_param(self.flops, self.params)

    @property
    def peak_bytes(self) -> Size | None:
        """Most bytes of activations held at once in inference; None in training, and where no op runs."""
        return reduce(larger, self.held_bytes) if self.held_bytes else None


def op_costs(ops: Sequence[Op], bytes_per_element: Size, mode: str = "forward", *, fused: bool = False) -> list[OpCost]:
    """One `OpCost` for each op, in order.

    Args:
        ops: the ops in the order they run.
        bytes_per_element: size of one value of the dtype, in bytes.
        mode: "forward", or "train" for forward and backward with respect to the input and all parameters.
        fused: whether each fused group runs as one kernel that never writes its inner tensors.
    """
    hidden = _hidden_tensors(ops) if fused else set()
    if mode == "train":
        return _training_costs(ops, hidden, bytes_per_element)
    held = held_bytes(ops, hidden, bytes_per_element, fused=fused)
    return [
        _op_cost(op, bytes_per_element, op.macs, op.elementwise_flops, _forward_traffic(op, hidden), 0, op_held)
        for op, op_held in zip(ops, held, strict=True)
    ]


def _training_costs(ops: Sequence[Op], hidden: set[str], bytes_per_element: Size) -> list[OpCost]:
    recomputed = _recomputed_ops(ops, hidden)
    readers: Counter[str] = Counter()
    costs = []
    for op, kept in zip(ops, kept_bytes(ops, hidden, bytes_per_element), strict=True):
        again = [tensor for tensor in op.inputs if readers[tensor.name]]
        readers.update(tensor.name for tensor in op.inputs)
        runs = 2 if op.name in recomputed else 1
        macs = op.macs * (runs + len(op.contracted))
        elementwise = op.elementwise_flops * runs + op.backward_elementwise_flops + _gradient_sum_flops(again)
        traffic = _forward_traffic(op, hidden) + _backward_traffic(op, hidden) + _gradient_sum_traffic(again, hidden)
        costs.append(_op_cost(op, bytes_per_element, macs, elementwise, traffic, kept, None))
    return costs


def _op_cost(
    op: Op, bytes_per_element: Size, macs: Size, elementwise: Size, traffic: Size, saved: Size, peak: Size | None
) -> OpCost:
    return OpCost(
        name=op.name,
        kind=op.kind,
        group=op.group,
        params=op.params,
        macs=macs,
        elementwise_flops=elementwise,
        weight_bytes=op.params * bytes_per_element,
        traffic_bytes=traffic * bytes_per_element,
        saved_bytes=saved,
        peak_bytes=peak,
    )


def total(costs: Iterable[OpCost]) -> Cost:
    """The sums over `costs`, and what each of them holds."""
    costs = list(costs)
    return Cost(
        sum(cost.params for cost in costs),
        sum(cost.macs for cost in costs),
        sum(cost.elementwise_flops for cost in costs),
        sum(cost.weight_bytes for cost in costs),
        sum(cost.traffic_bytes for cost in costs),
        sum(cost.saved_bytes for cost in costs),
        tuple(cost.peak_bytes for cost in costs if cost.peak_bytes is not None),
    )


def _moved(tensors: Iterable[Tensor], hidden: set[str]) -> Size:
    """Activation elements among `tensors` that reach memory."""
    return sum(tensor.numel for tensor in tensors if not tensor.is_parameter and tensor.name not in hidden)


def _forward_traffic(op: Op, hidden: set[str]) -> Size:
    return _moved((*op.inputs, op.output), hidden)


def _backward_traffic(op: Op, hidden: set[str]) -> Size:
    """Elements moved by the backward of `op`: gradients have the size, and the fate, of their tensors."""
    if op.passes_gradient:
        return _moved((op.output,), hidden) if op.parameters else 0
    if not op.contracted:
        return _moved((op.output, *op.saved, *op.inputs), hidden)
    a, b = op.contracted
    biased = len(op.parameters) > sum(tensor.is_parameter for tensor in op.contracted)
    # grad a: reads grad y and b, writes grad a; grad b: reads grad y and a, writes grad b; grad bias: reads grad y
    moved = _moved((op.output, b, a, op.output, a, b), hidden)
    moved = moved + _moved((tensor for tensor in op.inputs if tensor not in op.contracted), hidden)  # a computed bias's
    return moved + (_moved((op.output,), hidden) if biased else 0)


def _gradient_sum_flops(again: Sequence[Tensor]) -> Size:
    return sum(tensor.numel for tensor in again) * PRICES["gradient_sum"].backward


def _gradient_sum_traffic(again: Sequence[Tensor], hidden: set[str]) -> Size:
    return 3 * _moved(again, hidden)  # read both gradients, write their sum


def _hidden_tensors(ops: Sequence[Op]) -> set[str]:
    """Names of the tensors that are written and read inside one fused group only."""
    groups_reading: dict[str, set[str | None]] = {}
    for op in ops:
        for tensor in op.inputs:
            groups_reading.setdefault(tensor.name, set()).add(op.group)
    return {op.output.name for op in ops if op.group is not None and groups_reading.get(op.output.name) == {op.group}}


def _recomputed_ops(ops: Sequence[Op], hidden: set[str]) -> set[str]:
    """Ops a fused backward runs again, since their hidden outputs are needed and were never written."""
    needed = {tensor.name for op in ops for tensor in (*op.contracted, *op.saved) if tensor.name in hidden}
    for op in reversed(ops):
        if op.output.name in needed:
            needed.update(tensor.name for tensor in op.inputs if tensor.name in hidden)
    return {op.name for op in ops if op.output.name in needed}
