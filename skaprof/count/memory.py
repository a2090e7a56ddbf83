"""What PyTorch itself keeps and holds: the tensors that autograd saves, and the storages alive in a forward call.

Neither knows the model. Both work on meta tensors, whose storages have sizes and no memory, and on real ones.
"""

from __future__ import annotations

import weakref
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


def saved_by_autograd(module: nn.Module, x: Tensor) -> int:
    """Bytes of the storages that one forward call makes autograd save, each once; parameters and buffers are not in it.

    The input counts where it is saved.
    """
    own = {_storage(tensor)._cdata for tensor in (*module.parameters(), *module.buffers())}
    saved: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = _storage(tensor)
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
    with torch.no_grad(), _Held(x, copies=copies) as held:
        module(x)
    return held.peak


class _Held(TorchDispatchMode):
    """Follows the storages that ops make, from their birth to their end.

    A tensor and its copies in other layouts have one number; it is held while any of its storages is alive.
    """

    def __init__(self, x: Tensor, *, copies: bool) -> None:
        super().__init__()
        self.copies = copies
        self.now = self.peak = _storage(x).nbytes()
        self.numbers = {_storage(x)._cdata: 0}  # of each storage alive, by its address, which may be used again
        self.alive = Counter({0: 1})
        self.births = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {_storage(leaf)._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = func(*args, **(kwargs or {}))
        is_copy = func.overloadpacket is torch.ops.aten.clone and not self.copies
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and _storage(leaf)._cdata not in given:
                self._born(_storage(leaf), self.numbers.get(_storage(args[0])._cdata) if is_copy else None)
        return result

    def _born(self, storage: torch.UntypedStorage, number: int | None) -> None:
        """A new storage, `number` that of the tensor it is a copy of."""
        if number is None:
            self.births += 1
            number = self.births
        self.numbers[storage._cdata] = number
        self.alive[number] += 1
        if self.alive[number] == 1:
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())

    def _gone(self, address: int, size: int) -> None:
        number = self.numbers.pop(address)
        self.alive[number] -= 1
        if self.alive[number] == 0:
            self.now -= size


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()
