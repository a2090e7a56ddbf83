"""Contenders in runtimes that are not PyTorch: exported, loaded, checked against float64, and timed like the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from skaprof.bench.configuration import Options, Row, Timed
from skaprof.bench.contenders import Built, Exportable
from skaprof.bench.device import Contender, Device
from skaprof.bench.failures import CallError, UnsupportedError, explained
from skaprof.bench.gate import WrongOutputError
from skaprof.bench.loaded import Loaded
from skaprof.bench.onnx_export import OnnxModel, export
from skaprof.errors import bad_value, named
from skaprof.foreign_code import contained
from skaprof.implementations import IMPLEMENTATIONS, INT8, PYTORCH, form_of

LIMITS = {"float32": 1e-4, "bfloat16": 5e-2, "float16": 1e-2, **dict.fromkeys(INT8, 0.25)}
"""Largest error of the output allowed, over the largest output, by precision. Of bytes, above it nothing is left."""


class Checked(NamedTuple):
    """A model that a runtime has loaded, and how far its output is off; `tokens` are those that it was checked at."""

    model: OnnxModel
    loaded: Loaded
    error: float
    tokens: int | None

    def told(self) -> dict[str, object]:
        """What there is to say of it, by the keys of its row."""
        return {
            "graph_level": self.loaded.graph_level,
            "fused": list(self.loaded.fused),
            "output_error": self.error,
            "model_bytes": len(self.model.data),
            "session_bytes": self.loaded.session_bytes,
        }


@dataclass(frozen=True, slots=True)
class InRuntime:
    """A row to measure: an entry of PyTorch's, run elsewhere."""

    entry: Timed
    runtime: str
    precision: str

    @property
    def implementation(self) -> str:
        """The form that is exported."""
        return self.entry.implementation

    @property
    def form(self) -> str:
        """As `skaprof.implementations.form_of`."""
        return form_of(self.implementation, self.runtime, self.precision)

    @property
    def name(self) -> str:
        """What is timed, without its implementation."""
        return self.entry.name

    @property
    def given(self) -> str:
        """What the user calls it."""
        return self.entry.given

    @property
    def batch(self) -> int:
        """Batch size."""
        return self.entry.batch

    @property
    def mode(self) -> str:
        """Forward, or train."""
        return self.entry.mode

    @property
    def foreign(self) -> bool:
        """Whether code runs in it that is not skaprof's."""
        return self.entry.foreign

    def head(self) -> Row:
        """The keys of its row that timing does not add."""
        return self.entry.head() | self._where()

    def _where(self) -> dict[str, str]:
        return {"runtime": self.runtime, "runtime_version": version(self.runtime), "precision": self.precision}

    def exportable(self) -> Exportable:
        """As the entry's own."""
        return self.entry.exportable()

    def build(self, options: Options, device: Device) -> Built:
        """The contender.

        Raises:
            UnsupportedError, WrongOutputError, MemoryError: as `checked`.
        """
        found = self.checked()
        call, kernels = Call(found.loaded.run), found.loaded.kernels
        label = f"{self.name} ({self.form})"
        contender = Contender(label, call, names=lambda: kernels, context=contained, call=call)
        return Built(contender, found.loaded.peak_bytes, found.tokens, self._where() | found.told())

    def checked(self) -> Checked:
        """The export, loaded and run, whose output was compared.

        Raises:
            UnsupportedError: it does not export, or the runtime cannot run it.
            WrongOutputError: it computes something else than in float64.
            MemoryError: it does not fit.
        """
        self._require_possible()
        with explained("cpu", foreign=True):
            made = self.exportable()
            model, loaded = self._loaded(made)
            compared = made.smaller or made
            outputs = (loaded if compared is made else self._loaded(compared)[1]).outputs()
            return Checked(model, loaded, require_close(outputs, compared, self.precision), compared.tokens)

    def _require_possible(self) -> None:
        how = IMPLEMENTATIONS[self.implementation]
        if self.mode != "forward":
            raise UnsupportedError(f"{self.runtime} runs inference: training is PyTorch's")
        if how.needs_gpu or how.compiled or how.channels_last:
            raise UnsupportedError(f"{self.implementation} is PyTorch's own: {self.runtime} has kernels of its own")
        if (dtype := self.head()["dtype"]) != "float32":
            raise UnsupportedError(f"exported in float32, not {dtype}; --runtime-precision is for less")

    def _loaded(self, made: Exportable) -> tuple[OnnxModel, Loaded]:
        model = export(made.module, made.x)
        loader = import_module(f"skaprof.bench.{self.runtime}_model")
        loaded: Loaded = loader.load(model, made.x.numpy(), self.precision, torch.get_num_threads())
        if loaded.precision != self.precision:
            raise UnsupportedError(f"asked for {self.precision}, {self.runtime} ran in {loaded.precision}")
        loaded.run()
        return model, loaded


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a loaded model."""

    run: Callable[[], object]

    def __call__(self) -> None:
        """Run it once.

        Raises:
            CallError: it fails.
        """
        try:
            self.run()
        except Exception as error:
            raise CallError(self) from error


def require_close(outputs: Sequence[Any], made: Exportable, precision: str) -> float:
    """The largest error of the last batch item's outputs against the eager float64 module, over the largest output.

    Raises:
        WrongOutputError: it is more than the precision explains.
    """
    error = largest_error(outputs, outputs_of(made.reference, made.x[-1:]), made.x.shape[0])
    limit = LIMITS[precision]
    if not error <= limit:
        raise WrongOutputError(
            f"the output differs from the float64 reference by {error:.1e} of its largest value: expected at most "
            f"{limit:.0e}"
        )
    return error


def outputs_of(reference: nn.Module, x: Tensor) -> list[Tensor]:
    """What the float64 reference gives."""
    with torch.no_grad():
        found = reference(x.double() if x.is_floating_point() else x)
    return [found] if isinstance(found, Tensor) else list(found)


def largest_error(found: Sequence[Any], expected: Sequence[Tensor], batch: int) -> float:
    """Over all outputs, the largest difference in the last batch item over the largest value that is expected."""
    errors = []
    for ours, theirs in zip(found, expected, strict=True):
        own = torch.as_tensor(ours).double()
        last = own[-1:] if own.dim() and own.shape[0] == batch else own
        errors.append((last - theirs).abs().max() / theirs.abs().max().clamp_min(1e-30))
    return float(torch.stack(errors).max())  # which is no number where one is none


def in_runtimes(
    groups: Sequence[Sequence[Timed]], runtimes: Sequence[str], precisions: Sequence[str], device: str
) -> list[Sequence[Timed]]:
    """The groups, each entry in each runtime, and there in each precision; PyTorch has the dtype's.

    Raises:
        SkaprofError: runtimes other than PyTorch on a GPU.
    """
    others = [name for name in runtimes if name != PYTORCH]
    if others and device != "cpu":
        raise bad_value(named("runtime"), others[0], f"{PYTORCH} on a GPU; others run with {named('device')} cpu")
    places = [(name, each) for name in runtimes for each in (precisions if name != PYTORCH else ("",))]
    return [
        [entry if name == PYTORCH else InRuntime(entry, name, each) for name, each in places for entry in group]
        for group in groups
    ]
