"""Counters of ONNX files, of what PyTorch exports."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from skaprof.count.asked import Said
from skaprof.count.other_counters import Count, number
from skaprof.count.same_output import require_same


@contextmanager
def _exported(module: nn.Module, x: Tensor) -> Iterator[Path]:
    """The module as an ONNX file, which gives the same output.

    Raises:
        NotTheSameError: it does not, by ONNX' own evaluator.
    """
    from onnx.reference import ReferenceEvaluator

    with TemporaryDirectory() as folder, warnings.catch_warnings(), redirect_stdout(StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        path = Path(folder) / "module.onnx"
        torch.onnx.export(module, (x,), str(path), dynamo=True, external_data=False)
        evaluator = ReferenceEvaluator(str(path))
        (output,) = evaluator.run(None, {evaluator.input_names[0]: x.numpy()})
        require_same(output, module(x))
        yield path


def load_onnx_tool() -> Count:
    """onnx-tool's profile of a graph."""
    import onnx_tool

    def count(module: nn.Module, x: Tensor) -> Said:
        with _exported(module, x) as path:
            graph = onnx_tool.Model(str(path)).graph
            graph.shape_infer(None)
            graph.profile()
        return Said(number(float(graph.macs[0])), number(float(graph.params)), number(float(graph.memory)))

    return count


def load_onnx_opcounter() -> Count:
    """onnx-opcounter."""
    import onnx
    from onnx_opcounter import calculate_macs, calculate_params

    def count(module: nn.Module, x: Tensor) -> Said:
        with _exported(module, x) as path:
            model = onnx.load(path)
        return Said(number(float(calculate_macs(model))), number(float(calculate_params(model))))

    return count
