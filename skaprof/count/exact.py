"""skaprof's own count of any module's multiply-adds: exact, in integers, by op and by submodule, or none, and why.

    found = count_exact(model, lambda: model(x))                # forward, in inference
    found = count_exact(model, lambda: model(x), mode="train")  # and backward, to each leaf that requires a gradient
    found.macs                  # int, or None: then found.unknown says what is not known, and found.error in one line
    found.by_scope()["blocks.3.attn"].macs, .elementwise_flops, .bytes_read, .shapes

It reads the ops that PyTorch dispatches below autograd, so what it counts is what runs: one branch of `torch.cond`, the
matrix products that einsum is made of, backward and recomputed ops. One table (`rules`) says of each op its formula, or
that it has no multiply-adds; any other is named and makes the count None. A convolution's padding counts as data, a
fused attention as its two products (five backward), a causal mask takes nothing off, a complex multiply-add is four.

The call runs twice. Hand over a module that has not run before: one that keeps its answers does less the second time,
and is told by that. What PyTorch never dispatches is found by the numbers that leave it and the tensors that no op made
(`hidden_work`). The module, its tensors and its gradients are left as they were; nothing is cast. Works on meta tensors
and real ones, of any dtype. What the call raises is let through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import _engine_run_backward as run_backward  # under the modes, as backward() is not

from skaprof.count.counted_forms import called_by_pytorch
from skaprof.count.counters import without_fast_path
from skaprof.count.hidden_work import LeavingNumbers, Origins, threads_noted
from skaprof.count.meta_results import MetaResults
from skaprof.count.recorder import Recorded, Recorder
from skaprof.count.running import RunningModule, Shapes, hooks_unmentioned
from skaprof.foreign_code import reason_of
from skaprof.nn.user_model import tensors_in as tensors_given


class CountedOp(NamedTuple):
    """One kind of op in one submodule, all its calls together. None is a figure that is not known."""

    name: str
    """Namespace and name, such as aten.mm."""
    scope: str
    """The dotted name of the innermost submodule that ran it, "" for the whole."""
    times: int
    macs: int | None
    elementwise_flops: int | None
    bytes_read: int
    """Of activations: what the module holds, such as its parameters, is not in it. Copies that PyTorch makes are."""
    bytes_written: int


class UnknownWork(NamedTuple):
    """Why the count is not whole: an op, or "" where it is no op's, the submodule, and the reason."""

    op: str
    scope: str
    why: str
    needs_values: bool = False
    """Whether the call had tensors on meta, whose numbers would tell."""


class ScopeCount(NamedTuple):
    """All work of a submodule, that of the submodules in it with it; shapes of what its first call gave."""

    macs: int | None
    elementwise_flops: int | None
    bytes_read: int
    bytes_written: int
    shapes: Shapes


@dataclass(frozen=True, slots=True)
class ExactCount:
    """What one call of a module does."""

    ops: tuple[CountedOp, ...]
    unknown: tuple[UnknownWork, ...]
    shapes: Mapping[str, Shapes]
    """Of what each submodule that was called gave, by its first name; "" is the whole."""
    traits: frozenset[str] = frozenset()
    """Of its products, what other counters are known to count otherwise: `recorder.SPARSE` and the like."""
    constants: Mapping[tuple[int, str], int] = field(default_factory=dict)
    """Sizes of what it multiplies by that is neither parameter nor real buffer, by storage and submodule; none if no
    inputs are named."""

    @property
    def macs(self) -> int | None:
        """Multiply-adds of linear layers, matrix products and convolutions; None where any work is not known."""
        return None if self.unknown else _summed(op.macs for op in self.ops)

    @property
    def error(self) -> str | None:
        """Why there is no count, in one line; None where there is one."""
        return told(self.unknown)

    def unlearned(self, name: str = "") -> str | None:
        """Why it is not known how many parameters a submodule, or the whole (""), has; None where it is."""
        found = {key: size for (key, scope), size in self.constants.items() if name in _holders(scope)}
        if not found:
            return None
        numbers = f"{sum(found.values()):,} numbers that are neither parameters nor real buffers"
        return f"it multiplies by {numbers}: how many it learns is not known"

    def by_scope(self) -> dict[str, ScopeCount]:
        """The work of the whole (""), of each submodule that was called, and of those that hold one that was.

        A submodule that stands in several places has its first name. MACs are None where an op in it is not known;
        hidden work that has no place is missing from the whole alone.
        """
        inside: dict[str, list[CountedOp]] = {name: [] for scope in ("", *self.shapes) for name in _holders(scope)}
        for op in self.ops:
            for name in _holders(op.scope):
                inside.setdefault(name, []).append(op)
        placed = {name: _scope_count(ops, self.shapes.get(name, ())) for name, ops in inside.items()}
        return placed | {"": placed[""]._replace(macs=self.macs)}


def count_exact(
    module: nn.Module, call: Callable[[], Any], *, mode: str = "forward", inputs: Sequence[Tensor] = ()
) -> ExactCount:
    """What `call`, which runs the module, does: forward in inference, or in training with the backward of all it gives.

    Args:
        module: whose submodules the work is told apart by; not run before, so that answers it keeps are seen.
        call: runs it and gives its output, tensors in whatever holds them.
        inputs: the tensors that the call hands to the module, so that they are not taken for constants of its own.
        mode: forward or train; in train, gradients go to every parameter and input that requires one.

    Raises:
        Exception: whatever the call raises.
    """
    results = MetaResults()
    first, origins, shapes, leaving = _record(module, call, mode, inputs, results)
    try:
        again, origins_again, _, _ = _record(module, call, mode, inputs, results)
    except Exception as error:  # whatever the user's code may raise, it did not the first time
        return ExactCount(_ops(first), (UnknownWork("", "", f"a second call fails: {reason_of(error)}"),), shapes)
    unknown = [UnknownWork(*each) for each in first.unknown]
    unknown += [UnknownWork("", "", reason) for reason in (*leaving.found, *origins.reasons)]
    if mode == "train":
        unknown += [
            UnknownWork(name, scope, "PyTorch has no backward of it")
            for scope, name in first.ops
            if name.startswith(("quantized.", "aten.quantized_")) and first.ops[scope, name].macs
        ]
    if _summed(first.macs.values()) == _summed(again.macs.values()):
        unknown += _unmade(origins, origins_again)
    elif not first.unknown and not again.unknown:
        unknown.append(UnknownWork("", "", _differing(first, again)))
    return ExactCount(
        _ops(first),
        tuple(unknown),
        shapes,
        frozenset(first.traits | leaving.traits),
        origins.multiplied if inputs else {},
    )


def _ops(seen: Recorded) -> tuple[CountedOp, ...]:
    return tuple(
        CountedOp(name, scope, of.times, of.macs, of.elementwise_flops, of.bytes_read, of.bytes_written)
        for (scope, name), of in seen.ops.items()
    )


def _record(
    module: nn.Module, call: Callable[[], Any], mode: str, inputs: Sequence[Tensor], results: MetaResults
) -> tuple[Recorded, Origins, Mapping[str, Shapes], LeavingNumbers]:
    origins, running = Origins(), RunningModule(module)
    leaving = LeavingNumbers(origins)
    origins.hold(module)
    for tensor in inputs:
        origins.made(tensor)
    recorder = Recorder(running, origins, results)
    with ExitStack() as stack:
        for each in (
            without_fast_path(),
            called_by_pytorch(),
            threads_noted(leaving.found),
            hooks_unmentioned(),
            kept_gradients(module),
            as_written(),
            running,
        ):
            stack.enter_context(each)
        stack.enter_context(torch.set_grad_enabled(mode == "train"))
        with leaving, recorder:
            output = call()
        given = tensors_given(output)
        for tensor in given:
            origins.consumed(tensor, "", "")
        ends = [tensor for tensor in given if tensor.requires_grad] if mode == "train" else []
        if ends:
            gradients = tuple(torch.ones_like(end) for end in ends)
            for gradient in gradients:
                origins.made(gradient)
            with leaving, recorder:
                run_backward(tuple(ends), gradients, False, False, (), allow_unreachable=True, accumulate_grad=True)
    return recorder.seen, origins, running.shapes, leaving


def _unmade(first: Origins, again: Origins) -> list[UnknownWork]:
    """Tensors that no op made: a constant is the same one in both calls, and what hidden work makes is not."""
    constants = set(again.unknown)
    found = [(op, scope) for key, (_, op, scope) in first.unknown.items() if key not in constants]
    why = "takes a tensor that no op made: it was computed where PyTorch does not dispatch, or in another thread"
    given = "a tensor in the output is one that no op made: it was computed where PyTorch does not dispatch, or kept"
    return [UnknownWork(op, scope, why if op else given) for op, scope in dict.fromkeys(found)]


def told(unknown: Iterable[UnknownWork]) -> str | None:
    """Why work is not known, each reason once, in one line; None where all is."""
    places: dict[tuple[str, str], list[str]] = {}
    for each in unknown:
        places.setdefault((each.op, each.why), []).append(each.scope)
    return "; ".join(_placed(op, why, scopes) for (op, why), scopes in places.items()) or None


def _placed(op: str, why: str, scopes: Sequence[str]) -> str:
    """A reason and where it holds: the first submodule, and how many others."""
    others = f" and {len(scopes) - 1} others" if len(scopes) > 1 else ""
    place = f" in {scopes[0]}{others}" if scopes[0] else ""
    return f"{op}{place}: {why}" if op else f"{why}{place}"


def _differing(first: Recorded, again: Recorded) -> str:
    before, after = (_summed(seen.macs.values()) for seen in (first, again))
    change = "keeps what it computed" if (after or 0) < (before or 0) else "depends on what was before"
    return f"the first call has {before:,} MACs and the second {after:,}: the module {change}"


def _summed(values: Any) -> int | None:
    total = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _holders(scope: str) -> list[str]:
    """The names of a submodule and of all that hold it, from the whole on."""
    parts = scope.split(".") if scope else []
    return ["", *(".".join(parts[: end + 1]) for end in range(len(parts)))]


def _scope_count(ops: list[CountedOp], shapes: Shapes) -> ScopeCount:
    return ScopeCount(
        _summed(op.macs for op in ops),
        _summed(op.elementwise_flops for op in ops),
        sum(op.bytes_read for op in ops),
        sum(op.bytes_written for op in ops),
        shapes,
    )


@contextmanager
def kept_gradients(module: nn.Module) -> Iterator[None]:
    """The gradients that parameters hold, and hold again afterwards."""
    held = [(parameter, parameter.grad) for parameter in module.parameters()]
    for parameter, _ in held:
        parameter.grad = None
    try:
        yield
    finally:
        for parameter, gradient in held:
            parameter.grad = gradient


@contextmanager
def as_written() -> Iterator[None]:
    """What was compiled runs as it was written: as ops that are seen."""
    with torch.compiler.set_stance("force_eager"):
        yield
