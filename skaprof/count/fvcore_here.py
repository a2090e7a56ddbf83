"""fvcore, where it works: its release of 2022 stands on torch.jit, of which PyTorch warns whoever imports it."""

from __future__ import annotations

import warnings
from typing import Any

from skaprof.foreign_code import reason_of


def _imported() -> tuple[Any, Any, str]:
    """FlopCountAnalysis and get_shape; or why there are none, though fvcore is installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from fvcore.nn import FlopCountAnalysis
            from fvcore.nn.jit_handles import get_shape
        except ModuleNotFoundError:
            raise
        except Exception as error:  # whatever this PyTorch has no more
            return None, None, reason_of(error)
    return FlopCountAnalysis, get_shape, ""


FlopCountAnalysis, get_shape, IMPORT_FAILS = _imported()
