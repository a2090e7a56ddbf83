"""What a model moves, keeps for the backward and holds at once, each byte the submodule's that reads, keeps or made it.

A part has what was moved, kept or made in it and in those in it: so parts and what holds them besides add up to the
whole, the peak too. That is the one moment when the whole holds most; a part's is its share of that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from skaprof.count.counters import without_fast_path
from skaprof.count.exact import as_written
from skaprof.count.hidden_work import LeavingNumbers
from skaprof.count.memory import HeldStorages, storage_of
from skaprof.count.meta_results import MetaResults
from skaprof.count.recorder import says_its_ops, tensors_in
from skaprof.count.rules import rule_of
from skaprof.count.running import RunningModule
from skaprof.nn.user_model import tensors_in as tensors_given


class ModuleMemory(NamedTuple):
    """Bytes by the innermost submodule, "" for the whole; `peak` is empty in training."""

    traffic: Mapping[str, int]
    saved: Mapping[str, int]
    peak: Mapping[str, int]


def memory_of(module: nn.Module, call: Callable[[], Any], inputs: Sequence[Tensor], mode: str) -> ModuleMemory:
    """What `call` moves, keeps and holds: of activations, the `inputs` among them, not of parameters and buffers.

    In forward, in inference; in train, what autograd keeps of the forward, and what both passes move.

    Raises:
        Exception: whatever the call raises.
    """
    own = {storage_of(tensor)._cdata for tensor in (*module.parameters(), *module.buffers())}
    running = RunningModule(module)
    moved = _Moved(inputs, own, running)
    saved: Counter[str] = Counter()
    with ExitStack() as stack:
        for each in (without_fast_path(), as_written(), running, LeavingNumbers()):
            stack.enter_context(each)
        stack.enter_context(torch.set_grad_enabled(mode == "train"))
        with moved, _kept(own, running, saved) if mode == "train" else nullcontext():
            output = call()
        ends = [tensor for tensor in tensors_given(output) if tensor.requires_grad]
        if mode == "train" and ends:
            with moved:
                torch.autograd.backward(ends, [torch.ones_like(end) for end in ends])
    module.zero_grad(set_to_none=True)
    return ModuleMemory(moved.traffic, saved, moved.at_peak if mode == "forward" else {})


class _Moved(HeldStorages):
    """As `HeldStorages`, and the bytes that ops read and write."""

    def __init__(self, inputs: Sequence[Tensor], own: set[int], running: RunningModule) -> None:
        super().__init__(inputs, scope=lambda: running.scope)
        self.own = own
        self.traffic: Counter[str] = Counter()
        self.results = MetaResults()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if says_its_ops(types):
            return NotImplemented
        named = kwargs or {}
        rule = rule_of(func)
        with torch._C.DisableTorchFunction():
            result = self.results.run(func, rule, args, named)
            moved, taken = 0, set()
            for tensor in tensors_in(args, named):
                address = storage_of(tensor)._cdata
                taken.add(address)
                if address not in self.own:
                    moved += tensor.numel() * tensor.element_size()
            for tensor in tensors_in((result,), {}):
                storage = storage_of(tensor)
                if storage._cdata not in taken:
                    self.born(storage)
                moved += 0 if storage._cdata in self.own else tensor.numel() * tensor.element_size()
        if rule.moves_data:
            self.traffic[self.scope()] += moved
        return result


@contextmanager
def _kept(own: set[int], running: RunningModule, bytes_by_scope: Counter[str]) -> Iterator[None]:
    """For the time of the block, what autograd saves, each storage once, of the submodule that has it saved first."""
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = storage_of(tensor)
        if storage._cdata not in own and storage._cdata not in kept:
            kept[storage._cdata] = storage  # held, so that no later storage takes its address
            bytes_by_scope[running.scope] += storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield
