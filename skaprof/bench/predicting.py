"""The time that a call will take on a calibrated machine: every op that it dispatches, as measured there."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from skaprof.analysis.kernel_model import KernelModel, Predicted
from skaprof.analysis.roofline_rows import Predict
from skaprof.analysis.scopes import TOTAL, PredictNetwork
from skaprof.bench.chains import call_of
from skaprof.bench.dispatched import dispatched_in, shapes_alone
from skaprof.errors import SkaprofError
from skaprof.model.kernel_times import DispatchedKernel, KernelTimes
from skaprof.model.network import Network
from skaprof.model.spec import MixerSpec
from skaprof.nn.backbones import build_network
from skaprof.nn.build import build_mixer
from skaprof.workload import Workload


class Predictor:
    """Predicts calls on the machine that these times are of. Modules have no memory here, and run on shapes alone."""

    def __init__(self, times: KernelTimes) -> None:
        self.model = KernelModel(times.times, times.calls)

    def mixer(
        self, spec: MixerSpec, w: Workload, implementation: str, dtype: str = "float32", mode: str = "forward"
    ) -> Predicted:
        """One call of a mixer: tokens (B, H, W, C), or (B, N, C) with class tokens."""
        shape = (w.batch, w.tokens, w.dim) if w.class_tokens else (w.batch, w.height, w.width, w.dim)
        return self.module(lambda: build_mixer(spec, w, implementation), shape, dtype, mode)

    def network(self, network: Network, dtype: str = "float32", mode: str = "forward") -> dict[str, Predicted]:
        """One call of a backbone on images (B, 3, H, W): of "total", and forward of each submodule by its name."""
        shape = network.batch, 3, network.height, network.width
        parts = self._seen(lambda: build_network(network), shape, dtype, mode)
        named = parts if mode == "forward" else {"": parts[""]}
        return {name or TOTAL: self.model.predict(kernels, mode) for name, kernels in named.items()}

    def module(self, build: Callable[[], nn.Module], shape: tuple[int, ...], dtype: str, mode: str) -> Predicted:
        """One call of the module on an input of this shape.

        Raises:
            SkaprofError: PyTorch cannot say what the module would run.
        """
        return self.model.predict(self._seen(build, shape, dtype, mode)[""], mode)

    def _seen(
        self, build: Callable[[], nn.Module], shape: tuple[int, ...], dtype: str, mode: str
    ) -> dict[str, list[DispatchedKernel]]:
        kind = getattr(torch, dtype)
        try:
            with shapes_alone(lambda: build().to(kind)) as module:
                call = call_of(module, torch.empty(shape, dtype=kind), trains=mode == "train")
                return dispatched_in(module, call)
        except RuntimeError as error:
            raise SkaprofError(f"PyTorch cannot say what a call would run: {str(error).splitlines()[0]}") from None


def predict_points(times: KernelTimes) -> Predict:
    """What a call of a point of the roofline takes."""
    predictor = Predictor(times)
    return lambda point: predictor.mixer(
        point.variant.spec, point.workload, point.variant.implementation, point.variant.dtype
    )


def predict_networks(times: KernelTimes) -> PredictNetwork:
    """What each scope of a network takes."""
    return Predictor(times).network
