"""`skaprof latency --runtime`: the same contenders in runtimes that are not PyTorch, as typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from skaprof.cli import options as opt
from skaprof.errors import SkaprofError, shown
from skaprof.grids import parse_choices
from skaprof.implementations import PRECISIONS, PYTORCH, RUNTIMES
from skaprof.runtimes import require_runtimes

if TYPE_CHECKING:
    from skaprof.bench.configuration import Timed

_PANEL = "Other runtimes"


class Runtimes(opt.Options):
    """What runs the contenders, as typed."""

    runtime: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="pytorch, onnxruntime, openvino: each contender exported to ONNX, checked and timed beside PyTorch's, "
            "on a processor, forward. Needs the extra: pip install 'skaprof\\[runtimes]'.",
            rich_help_panel=_PANEL,
        ),
    ] = PYTORCH
    runtime_precision: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="What they compute in: float32; bfloat16, float16 (openvino, where the processor does); int8-weights, "
            "uint8-weights (onnxruntime). Default: float32.",
            rich_help_panel=_PANEL,
        ),
    ] = None

    @property
    def names(self) -> tuple[str, ...]:
        """The runtimes.

        Raises:
            SkaprofError: an unknown one.
        """
        return parse_choices("--runtime", self.runtime, RUNTIMES)

    @property
    def precisions(self) -> tuple[str, ...]:
        """What runtimes other than PyTorch compute in.

        Raises:
            SkaprofError: an unknown one, or there is no such runtime.
        """
        if self.runtime_precision is None:
            return PRECISIONS[:1]
        if self.names == (PYTORCH,):
            said = f"--runtime-precision: {shown(self.runtime_precision)} needs --runtime onnxruntime or openvino"
            raise SkaprofError(f"{said}; --dtype is PyTorch's")
        return parse_choices("--runtime-precision", self.runtime_precision, PRECISIONS)

    def require(self) -> None:
        """Raise unless the options are valid, and what they need is installed.

        Raises:
            SkaprofError: they are not; or it is not (exit 3).
        """
        _ = self.precisions
        require_runtimes(self.names)

    def of(self, groups: Sequence[Sequence[Timed]], device: str) -> list[Sequence[Timed]]:
        """The groups with each entry in each runtime.

        Raises:
            SkaprofError: other runtimes run on a processor alone.
        """
        from skaprof.bench.runtimes import in_runtimes

        return in_runtimes(groups, self.names, self.precisions, device)
