"""Whole modules as things to time: a user's own mixer, and backbones. Their float64 selves are their references."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from skaprof.analysis.scopes import TOTAL, costed
from skaprof.bench import gate
from skaprof.bench.calls import call_of, context_of, runnable
from skaprof.bench.capacity import least_bytes, require_free
from skaprof.bench.configuration import InPyTorch, Options, Row, Timed
from skaprof.bench.contenders import (
    NO_STATIC_KEY,
    NOTHING_TO_FUSE,
    SEED,
    Built,
    Exportable,
    ready,
    require_graph,
    require_params,
    require_timed,
)
from skaprof.bench.device import Device
from skaprof.bench.failures import UnsupportedError, explained
from skaprof.bench.kept_answers import require_no_kept_answer
from skaprof.errors import SkaprofError
from skaprof.foreign_code import UserModule, file_hash
from skaprof.implementations import IMPLEMENTATIONS
from skaprof.model.backbones import IMAGE_CHANNELS
from skaprof.model.choice import open_backbone
from skaprof.model.mixers import MIXERS
from skaprof.model.network import Network, make_network, network_ops
from skaprof.nn import build_network
from skaprof.nn.user import built_mixer, cast
from skaprof.workload import DTYPE_BYTES, TRITON, Workload, is_fused

_PROFILED_CALLS = 7


@dataclass(frozen=True, slots=True)
class UserEntry(InPyTorch):
    """A row to measure: a user's mixer. `counted` are the keys of its row that the counters gave."""

    user: UserModule
    counted: Row
    implementation: str
    mode: str

    @property
    def name(self) -> str:
        """Its path."""
        return self.user.path

    @property
    def given(self) -> str:
        """What the user calls it: the same."""
        return self.user.path

    @property
    def batch(self) -> int:
        """Batch size."""
        return int(self.counted["batch"])

    @property
    def foreign(self) -> bool:
        """Whether code runs in it that is not skaprof's."""
        return True

    def head(self) -> Row:
        """The keys of its row that timing does not add."""
        return self.counted | {"implementation": self.implementation, "mode": self.mode}

    def build(self, options: Options, device: Device) -> Built:
        """The contender.

        Raises:
            UnsupportedError: it cannot run here, or has no such form.
            skaprof.bench.gate.WrongOutputError: it computes something else than in float64.
        """
        kind = options.device.partition(":")[0]
        module, x = self._made(kind)
        with explained(kind, foreign=True):
            require_no_kept_answer(module, x)
        return build_module(self, module, x, self.counted["dtype"], options, device)

    def exportable(self) -> Exportable:
        """The module on the processor.

        Raises:
            UnsupportedError: as `build`.
        """
        return exportable_module(*self._made("cpu"))

    def _made(self, kind: str) -> tuple[nn.Module, Tensor]:
        if IMPLEMENTATIONS[self.implementation].form != "eager":
            raise UnsupportedError("a module of your own has one form: eager, channels-last or compile")
        row = self.counted
        w = Workload(row["batch"], row["height"], row["width"], row["dim"])
        with could_be_built():
            return built_mixer(self.user, w, row["dtype"], kind)


@dataclass(frozen=True, slots=True)
class NetworkEntry(InPyTorch):
    """A row to measure: a backbone with these mixers, as `skaprof model` names it, with its head."""

    model: str
    mixers: str | None
    image: tuple[int, int]
    batch: int
    mode: str
    dtype: str
    implementation: str

    @property
    def network(self) -> Network:
        """The network in the form that the implementation runs."""
        form = IMPLEMENTATIONS[self.implementation].form
        return make_network(open_backbone(self.model, self.mixers), *self.image, self.batch, form)

    @property
    def name(self) -> str:
        """What the user calls it: the text of --model, and of --mixers."""
        return self.model if self.mixers is None else f"{self.model} {self.mixers}"

    @property
    def given(self) -> str:
        """What the user calls it: the text of --model."""
        return self.model

    @property
    def foreign(self) -> bool:
        """Whether an installed package's mixer is in it."""
        return any(spec.mixer.name not in MIXERS for spec in self.network.choice.kinds)

    def head(self) -> Row:
        """The row of `skaprof model --depth total`, and the stages that time was shared among (none yet).

        Where a TOML file describes the backbone, with the hash of that file.
        """
        (row,) = costed(self.network, self.dtype, self.mode).rows(TOTAL)
        source = {"source_hash": file_hash(self.model)} if self.model.lower().endswith(".toml") else {}
        timed = {"implementation": self.implementation, "time_scopes": None, "time_shares": None}
        return {"given": self.name} | row.as_dict() | source | timed

    def build(self, options: Options, device: Device) -> Built:
        """The contender, with the share of time that each stage takes.

        Raises:
            UnsupportedError: it cannot run here.
            skaprof.bench.gate.WrongOutputError: it computes something else than in float64.
            MemoryError: its float64 reference does not fit.
        """
        kind = options.device.partition(":")[0]
        module, x = self._made(kind)
        built = build_module(self, module, x, self.dtype, options, device)
        scopes, shares = time_shares(module, x, kind)
        built.extra = {"time_scopes": scopes, "time_shares": shares}
        return built

    def exportable(self) -> Exportable:
        """The network on the processor.

        Raises:
            UnsupportedError, MemoryError: as `build`.
        """
        return exportable_module(*self._made("cpu"))

    def _made(self, kind: str) -> tuple[nn.Module, Tensor]:
        network = self.network
        ops = network_ops(network)
        if is_fused(network.implementation) and not any(op.group for op in ops):
            raise UnsupportedError(NO_STATIC_KEY if network.implementation == TRITON else NOTHING_TO_FUSE)
        require_timed(IMPLEMENTATIONS[self.implementation], kind, self.dtype)
        needed = least_bytes(ops, DTYPE_BYTES["float64"], fused=True)
        require_free(needed, kind, "its float64 reference")
        torch.manual_seed(SEED)
        dtype = getattr(torch, self.dtype)
        with torch.device(kind):
            module = build_network(network).to(dtype).eval()
            x = torch.randn(self.batch, IMAGE_CHANNELS, *self.image, dtype=dtype)
        require_params(self.name, module, self.head()["params"])
        return module, x


def exportable_module(module: nn.Module, x: Tensor) -> Exportable:
    """A module in evaluation mode with its input, and its float64 self."""
    return Exportable(module, x, cast(deepcopy(module), torch.float64))


@contextmanager
def could_be_built() -> Iterator[None]:
    """Errors of a user's code that builds a module, as what cannot be measured.

    Raises:
        UnsupportedError: it cannot be built.
        MemoryError: it does not fit.
    """
    try:
        yield
    except SkaprofError as error:
        if isinstance(error.__cause__, MemoryError | torch.OutOfMemoryError):
            raise MemoryError(error.in_options()) from error
        raise UnsupportedError(error.in_options()) from error


def build_module(entry: Timed, module: nn.Module, x: Tensor, dtype: str, options: Options, device: Device) -> Built:
    """The contender of a module on x (B, ...), checked against itself in float64, in evaluation mode."""
    how = IMPLEMENTATIONS[entry.implementation]
    kind = options.device.partition(":")[0]
    require_graph(how, entry.mode, options.timing)
    with explained(kind, foreign=entry.foreign), context_of(how)():
        run_module = runnable(module, how)
        with torch.no_grad():
            gradient = torch.zeros_like(run_module(x))
        gradient[-1] = torch.randn_like(gradient[-1])
        gate.check_against(cast(deepcopy(module), torch.float64), run_module, module, x, gradient, dtype, entry.mode)
        call = call_of(run_module, module, x, gradient, entry.mode)
        label = f"{entry.name} ({entry.implementation})"
        return ready(label, call, how, kind, options.timing, device.cache_bytes, None)


def time_shares(
    module: nn.Module, x: Tensor, kind: str, parts: Sequence[tuple[str, nn.Module]] | None = None
) -> tuple[list[str], list[float]]:
    """The share of a forward call's time that each part takes, by PyTorch's profiler: names, and shares of 1.

    The parts are the module's top submodules, unless named; those of one name are one.
    Of each submodule's median over some calls, in the eager form: what no submodule does is in no share.
    """
    from torch.profiler import ProfilerActivity, profile

    parts = list(module.named_children()) if parts is None else parts
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if kind == "cuda" else [])]
    with torch.no_grad(), _named_ranges(parts):
        module(x)
        with profile(activities=activities) as profiled:
            for _ in range(_PROFILED_CALLS):
                module(x)
    times: dict[str, list[float]] = {name: [] for name, _ in parts}
    for event in profiled.events() or []:
        if event.name in times:
            times[event.name].append(float(event.device_time_total if kind == "cuda" else event.cpu_time_total))
    found = {name: median(of_one) * len(of_one) if of_one else 0.0 for name, of_one in times.items()}
    whole = sum(found.values())
    return list(found), [time / whole if whole else 0.0 for time in found.values()]


@contextmanager
def _named_ranges(parts: Sequence[tuple[str, nn.Module]]) -> Iterator[None]:
    """For the time of the block, each call of a part is a range of its name to the profiler."""
    opened: dict[str, Any] = {}

    def opener(name: str) -> Callable[..., None]:
        def enter(module: nn.Module, inputs: object) -> None:
            opened[name] = record_function(name)
            opened[name].__enter__()

        return enter

    def closer(name: str) -> Callable[..., None]:
        def leave(module: nn.Module, inputs: object, output: object) -> None:
            opened.pop(name).__exit__(None, None, None)

        return leave

    handles = [part.register_forward_pre_hook(opener(name)) for name, part in parts]
    handles += [part.register_forward_hook(closer(name)) for name, part in parts]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
