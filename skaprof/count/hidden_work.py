"""Work that PyTorch never dispatches is not seen by counting ops: it is found by what it takes and what it leaves.

Two signs. Numbers leave PyTorch: as an array, a list, an address. Or a tensor is there that no op made, or whose memory
no op wrote: another thread's, a foreign library's. Either way the count is not whole, and says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Thread, get_ident
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch._ops import HigherOrderOperator
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from skaprof.count.counted_forms import ATTENTION, four_convolutions, fused_on_meta, is_complex_convolution

BRANCHES, COMPLEX = "branches", "complex"
"""Traits of calls: torch.cond and the like choose what runs; products of complex numbers."""
MOST_NUMBERS_READ = 8
"""Single numbers that may be read of one tensor, to choose by: more are a loop over its elements."""
_LEAVES = {
    **dict.fromkeys(("numpy", "__array__", "__array_wrap__"), "as a numpy array"),
    **dict.fromkeys(("__dlpack__", "__cuda_array_interface__"), "to another library"),
    **dict.fromkeys(("data_ptr", "untyped_storage", "storage"), "by its address"),
    "tolist": "as a list",
}


_MAKE_OF_PYTHON = ("tensor", "new_tensor", "as_tensor", "asarray")
"""Functions that make a tensor of Python's numbers."""


class LeavingNumbers(TorchFunctionMode):
    """Notes in `found` how tensors' numbers leave PyTorch; and has attention on meta run as a fused kernel."""

    def __init__(self, origins: Origins | None = None) -> None:
        super().__init__()
        self._origins = origins
        self.found: dict[str, None] = {}
        self.traits: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name in _LEAVES and args and _matters(name, args[0]):
            self.found[f"a tensor's numbers leave PyTorch {_LEAVES[name]} ({name}): what is done there is not seen"] = (
                None
            )
        if isinstance(func, HigherOrderOperator):
            self.traits.add(BRANCHES)
            with self:
                return _as_written(func)(*args, **(kwargs or {}))
        if func is ATTENTION:
            return fused_on_meta(*args, **(kwargs or {}))
        if is_complex_convolution(func, args, kwargs or {}):
            self.traits.add(COMPLEX)
            return four_convolutions(func, *args, **(kwargs or {}))
        result = func(*args, **(kwargs or {}))
        if self._origins is not None and name in _MAKE_OF_PYTHON and isinstance(result, Tensor):
            self._origins.made(result)  # on some devices no op does
        return result


@contextmanager
def threads_noted(found: dict[str, None]) -> Iterator[None]:
    """Notes in `found` that this thread gives work to another in the block: what that runs is not seen."""
    own = get_ident()

    def noted(run: Callable[..., Any]) -> Callable[..., Any]:
        def begin(*args: Any, **kwargs: Any) -> Any:
            if get_ident() == own:
                found["gives work to another thread: what is done there is not seen"] = None
            return run(*args, **kwargs)

        return begin

    with (
        patch.object(Thread, "start", noted(Thread.start)),
        patch.object(ThreadPoolExecutor, "submit", noted(ThreadPoolExecutor.submit)),
    ):
        yield


def _as_written(op: HigherOrderOperator) -> Callable[..., Any]:
    """What cond, while_loop, scan and the like do without a compiler: one branch, so many steps."""
    if op.name() == "cond":
        return lambda chosen, this, that, operands: (this if chosen else that)(*operands)
    if op.name() == "scan":
        from torch._higher_order_ops.scan import generic_scan

        return lambda step, start, xs, more=(): generic_scan(step, start, xs, additional_inputs=more)
    kernel = op.py_kernels.get(torch.DispatchKey.CompositeExplicitAutograd)
    return op if kernel is None else kernel


def _matters(name: str, tensor: object) -> bool:
    """Whether it may be worked on: a list of whole numbers, or of few, says which work is to be done."""
    if name == "tolist" and isinstance(tensor, Tensor):
        is_real = tensor.is_floating_point() or tensor.is_complex()
        return is_real and tensor.numel() > MOST_NUMBERS_READ
    return True


class Origins:
    """Where the memory of tensors comes from: what was there before, and what ops made.

    Storages are held weakly, so that their memory is freed as ever, and no later one is taken for an earlier.
    """

    def __init__(self) -> None:
        self._known: dict[int, StorageWeakRef | None] = {}
        self._held: set[int] = set()
        self._constants: set[int] = set()
        self.multiplied: dict[tuple[int, str], int] = {}
        """Sizes of the tensors that products take, and that are neither parameters nor buffers of real numbers, by
        their storage and the submodule of the product."""
        self._blank: set[int] = set()
        self._reads: Counter[int] = Counter()
        self.unknown: dict[int, tuple[StorageWeakRef, str, str]] = {}
        self.reasons: dict[str, None] = {}

    def hold(self, module: nn.Module) -> None:
        """All that the module holds before any op runs. What it learns, or declares as real numbers, is no constant."""
        for tensor in held_tensors(module):
            self.made(tensor)
            self._held.add(_storage(tensor)[0])
        real = (each for each in module.buffers() if each.is_floating_point() or each.is_complex())
        self._constants = self._held - {_storage(tensor)[0] for tensor in (*module.parameters(), *real)}

    def derived(self, taken: Sequence[Tensor], given: Sequence[Tensor]) -> None:
        """What an op makes of constants alone is one."""
        if self._constants and taken and all(_storage(tensor)[0] in self._constants for tensor in taken):
            self._constants.update(_storage(tensor)[0] for tensor in given)

    def operands(self, tensors: Iterable[Tensor], scope: str) -> None:
        """A product in this submodule takes these tensors."""
        for tensor in tensors:
            key, _ = _storage(tensor)
            if (key in self._constants or key in self.unknown) and tensor.numel() > 1:
                self.multiplied[key, scope] = tensor.numel()

    def is_held(self, tensor: Tensor) -> bool:
        """Whether the module held it before any op ran."""
        return _storage(tensor)[0] in self._held

    def made(self, tensor: Tensor, *, blank: bool = False) -> None:
        """An op, or whoever called, made this tensor."""
        key, storage = _storage(tensor)
        if storage is None:
            return
        if key not in self._known:
            self._known[key] = StorageWeakRef(storage)
        if blank and tensor.numel():
            self._blank.add(key)

    def written(self, tensor: Tensor) -> None:
        """An op wrote into this tensor."""
        if self._blank:
            self._blank.discard(_storage(tensor)[0])

    def consumed(self, tensor: Tensor, op: str, scope: str, *, values: bool = True) -> None:
        """An op, or whoever called, takes this tensor, and of it the values or the shape alone."""
        key, storage = _storage(tensor)
        if storage is None or tensor.numel() < 2:  # one number may be Python's own
            return
        if key not in self._known and key not in self.unknown:
            self.unknown[key] = (StorageWeakRef(storage), op, scope)
        if values and key in self._blank:
            self.reasons["reads memory that no op wrote: something outside PyTorch did, or nothing"] = None

    def read_number(self, tensor: Tensor) -> None:
        """One number of this tensor was read."""
        if not (tensor.is_floating_point() or tensor.is_complex()):
            return
        key, _ = _storage(tensor)
        self._reads[key] += 1
        if self._reads[key] > MOST_NUMBERS_READ:
            self.reasons["a tensor's numbers leave PyTorch one by one: what is done with them is not seen"] = None


def _storage(tensor: Tensor) -> tuple[int, torch.UntypedStorage | None]:
    """The address of a tensor's storage, and the storage; of a sparse one, that of its values; else none."""
    if is_lazy(tensor):
        return 0, None
    try:
        if tensor.layout is torch.strided:
            storage = tensor.untyped_storage()
        elif tensor.layout is torch.sparse_coo:
            storage = tensor._values().untyped_storage()
        else:
            storage = tensor.values().untyped_storage()
    except (RuntimeError, NotImplementedError):  # opaque tensors, such as oneDNN's, have none
        return 0, None
    return storage._cdata, storage


def held_tensors(module: nn.Module) -> Iterable[Tensor]:
    """Every tensor that a module's parts hold: parameters, buffers and plain attributes, in lists and dicts too."""
    yield from (*module.parameters(), *module.buffers())  # a scripted module's are no attributes
    for part in module.modules():
        yield from _tensors_in([*vars(part).values()], 4)


def _tensors_in(value: object, depth: int) -> Iterable[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif depth and isinstance(value, Mapping):
        yield from (tensor for part in value.values() for tensor in _tensors_in(part, depth - 1))
    elif depth and isinstance(value, list | tuple | set):
        yield from (tensor for part in value for tensor in _tensors_in(part, depth - 1))
