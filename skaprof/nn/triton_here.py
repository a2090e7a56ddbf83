"""Whether Triton's kernels can run here: which Triton there is, on what device, in which dtype."""

from __future__ import annotations

import os
from importlib.util import find_spec

import torch
from torch import Tensor

from skaprof.errors import EXIT_MISSING, SkaprofError, bad_value
from skaprof.workload import TRITON_MOST_HEAD_DIM

LEAST_VERSION = (3, 2)
"""Of Triton: that of PyTorch 2.6."""
DTYPES = ("float32", "float16", "bfloat16")
CURE = 'pip install "skaprof[triton]"'
_INTERPRETER = "TRITON_INTERPRET"


def triton_version() -> str | None:
    """The version of the Triton that is here; None where there is none."""
    if find_spec("triton") is None:
        return None
    import triton

    return str(triton.__version__)


def why_no_triton() -> str | None:
    """Why there is no Triton here that will do, and the cure; None where there is."""
    found = triton_version()
    if found is not None and tuple(map(int, found.split(".")[:2])) >= LEAST_VERSION:
        return None
    least = ".".join(map(str, LEAST_VERSION))
    return f"the triton form needs Triton {least} or newer, and {found or 'none'} is installed here; run: {CURE}"


def require_triton() -> None:
    """Raise unless Triton is here.

    Raises:
        SkaprofError: it is not, or too old (exit 3).
    """
    reason = why_no_triton()
    if reason is not None:
        raise SkaprofError(reason, EXIT_MISSING)


def why_not_timed(device: str, dtype: str) -> str | None:
    """Why the kernels cannot be timed on "cpu" or "cuda" in this dtype; None where they can.

    On a processor Triton's interpreter alone runs them, in Python: its times say nothing of the kernels.
    """
    if device == "cpu":
        return f"Triton's kernels run on a GPU; on a processor only to be checked, with {_INTERPRETER}=1, and not timed"
    if is_interpreted():
        return f"{_INTERPRETER} is set: Triton's interpreter would be timed, not the kernels"
    if dtype not in DTYPES:
        return f"Triton's kernels take {', '.join(DTYPES)}"
    return why_no_triton()


def is_interpreted() -> bool:
    """Whether Triton is told to interpret its kernels, which it can on a processor."""
    return os.environ.get(_INTERPRETER, "0") == "1"


def require_possible(query: Tensor) -> None:
    """Raise unless the kernels can run on tensors such as this, (B, h, n, e).

    Raises:
        SkaprofError: not this dtype or head_dim (exit 2); there is no Triton, or no GPU and no interpreter (exit 3).
    """
    dtype = str(query.dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        raise bad_value("dtype", dtype, f"{', '.join(DTYPES)} in the triton form")
    if query.shape[-1] > TRITON_MOST_HEAD_DIM:
        raise bad_value("head_dim", query.shape[-1], f"at most {TRITON_MOST_HEAD_DIM} in the triton form")
    require_triton()
    if query.is_cuda:
        return
    from skaprof.nn.triton_launch import IS_INTERPRETED

    if query.device.type != "cpu" or not (is_interpreted() and IS_INTERPRETED):
        raise SkaprofError(
            f"the triton form needs a GPU; to check it on a processor, set {_INTERPRETER}=1 before Python starts",
            EXIT_MISSING,
        )
    if query.dtype == torch.bfloat16:
        raise bad_value("dtype", dtype, "float32 or float16: Triton's interpreter computes bfloat16 wrongly")
