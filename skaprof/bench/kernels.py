"""What one call runs, by name: GPU kernels, or a processor's; and which attention backend that was."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch

Within = Callable[[], AbstractContextManager[object]]
"""Makes what a call runs within."""

_LOST_RECORDS = 300
_WAIT = "spin_kernel"  # what torch.cuda._sleep runs
_FUSED = "cpp_fused"  # what torch.compile names its loops on a processor
_OF_GRAPH = re.compile(r"^graph_\d+_")  # its number depends on what was compiled before
_COPY = "aten::copy_"
_COPIERS = frozenset(f"aten::{name}" for name in ("contiguous", "clone", "to", "_to_copy", "reshape", "reshape_as"))
_VIEWS = frozenset(
    f"aten::{name}"
    for names in (
        ("alias", "as_strided", "as_strided_", "chunk", "detach", "detach_", "diagonal", "empty", "empty_like"),
        ("empty_strided", "expand", "expand_as", "flatten", "movedim", "narrow", "new_empty", "new_empty_strided"),
        ("permute", "_reshape_alias", "resize_", "resize_as_", "resolve_conj", "resolve_neg", "result_type", "select"),
        ("set_", "slice", "split", "split_with_sizes", "squeeze", "swapaxes", "t", "transpose", "unbind", "unflatten"),
        ("unfold", "_unsafe_view", "unsqueeze", "view", "view_as", "_nnpack_available"),
    )
    for name in names
)
"""Ops that move no data."""
_BACKEND_MARKS = {
    "cudnn": ("cudnn_generated", "cudnn_attention"),
    "flash": ("flash",),
    "efficient": ("efficient", "fmha_cutlass", "mem_eff"),
}


def processor_kernels(call: Callable[[], object]) -> tuple[str, ...]:
    """Names of what one call runs on a processor, each once, in order, by PyTorch's profiler.

    That is what was chosen, not what was asked for: `aten::mkldnn_convolution` or `aten::_slow_conv2d_forward` for a
    convolution, flash or products and a softmax for attention, the fused loops of compiled code (`cpp_fused_...`), and
    every copy. Views and allocations are left out.
    """
    from torch.autograd.profiler import profile  # torch.profiler's takes 1.2 s of CPU time to start the first time

    with profile() as profiled:
        call()
    found = sorted((event for event in profiled.function_events or [] if _is_kernel(event)), key=_start)
    return tuple(dict.fromkeys(_OF_GRAPH.sub("", event.name) for event in found))


def _is_kernel(event: Any) -> bool:
    """Whether an op works itself: nothing within it does, but for copies of what it reads."""
    name = str(event.name)
    if _FUSED in name:
        return True
    if "::" not in name or name in _VIEWS or name in _COPIERS or name.startswith(("autograd::", "torch::autograd")):
        return False
    if name == _COPY:
        return not _makes_a_tensor_of_a_number(event)
    return not any(_is_kernel(each) for each in _within(event) if each.name != _COPY)


def _within(event: Any) -> Iterator[Any]:
    for child in event.cpu_children:
        yield child
        yield from _within(child)


def _makes_a_tensor_of_a_number(copy: Any) -> bool:
    """`x * 0.5` converts 0.5 by `to` within the op; a conversion that the module asks for stands in no op."""
    to = copy.cpu_parent and copy.cpu_parent.cpu_parent
    return bool(to and to.name == "aten::to" and to.cpu_parent and "::" in to.cpu_parent.name)


def gpu_kernels(calls: Sequence[tuple[Callable[[], object], Within]]) -> list[tuple[str, ...]]:
    """For each of the calls, the names of the GPU kernels it runs, each once, in order: one profiler session for all.

    A busy wait stands between the calls and tells them apart. Some go ahead: the first records of a session may be
    lost, and more of them with every session of a process (github.com/pytorch/pytorch/issues/192021).
    """
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        for _ in range(_LOST_RECORDS):
            torch.cuda._sleep(1)
        for call, context in calls:
            torch.cuda._sleep(1)
            with context():
                call()
        torch.cuda.synchronize()
    on_gpu = torch._C._autograd.DeviceType.CUDA
    events = sorted((event for event in profiled.events() or [] if event.device_type == on_gpu), key=_start)
    return split_at_waits([event.name for event in events], len(calls))


def split_at_waits(names: Sequence[str], count: int) -> list[tuple[str, ...]]:
    """The names after each of the last `count` busy waits, each once; () for all where waits are missing."""
    waits = [place for place, name in enumerate(names) if _WAIT in name]
    if len(waits) < count:
        return [()] * count
    starts = waits[len(waits) - count :]
    return [tuple(dict.fromkeys(names[a + 1 : b])) for a, b in zip(starts, [*starts[1:], len(names)], strict=True)]


def _start(event: Any) -> float:
    return float(event.time_range.start)


def attention_backend(kernels: tuple[str, ...]) -> str:
    """Which of PyTorch's attention backends ran, as the kernels' names tell; "" where there are none."""
    if not kernels:
        return ""
    names = " ".join(kernels).lower()
    marked = (backend for backend, marks in _BACKEND_MARKS.items() if any(mark in names for mark in marks))
    return next(marked, "math")
