"""What PyTorch itself keeps and holds: the tensors that autograd saves, and the storages alive in a forward call.

Neither knows the model. Both work on meta tensors, whose storages have sizes and no memory, and on real ones. What the
allocator hands out, kernels' own memory with it, is seen of real calls alone.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def saved_by_autograd(module: nn.Module, x: Tensor) -> int:
    """Bytes of the storages that one forward call makes autograd save, each once; parameters and buffers are not in it.

    The input counts where it is saved.
    """
    own = {storage_of(tensor)._cdata for tensor in (*module.parameters(), *module.buffers())}
    saved: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = storage_of(tensor)
        if storage._cdata not in own:
            saved[storage._cdata] = storage  # held, so that no later storage takes its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = module(x.detach().requires_grad_())
    del output
    return sum(storage.nbytes() for storage in saved.values())


def held_in_forward(module: nn.Module, x: Tensor, *, copies: bool = False) -> int:
    """Most bytes of activations alive at once in one inference call, its input among them, its parameters not.

    Without `copies`, a copy that changes the layout alone counts as its original does: once, for as long as one of the
    two is alive.
    """
    with torch.no_grad(), HeldStorages([x], copies=copies) as held:
        module(x)
    return held.peak


def allocated_in_forward(module: nn.Module, x: Tensor) -> int:
    """Most bytes that a processor's allocator has handed out at once in one inference call, and the input's.

    That is what kernels take within themselves too: copies into other layouts, scratch. A first call is not looked at.
    """
    from torch.profiler import ProfilerActivity, profile

    with torch.no_grad():
        module(x)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            module(x)
    held = peak = 0
    for event in profiled.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak + storage_of(x).nbytes()


class HeldStorages(TorchDispatchMode):
    """Follows the storages that ops make, from their birth to their end, from those of the inputs on.

    A tensor and its copies in other layouts have one number; it is held while any of its storages is alive. `at_peak`
    is what each scope had made of what was held at the peak, which is their sum.
    """

    def __init__(self, inputs: Iterable[Tensor], *, copies: bool, scope: Callable[[], str] = lambda: "") -> None:
        super().__init__()
        self.copies, self.scope = copies, scope
        self.now = self.peak = 0
        self.numbers: dict[int, int] = {}  # of each storage alive, by its address, which may be used again
        self.alive: Counter[int] = Counter()
        self.makers: dict[int, str] = {}
        self.held: Counter[str] = Counter()
        self.at_peak: dict[str, int] = {}
        self.births = 0
        for storage in {storage_of(tensor)._cdata: storage_of(tensor) for tensor in inputs}.values():
            self._count(storage, None)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {storage_of(leaf)._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = func(*args, **(kwargs or {}))
        is_copy = func.overloadpacket is torch.ops.aten.clone and not self.copies
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and storage_of(leaf)._cdata not in given:
                self.born(storage_of(leaf), self.numbers.get(storage_of(args[0])._cdata) if is_copy else None)
        return result

    def born(self, storage: torch.UntypedStorage, number: int | None = None) -> None:
        """A new storage, `number` that of the tensor it is a copy of."""
        self._count(storage, number)
        weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())

    def _count(self, storage: torch.UntypedStorage, number: int | None) -> None:
        if number is None:
            self.births += 1
            number = self.births
        self.numbers[storage._cdata] = number
        self.alive[number] += 1
        if self.alive[number] > 1:
            return
        maker = self.makers[number] = self.scope()
        self.held[maker] += storage.nbytes()
        self.now += storage.nbytes()
        if self.now > self.peak:
            self.peak, self.at_peak = self.now, dict(self.held)

    def _gone(self, address: int, size: int) -> None:
        number = self.numbers.pop(address)
        self.alive[number] -= 1
        if self.alive[number] == 0:
            self.now -= size
            self.held[self.makers.pop(number)] -= size


def storage_of(tensor: Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()
