"""Whether something fits: what is free, and the least that a mixer needs."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import torch

from skaprof.bench import allocator
from skaprof.machine import available_bytes
from skaprof.model.ops import Op


def free_bytes(device: str) -> int | None:
    """Bytes that could still be allocated on "cpu" or "cuda"; None where the system does not say."""
    return torch.cuda.mem_get_info()[0] if device == "cuda" else available_bytes()


def release(device: str) -> None:
    """Give back what the last configuration held, so that the next finds its memory free."""
    gc.collect()
    allocator.give_back()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()


def require_free(needed: int, device: str, what: str) -> None:
    """Raise unless `what` fits: a processor out of memory kills the whole run.

    Raises:
        MemoryError: it needs more than is free.
    """
    free = free_bytes(device)
    if free is not None and needed > free:
        raise MemoryError(f"{what} needs at least {needed / 2**30:,.1f} GiB, and {free / 2**30:,.1f} GiB are free")


def least_bytes(ops: Sequence[Op], bytes_per_element: int, *, fused: bool = False) -> int:
    """What a forward pass cannot do without: the weights, and the tensors of its largest op.

    In a fused group the tensors inside it need no memory.
    """

    def held(op: Op) -> int:
        return sum(int(tensor.numel) for tensor in (*op.inputs, op.output) if not (fused and op.group))

    return int(sum(op.params for op in ops) + max(map(held, ops), default=0)) * bytes_per_element
