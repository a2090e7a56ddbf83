"""A module as an ONNX model, for runtimes that are not PyTorch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from skaprof.bench.failures import UnsupportedError
from skaprof.foreign_code import contained, reason_of

INPUT, OUTPUT = "x", "y"
"""What they are called in the file, of several outputs the first."""


class OnnxModel(NamedTuple):
    """An ONNX model as the bytes of its file; `sizes` are those of the one input that it is to be run on."""

    data: bytes
    sizes: tuple[int, ...]
    opset: int
    ops: tuple[str, ...]
    """The type of each node, in order."""


def export(module: nn.Module, x: Tensor) -> OnnxModel:
    """The module, for inputs of the sizes of x (B, ...).

    A batch of more than one is left open in the file: else the exporter writes what the module expands over the batch,
    a static key say, once for each item.

    Raises:
        UnsupportedError: it does not export; the exporter's reason, on one line. Or it gives its input back.
    """
    try:
        with quietly(), contained(), torch.no_grad():
            program = _program(module, x)
            model: Any = program.model_proto
    except (Exception, SystemExit) as error:
        raise UnsupportedError(f"it does not export to ONNX: {_reason(error)}") from error
    if {each.name for each in model.graph.output} & {each.name for each in model.graph.input}:
        raise UnsupportedError("it gives its input back, which ONNX has no output for")
    opset = next(each.version for each in model.opset_import if not each.domain)
    return OnnxModel(model.SerializeToString(), tuple(x.shape), opset, tuple(node.op_type for node in model.graph.node))


def with_metadata(data: bytes, told: Mapping[str, object]) -> bytes:
    """The model's bytes with this in its metadata, each key as `skaprof.KEY`."""
    import onnx

    model = onnx.load_from_string(data)
    for key, value in told.items():
        model.metadata_props.add(key=f"skaprof.{key}", value=str(value))
    found: bytes = model.SerializeToString()
    return found


def _program(module: nn.Module, x: Tensor) -> Any:
    def of(shapes: Any) -> Any:
        return torch.onnx.export(
            module, (x,), dynamo=True, input_names=[INPUT], output_names=[OUTPUT], dynamic_shapes=shapes, **_SILENT
        )

    if len(x) == 1:
        return of(None)
    try:
        return of(({0: torch.export.Dim("batch")},))
    except Exception:  # it cannot be: the module asks for the batch
        return of(None)


_SILENT: dict[str, Any] = {"verbose": False, "report": False, "verify": False}


@contextmanager
def quietly() -> Iterator[None]:
    """Nothing that an exporter or a quantizer warns of, logs or prints: what fails is told once, as a row."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _reason(error: BaseException) -> str:
    """What the exporter's errors are about: the first of the chain, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return reason_of(error)
