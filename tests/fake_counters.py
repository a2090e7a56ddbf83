"""Counters with planted faults, loaded by name in the audit's own processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from skaprof.count.counters import count_torch

Count = Callable[[nn.Module, Tensor], float]


def honest(module: nn.Module, x: Tensor) -> float:
    return float(count_torch(module, x, []).total)


def load_honest() -> Count:
    return honest


def load_noisy() -> Count:
    def count(module: nn.Module, x: Tensor) -> float:
        sys.stdout.write('{"counted": 1, "seconds": 1, "error": null}\n')
        os.write(1, b'{"counted": 2, "seconds": 2, "error": null}\n')
        return honest(module, x)

    return count


def load_killed_by_attention() -> Count:
    def count(module: nn.Module, x: Tensor) -> float:
        if hasattr(module, "key"):
            os.abort()
        return honest(module, x)

    return count


def load_raising_with_functions_replaced() -> Count:
    """Counts products twice once it has failed in a process: what it replaced stays replaced."""

    def count(module: nn.Module, x: Tensor) -> float:
        if hasattr(module, "key"):
            torch.audit_is_spoiled = True
            raise RuntimeError("no idea\nwhat this is")
        return honest(module, x) * (2 if hasattr(torch, "audit_is_spoiled") else 1)

    return count


def load_reversing() -> Count:
    """Sees nothing of mhsa's attention, which makes it cheaper than ska."""
    return lambda module, x: honest(module, x) * (0.5 if hasattr(module, "key") else 1)


def load_nothing() -> Count:
    return lambda module, x: float("nan")


def load_not() -> Count:
    raise ImportError("No module named 'elsewhere'")


def load_stuck() -> Count:
    def count(module: nn.Module, x: Tensor) -> float:
        if hasattr(module, "key"):
            time.sleep(60)
        return honest(module, x)

    return count
