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


def held_in_forward(module: nn.Module, x: Tensor) -> int:
    """Most bytes of activations alive at once in one inference call, its input among them, its parameters not."""
    with torch.no_grad(), HeldStorages([x]) as held:
        module(x)
    return held.peak


def allocated_in_forward(module: nn.Module, x: Tensor) -> int:
    """Most bytes that a processor's allocator has handed out at once in one inference call, and the input's.

    That is what kernels take within themselves too: copies into other layouts, scratch. A first call is not looked at.
    """
    profiler: Any = torch._C._profiler
    autograd: Any = torch.autograd
    config = profiler.ProfilerConfig(  # the older profiler: `torch.profiler` writes lines of its own to stderr
        profiler.ProfilerState.CPU,
        report_input_shapes=False,
        profile_memory=True,
        with_stack=False,
        with_flops=False,
        with_modules=False,
        experimental_config=profiler._ExperimentalConfig(),
    )
    with torch.no_grad():
        module(x)
        autograd._enable_profiler_legacy(config)
        try:
            module(x)
        finally:
            records = autograd._disable_profiler_legacy()
    held = peak = 0
    for record in (record for of_thread in records for record in of_thread):
        if record.kind() == "memory_alloc":
            held += record.cpu_memory_usage()
            peak = max(peak, held)
    return peak + storage_of(x).nbytes()


class HeldStorages(TorchDispatchMode):
    """Follows the storages that ops make, from their birth to their end, from those of the inputs on.

    `at_peak` is what each scope had made of what was held at the peak, which is their sum.
    """

    def __init__(self, inputs: Iterable[Tensor], *, scope: Callable[[], str] = lambda: "") -> None:
        super().__init__()
        self.scope = scope
        self.now = self.peak = 0
        self.makers: dict[int, str] = {}  # of each storage alive, by its address, which may be used again
        self.held: Counter[str] = Counter()
        self.at_peak: dict[str, int] = {}
        for storage in {storage_of(tensor)._cdata: storage_of(tensor) for tensor in inputs}.values():
            self._count(storage)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {storage_of(leaf)._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and storage_of(leaf)._cdata not in given:
                self.born(storage_of(leaf))
        return result

    def born(self, storage: torch.UntypedStorage) -> None:
        """A new storage."""
        self._count(storage)
        weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())

    def _count(self, storage: torch.UntypedStorage) -> None:
        maker = self.makers[storage._cdata] = self.scope()
        self.held[maker] += storage.nbytes()
        self.now += storage.nbytes()
        if self.now > self.peak:
            self.peak, self.at_peak = self.now, dict(self.held)

    def _gone(self, address: int, size: int) -> None:
        self.now -= size
        self.held[self.makers.pop(address)] -= size


def storage_of(tensor: Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()
