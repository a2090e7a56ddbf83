"""Every op that PyTorch dispatches during a call, below autograd: what it multiplies, reads and writes, and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator
from torch.utils._python_dispatch import TorchDispatchMode

from skaprof.count.elementwise_prices import price_of
from skaprof.count.hidden_work import COMPLEX, Origins
from skaprof.count.meta_results import MetaResults
from skaprof.count.product_formulas import SPARSE_LAYOUTS, NeedsValuesError, NoFormulaError
from skaprof.count.rules import Rule, rule_of
from skaprof.count.running import RunningModule

SPARSE, GROUPED_BACKWARD = "sparse", "the backward of a convolution in groups"
"""Traits of products that other counters are known to count otherwise."""


_TAKE_LISTS = ("aten.index", "aten.index_put", "aten.index_put_", "aten._index_put_impl_")
"""Ops whose indices PyTorch makes of Python's lists without an op."""
_NONE_OF_ITS_OWN = torch._C._disabled_torch_dispatch_impl


@dataclass(slots=True)
class Tallied:
    """One op in one submodule: how often it ran, and what that came to. None where a call of it is not known."""

    times: int = 0
    macs: int | None = 0
    elementwise_flops: int | None = 0
    bytes_read: int = 0
    """Of activations: what the module holds, such as its parameters, is not in it."""
    bytes_written: int = 0


@dataclass(slots=True)
class Recorded:
    """What was seen of one call."""

    ops: dict[tuple[str, str], Tallied] = field(default_factory=dict)
    unknown: dict[tuple[str, str, str, bool], None] = field(default_factory=dict)
    """What has no count: op, scope, why, and whether tensors with values would tell."""
    traits: set[str] = field(default_factory=set)

    @property
    def macs(self) -> dict[tuple[str, str], int | None]:
        """MACs of each op that has some, by (scope, op)."""
        return {key: tallied.macs for key, tallied in self.ops.items() if tallied.macs != 0}


class Recorder(TorchDispatchMode):
    """Records the ops of a call, and where the tensors that they take come from."""

    supports_higher_order_operators = True

    def __init__(self, running: RunningModule, origins: Origins, results: MetaResults) -> None:
        super().__init__()
        self.results = results
        self.running = running
        self.origins = origins
        self.seen = Recorded()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if isinstance(func, HigherOrderOperator):  # those that are known were run as what they are made of
            self.seen.unknown[func.name(), self.running.scope, "what it runs is not known", False] = None
            return func(*args, **named)
        if says_its_ops(types):
            return NotImplemented
        rule = rule_of(func)
        if rule.is_composite:
            with self:
                result = func.decompose(*args, **named)
            if result is not NotImplemented:
                return result
        with torch._C.DisableTorchFunction():
            result = self.results.run(func, rule, args, named)
            try:
                self._note(rule, args, named, result)
            except RuntimeError as error:  # such as a nested tensor's, which has no sizes
                why = f"its tensors are of a kind not known: {error}"
                self.seen.unknown[rule.name, self.running.scope, why, False] = None
        return result

    def _note(self, rule: Rule, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> None:
        scope = self.running.scope
        tallied = self.seen.ops.get((scope, rule.name))
        if tallied is None:
            tallied = self.seen.ops[scope, rule.name] = Tallied()
        tallied.times += 1
        taken = list(tensors_in(args, kwargs))
        given = list(tensors_in((result,), {}))
        self._follow(rule, scope, args, kwargs, taken, given)
        if rule.moves_data:
            tallied.bytes_read += sum(_bytes(tensor) for tensor in taken if not self.origins.is_held(tensor))
            tallied.bytes_written += sum(map(_bytes, given))
        if rule.formula is not None or not rule.is_known:
            self._count(rule, scope, tallied, args, kwargs, result)
        if tallied.elementwise_flops is not None:
            price = price_of(rule, args, taken, given)
            tallied.elementwise_flops = None if price is None else tallied.elementwise_flops + price

    def _count(
        self, rule: Rule, scope: str, tallied: Tallied, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any
    ) -> None:
        try:
            if not rule.is_known:
                raise NoFormulaError("whether it has multiply-adds is not known")
            macs = rule.macs(args, kwargs, result)
            self.seen.traits.update(_traits(rule, args))
        except NoFormulaError as error:
            tallied.macs = None
            self.seen.unknown[rule.name, scope, str(error), isinstance(error, NeedsValuesError)] = None
        else:
            tallied.macs = None if tallied.macs is None else tallied.macs + macs
            if macs:
                self.origins.operands(tensors_in(_operands(rule, args), {}), scope)

    def _follow(
        self,
        rule: Rule,
        scope: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        taken: Sequence[Tensor],
        given: Sequence[Tensor],
    ) -> None:
        """Where the op's tensors come from, and what became known of them."""
        origins = self.origins
        for place in rule.written:
            if place < len(args):
                for tensor in tensors_in((args[place],), {}):
                    origins.written(tensor)
        for name in rule.written_by_name:
            for tensor in tensors_in((kwargs.get(name),), {}):
                origins.written(tensor)
        if rule.name == "aten._local_scalar_dense":
            origins.read_number(args[0])
        if rule.name not in ("aten.lift_fresh", "aten.lift"):  # what they take was made of Python's numbers
            for tensor in taken[:1] if rule.name in _TAKE_LISTS else taken:
                origins.consumed(tensor, rule.name, scope, values=not rule.ignores_values)
        for tensor in given:
            origins.made(tensor, blank=rule.makes_blank)
        origins.derived(taken, given)


def says_its_ops(types: Iterable[Any]) -> bool:
    """Whether an op has a tensor of a kind of its own, such as a nested one, that says which ops it is made of."""
    return any(kind.__torch_dispatch__ is not _NONE_OF_ITS_OWN for kind in types)


def _operands(rule: Rule, args: Sequence[Any]) -> Sequence[Any]:
    """What a product multiplies among its arguments: a bias or a mask it adds."""
    if "attention" in rule.name:
        return args[:3]
    return args[1:3] if "add" in rule.name else args[:2]


def _traits(rule: Rule, args: Sequence[Any]) -> Iterator[str]:
    if rule.name == "aten.convolution_backward" and args[9] > 1:
        yield GROUPED_BACKWARD
    for tensor in tensors_in(args, {}):
        if tensor.is_complex():
            yield COMPLEX
        if tensor.layout in SPARSE_LAYOUTS:
            yield SPARSE


def tensors_in(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
    """The tensors among an op's arguments, those in its lists too."""
    for value in (*args, *kwargs.values()) if kwargs else args:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(value, {})


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
