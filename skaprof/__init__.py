"""skaprof: what a vision token mixer really costs, from closed forms that prove themselves.

>>> import skaprof
>>> skaprof.cost("ska", tokens=196, dim=256).macs
58204160
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skaprof._version import __version__

if TYPE_CHECKING:
    from skaprof.api.costs import cost, formula, sweep, verify
    from skaprof.api.counting import audit, model_parts, swap
    from skaprof.api.crossovers import crossover
    from skaprof.api.machines import roofline
    from skaprof.api.networks import model_cost, search, verify_model
    from skaprof.api.reports import write_explorer, write_report
    from skaprof.api.rows import Rows
    from skaprof.api.saved import check, compare, merge
    from skaprof.api.timing import latency
    from skaprof.errors import SkaprofError
    from skaprof.results import CostRow, ScopeRow

_HOMES = {
    "audit": "skaprof.api.counting",
    "check": "skaprof.api.saved",
    "compare": "skaprof.api.saved",
    "cost": "skaprof.api.costs",
    "crossover": "skaprof.api.crossovers",
    "formula": "skaprof.api.costs",
    "latency": "skaprof.api.timing",
    "merge": "skaprof.api.saved",
    "model_cost": "skaprof.api.networks",
    "model_parts": "skaprof.api.counting",
    "roofline": "skaprof.api.machines",
    "search": "skaprof.api.networks",
    "swap": "skaprof.api.counting",
    "sweep": "skaprof.api.costs",
    "verify": "skaprof.api.costs",
    "verify_model": "skaprof.api.networks",
    "write_explorer": "skaprof.api.reports",
    "write_report": "skaprof.api.reports",
    "CostRow": "skaprof.results",
    "Rows": "skaprof.api.rows",
    "ScopeRow": "skaprof.results",
    "SkaprofError": "skaprof.errors",
}

__all__ = [
    "CostRow",
    "Rows",
    "ScopeRow",
    "SkaprofError",
    "__version__",
    "audit",
    "check",
    "compare",
    "cost",
    "crossover",
    "formula",
    "latency",
    "merge",
    "model_cost",
    "model_parts",
    "roofline",
    "search",
    "swap",
    "sweep",
    "verify",
    "verify_model",
    "write_explorer",
    "write_report",
]


def __getattr__(name: str) -> Any:
    """Public names load their module on first use, so that `import skaprof` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
