"""skaprof: what a vision token mixer really costs, from closed forms that prove themselves.

>>> import skaprof
>>> skaprof.cost("ska", tokens=196, dim=256).macs
58204160
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skaprof._version import __version__

if TYPE_CHECKING:
    from skaprof.api import cost, formula, model_cost, sweep, verify, verify_model
    from skaprof.errors import SkaprofError
    from skaprof.results import CostRow, ScopeRow

_HOMES = {
    "cost": "skaprof.api",
    "formula": "skaprof.api",
    "model_cost": "skaprof.api",
    "sweep": "skaprof.api",
    "verify": "skaprof.api",
    "verify_model": "skaprof.api",
    "CostRow": "skaprof.results",
    "ScopeRow": "skaprof.results",
    "SkaprofError": "skaprof.errors",
}

__all__ = [
    "CostRow",
    "ScopeRow",
    "SkaprofError",
    "__version__",
    "cost",
    "formula",
    "model_cost",
    "sweep",
    "verify",
    "verify_model",
]


def __getattr__(name: str) -> Any:
    """Public names load their module on first use, so that `import skaprof` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
