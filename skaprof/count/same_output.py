"""Whether a mixer in another framework's terms gives what PyTorch's gives with the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

_NEAR = 1e-3


class NotTheSameError(Exception):
    """It does not."""


def require_same(output: Any, expected: Tensor) -> None:
    """Raise unless an output, as an array, is near enough to PyTorch's.

    Raises:
        NotTheSameError: it is not.
    """
    wanted = expected.detach().numpy()
    found = np.asarray(output)
    if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=_NEAR, atol=_NEAR):
        raise NotTheSameError("its output is not that of PyTorch's module with the same weights")
