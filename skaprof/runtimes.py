"""What runtimes other than PyTorch need to be installed."""

from __future__ import annotations

from collections.abc import Iterable

from skaprof.errors import EXIT_MISSING, SkaprofError, named
from skaprof.implementations import RUNTIMES

EXTRA = "runtimes"
EXPORT = ("onnx", "onnxscript")
"""What PyTorch's exporter needs."""
NEEDED = {name: (*EXPORT, name) for name in RUNTIMES[1:]}
"""The packages that a runtime needs."""


def require_runtimes(runtimes: Iterable[str]) -> None:
    """Raise unless the packages of these runtimes are installed, which is found out without loading them.

    Raises:
        SkaprofError: one is not (exit 3).
    """
    for runtime in runtimes:
        require_packages(f"{named('runtime')} {runtime}", NEEDED.get(runtime, ()))


def require_packages(purpose: str, packages: Iterable[str]) -> None:
    """Raise unless all of these are installed.

    Raises:
        SkaprofError: one is not (exit 3), with the extra that has it.
    """
    from importlib.util import find_spec

    for package in packages:
        if find_spec(package) is None:
            raise SkaprofError(
                f"{purpose} needs the package {package!r}, which is not installed here; run: "
                f"pip install 'skaprof[{EXTRA}]'",
                EXIT_MISSING,
            )
