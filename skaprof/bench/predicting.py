"""The time that a call will take on a calibrated machine: every op that it dispatches, as measured there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from skaprof.analysis.kernel_model import KernelModel, Predicted
from skaprof.analysis.roofline_rows import Predict, RooflinePoint
from skaprof.analysis.scopes import TOTAL
from skaprof.bench.chains import call_of
from skaprof.bench.dispatched import dispatched_in, shapes_alone
from skaprof.bench.own_calls import own_kernels
from skaprof.errors import SkaprofError
from skaprof.foreign_model import UserModel
from skaprof.model.kernel_times import DispatchedKernel, KernelTimes
from skaprof.model.network import Network
from skaprof.model.spec import MixerSpec
from skaprof.nn.backbones import build_network
from skaprof.nn.build import build_mixer
from skaprof.nn.user_model import Change
from skaprof.workload import Workload


class Predictor:
    """Predicts calls on the machine that these times are of. Modules have no memory here, and run on shapes alone."""

    def __init__(self, times: KernelTimes, peaks: Mapping[str, float] | None = None) -> None:
        self.model = KernelModel(times.times, times.calls, peaks)
        self._last: tuple[tuple[Network, str, str], int] | None = None

    def mixer(
        self, spec: MixerSpec, w: Workload, implementation: str, dtype: str = "float32", mode: str = "forward"
    ) -> Predicted:
        """One call of a mixer: tokens (B, H, W, C), or (B, N, C) with class tokens."""
        shape = (w.batch, w.tokens, w.dim) if w.class_tokens else (w.batch, w.height, w.width, w.dim)
        return self.module(lambda: build_mixer(spec, w, implementation), shape, dtype, mode)

    def network(
        self, network: Network, dtype: str = "float32", mode: str = "forward", like: Network | None = None
    ) -> dict[str, Predicted]:
        """One call of a backbone on images (B, 3, H, W): of "total", and forward of each submodule by its name.

        Args:
            like: the network is a part of this one, whose calls touch so much memory.
        """
        parts = self._ops_of(network, dtype, mode)
        if like is not None:
            touched = self._touched(like, dtype, mode)
            parts = {name: [kernel.among(touched) for kernel in kernels] for name, kernels in parts.items()}
        named = parts if mode == "forward" else {"": parts[""]}
        return {name or TOTAL: self.model.predict(kernels, mode) for name, kernels in named.items()}

    def own_model(
        self, user: UserModel, mode: str = "forward", option: str = "NAME", change: Change | None = None
    ) -> dict[str, Predicted]:
        """One call of a user's model once `change` is done to it, "", and forward of each submodule by its name.

        Raises:
            SkaprofError: it cannot be imported, built or run, with the user's own error.
        """
        parts = own_kernels(user, mode, option, change)
        named = parts if mode == "forward" else {"": parts[""]}
        return {name: self.model.predict(kernels, mode) for name, kernels in named.items()}

    def module(self, build: Callable[[], nn.Module], shape: tuple[int, ...], dtype: str, mode: str) -> Predicted:
        """One call of the module on an input of this shape.

        Raises:
            SkaprofError: PyTorch cannot say what the module would run.
        """
        return self.model.predict(self._seen(build, shape, dtype, mode)[""], mode)

    def _ops_of(self, network: Network, dtype: str, mode: str) -> dict[str, list[DispatchedKernel]]:
        shape = network.batch, 3, network.height, network.width
        return self._seen(lambda: build_network(network), shape, dtype, mode)

    def _touched(self, network: Network, dtype: str, mode: str) -> int:
        """The KiB that a call of the network touches; that of the last one asked for is kept."""
        about = network, dtype, mode
        if self._last is None or self._last[0] != about:
            kernels = self._ops_of(*about)[""]
            self._last = about, max((kernel.sizes[-1] for kernel in kernels if kernel.sizes), default=0)
        return self._last[1]

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


def predict_points(times: KernelTimes, peaks: Mapping[str, float]) -> Predict:
    """What a call of a point of the roofline takes."""
    predictor = Predictor(times, peaks)

    def predict(point: RooflinePoint) -> Predicted:
        variant = point.variant
        return predictor.mixer(variant.spec, point.workload, variant.implementation, variant.dtype, variant.mode)

    return predict
