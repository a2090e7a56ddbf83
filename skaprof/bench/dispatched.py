"""What PyTorch dispatches during a call, described by what decides its time; seen alone, or timed one by one.

A description is of the op as the processor runs it: its kind (the op, and how its tensors lie in memory) and its sizes
(rows, inner and columns of a product; channels, window and positions of a convolution; rows and columns of all else),
and last the KiB that the whole call touches: what is read again in the next call is then in a cache, or no longer.
Timed in the call itself, each op finds its inputs where the op before left them, which alone on fresh data it does not:
summed, they are within some percent of the call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from time import thread_time_ns
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from skaprof.model.kernel_times import VIEW, DispatchedKernel

Sizes = tuple[int, ...]


class _Seen(TorchDispatchMode):
    """Describes each op, and counts the bytes that the call touches: what it is given, and each tensor it makes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch types no mode
        self.kernels: list[DispatchedKernel] = []
        self.touched = 0
        self._storages: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.namespace != "prim":  # questions about a tensor, which fake ones answer here
            taken = [*args, *(kwargs or {}).values()]
            self.kernels.append(described(func, taken, result))
            self._touch(list(_tensors(taken)), list(_tensors([result])))
        return result

    def _touch(self, taken: Sequence[Tensor], given: Sequence[Tensor]) -> None:
        """A tensor that is given may lie where one that is freed lay: it is new unless it is one of those taken."""
        of_taken = {_storage(tensor): tensor for tensor in taken}
        new = [tensor for storage, tensor in of_taken.items() if storage not in self._storages]
        new += [tensor for tensor in given if _storage(tensor) not in of_taken]
        self.touched += sum(tensor.numel() * tensor.element_size() for tensor in new)
        self._storages.update(of_taken, map(_storage, given))

    def among(self, elsewhere: int) -> list[DispatchedKernel]:
        """Every op, with the KiB that the call touches and what is touched elsewhere from one call to the next."""
        kibibytes = max(1, (self.touched + elsewhere) // 1024)
        return [kernel.among(kibibytes) for kernel in self.kernels]


def _storage(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


class _Timed(TorchDispatchMode):
    """The CPU time of each op in ns, on this thread."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch types no mode
        self.nanoseconds: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        start = thread_time_ns()
        result = func(*args, **named)
        self.nanoseconds.append(thread_time_ns() - start)
        return result


@contextmanager
def shapes_alone(build: Callable[[], nn.Module]) -> Iterator[nn.Module]:
    """The module without memory, on a processor: what tensors are made in here have sizes alone, and the ops on them
    are chosen as on real ones.
    """
    with torch.device("meta"):
        module = build()
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield module.to_empty(device="cpu").eval()


def dispatched(call: Callable[[], object], elsewhere: int = 0) -> list[DispatchedKernel]:
    """Every op of the call, in order, where so many bytes of other memory are touched before it is made again."""
    seen = _Seen()
    with seen:
        call()
    return seen.among(elsewhere)


def dispatched_in(module: nn.Module, call: Callable[[], object]) -> dict[str, list[DispatchedKernel]]:
    """The ops of the call of a module, and of each submodule while it ran, by name; "" has all of them."""
    seen = _Seen()
    found: dict[str, list[slice]] = {}
    starts: dict[str, int] = {}

    def enters(name: str) -> Callable[..., None]:
        return lambda *_: starts.__setitem__(name, len(seen.kernels))

    def leaves(name: str) -> Callable[..., None]:
        return lambda *_: found.setdefault(name, []).append(slice(starts[name], len(seen.kernels)))

    parts = [(name, part) for name, part in module.named_modules() if name]
    hooks = [part.register_forward_pre_hook(enters(name)) for name, part in parts]
    hooks += [part.register_forward_hook(leaves(name)) for name, part in parts]
    try:
        with seen:
            call()
    finally:
        for hook in hooks:
            hook.remove()
    kernels = seen.among(0)
    return {"": kernels, **{name: [each for of in runs for each in kernels[of]] for name, runs in found.items()}}


def timed(call: Callable[[], object]) -> list[int]:
    """The CPU time of every op of the call in ns, in order."""
    found = _Timed()
    with found:
        call()
    return found.nanoseconds


def described(func: Any, args: Sequence[Any], result: Any) -> DispatchedKernel:
    """The op, by what decides its time; what the call touches is known when that is over."""
    name = func._schema.name.removeprefix("aten::")
    if func.is_view or name in _SEEN_AS:
        return DispatchedKernel(f"{VIEW}/{name}", "", ())
    taken, given = list(_tensors(args)), list(_tensors([result]))
    dtype = str((taken or given)[0].dtype).removeprefix("torch.") if taken or given else ""
    describe = _SIZES.get(name, _rows_and_columns)
    sizes, traits = describe(taken, given, args)
    largest = 0 if name in _SIZES else max((tensor.numel() for tensor in taken), default=0)
    layouts = [_layout(tensor, largest) for tensor in taken if tensor.dim() > 1]
    return DispatchedKernel("/".join([name, *layouts, *traits]), dtype, (*sizes, 0))


_SEEN_AS = ("_unsafe_view", "_reshape_alias", "alias", "detach", "lift_fresh")


def _tensors(values: Sequence[Any]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _layout(tensor: Tensor, largest: int) -> str:
    """How it lies in memory: `c` in its own order, else whether it is dense, in order, and its last dim innermost."""
    dims = [(step, size) for step, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]
    small = "<" if tensor.numel() < largest else ""
    if any(step == 0 for step, _ in dims):
        return f"{small}repeated"
    ordered = sorted(dims, key=lambda dim: -dim[0])
    reach, dense = 1, True
    for step, size in reversed(ordered):
        dense &= step == reach
        reach = step * size
    if dense and ordered == dims:
        return f"{small}c"
    inner = "1" if not dims or dims[-1][0] == 1 else "n"
    return f"{small}{'d' if dense else 's'}{'o' if ordered == dims else 'p'}{inner}"


def _product(taken: Sequence[Tensor], given: Sequence[Tensor], args: Sequence[Any]) -> tuple[Sizes, tuple[str, ...]]:
    """(rows, inner, columns) of a product, and how many where there are several."""
    left, right = taken[-2].shape, taken[-1].shape
    return (*left, right[-1]), ()


def _convolution(
    taken: Sequence[Tensor], given: Sequence[Tensor], args: Sequence[Any]
) -> tuple[Sizes, tuple[str, ...]]:
    """(batch, groups, channels in and out of a group, window, positions in and out)."""
    backward = len(args) > 9
    x, weight = (taken[1], taken[2]) if backward else (taken[0], taken[1])
    out = taken[0] if backward else given[0]
    groups = x.shape[1] // weight.shape[1] or 1
    window, before, after = prod(weight.shape[2:]), prod(x.shape[2:]), prod(out.shape[2:])
    traits = ("".join("1" if part else "0" for part in args[-1]),) if backward else ()
    kind = "depthwise" if groups > 1 and weight.shape[1] == 1 else "grouped" if groups > 1 else "whole"
    sizes = (x.shape[0], groups, weight.shape[1], weight.shape[0] // groups, window, before, after)
    return sizes, (*traits, kind, "strided" if after * 2 < before else "dense")


def _attention(taken: Sequence[Tensor], given: Sequence[Tensor], args: Sequence[Any]) -> tuple[Sizes, tuple[str, ...]]:
    """(sequences, queries, keys, width of queries, width of values)."""
    query, key, value = taken[-3:] if len(taken) == 3 else taken[:3]
    return (prod(query.shape[:-2]), query.shape[-2], key.shape[-2], query.shape[-1], value.shape[-1]), ()


def _rows_and_columns(
    taken: Sequence[Tensor], given: Sequence[Tensor], args: Sequence[Any]
) -> tuple[Sizes, tuple[str, ...]]:
    """Those of the largest tensor: all but the last dim, and the last."""
    largest = max([*taken, *given], key=Tensor.numel, default=None)
    if largest is None or not largest.dim():
        return (1, 1), ()
    columns = largest.shape[-1] or 1
    return (largest.numel() // columns, columns), ()


_SIZES = {
    **dict.fromkeys(("mm", "addmm", "bmm", "baddbmm", "addbmm", "mv", "addmv"), _product),
    **dict.fromkeys(("convolution", "convolution_backward", "mkldnn_convolution"), _convolution),
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_flash_attention_for_cpu_backward",
            "_scaled_dot_product_fused_attention_overrideable",
        ),
        _attention,
    ),
}
