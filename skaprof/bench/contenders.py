"""Mixers as things to time: built, proved to compute the same as the reference, and named by the kernels they run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from skaprof.bench.device import Contender
from skaprof.errors import SkaprofError
from skaprof.model.plan import Variant
from skaprof.nn import TokenMixer, build_mixer
from skaprof.workload import Workload

SDPA_BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}
GATE = {"float64": 1e-9, "float32": 1e-4, "float16": 1e-2, "bfloat16": 5e-2}
"""Largest relative error ||out - reference|| / ||reference|| allowed, by dtype."""
GATE_TF32 = 5e-3


class UnsupportedError(Exception):
    """An implementation that cannot run here, at this size or in this dtype; the message says why."""


class WrongOutputError(Exception):
    """An implementation whose output is not the reference's."""


@dataclass(slots=True)
class Built:
    """A contender with what the report tells of it beside its times."""

    contender: Contender
    kernels: tuple[str, ...]
    backend: str
    peak_memory_bytes: int | None


def build(variant: Variant, w: Workload, implementation: str, device: str, *, graph_cache_bytes: int = 0) -> Built:
    """The contender of `variant` through `implementation`, gated, profiled, and ready to time.

    Args:
        implementation: "eager", "sdpa", "sdpa-flash", "sdpa-efficient", "sdpa-cudnn", "sdpa-math" or "compile".
        device: "cpu" or "cuda".
        graph_cache_bytes: nonzero captures a CUDA graph that rotates its inputs through 5 times so many bytes.

    Raises:
        UnsupportedError: it cannot run here.
        WrongOutputError: it computes something else.
        SkaprofError: an unknown implementation.
    """
    form, _, backend = implementation.partition("-")
    if form not in ("eager", "sdpa", "compile") or (backend and backend not in SDPA_BACKENDS):
        raise SkaprofError(f"implementation: {implementation!r} is unknown")
    if form == "sdpa" and "sdpa" not in variant.spec.mixer.op_lists:
        raise UnsupportedError(f"{variant.spec.text} has no sdpa form")
    torch.manual_seed(0)
    dtype = getattr(torch, variant.dtype)
    with torch.device(device):
        module = build_mixer(variant.spec, w, "sdpa" if form == "sdpa" else "eager").to(dtype)
        x = torch.randn(w.batch, w.tokens, w.dim, dtype=dtype)
    run_module: Callable[[Tensor], Tensor] = _compiled(module) if form == "compile" else module
    pinned = _pinned(backend)
    try:
        with pinned():
            _gate(run_module, module, variant, w)
            call = _call(run_module, module, x, variant.mode)
            call()
    except (WrongOutputError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise UnsupportedError(_first_line(error)) from error
    run, calls, rotated = call, 1, 0
    if graph_cache_bytes:
        run, calls, rotated = _captured(run_module, module, x, variant.mode, graph_cache_bytes, pinned)

    def pinned_run() -> None:
        with pinned():
            run()

    def signature() -> tuple[str, ...]:
        with pinned():
            return kernels_of(call, compiled=form == "compile")

    timed = run if not backend or graph_cache_bytes else pinned_run
    names = signature()
    contender = Contender(f"{variant.spec.text} ({implementation})", timed, calls, lambda: str(signature()), rotated)
    return Built(contender, names, _backend(names) if form == "sdpa" else "", _peak_memory(timed, device))


def _compiled(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """The module compiled for its shape. Past some shapes Dynamo would quietly run it uncompiled: raise its limit."""
    from torch._dynamo import config

    for name in ("recompile_limit", "cache_size_limit", "accumulated_recompile_limit", "accumulated_cache_size_limit"):
        if hasattr(config, name):
            setattr(config, name, 100_000)
    compiled: Callable[[Tensor], Tensor] = torch.compile(module, dynamic=False)
    return compiled


def _pinned(backend: str) -> Callable[[], AbstractContextManager[object]]:
    return (lambda: sdpa_kernel(SDPA_BACKENDS[backend])) if backend else nullcontext


def _call(run_module: Callable[[Tensor], Tensor], module: nn.Module, x: Tensor, mode: str) -> Callable[[], None]:
    """One call: forward, or forward and backward with respect to input and parameters."""
    if mode == "forward":

        def forward() -> None:
            with torch.no_grad():
                run_module(x)

        return forward
    leaf = x.clone().requires_grad_()
    gradient = torch.randn_like(x)

    def train() -> None:
        leaf.grad = None
        module.zero_grad(set_to_none=True)
        output = run_module(leaf)
        if output.requires_grad:
            output.backward(gradient)

    return train


def _gate(run_module: Callable[[Tensor], Tensor], module: TokenMixer, variant: Variant, w: Workload) -> None:
    """Output, and in training the input's gradient, against the eager reference in float64 on a fresh input.

    Raises:
        WrongOutputError: they differ by more than the dtype explains.
    """
    parameter = next(module.parameters(), torch.empty(0))
    with torch.device(parameter.device):
        reference = build_mixer(variant.spec, w, "eager").double()
        reference.load_state_dict(module.state_dict())
        fresh = torch.randn(1, w.tokens, w.dim, dtype=getattr(torch, variant.dtype))
    limit = GATE[variant.dtype]
    if variant.dtype == "float32" and fresh.is_cuda and _tf32():
        limit = GATE_TF32
    outputs = []
    for function, x in ((run_module, fresh), (reference, fresh.double())):
        leaf = x.clone().requires_grad_(variant.mode == "train")
        output = function(leaf)
        results = [output.detach()]
        if variant.mode == "train" and output.requires_grad:
            output.sum().backward()
            assert leaf.grad is not None
            results.append(leaf.grad)
        outputs.append(results)
    for found, expected in zip(*outputs, strict=True):
        check_output(found, expected, limit)


def check_output(found: Tensor, expected: Tensor, limit: float) -> None:
    """Nothing, where ||found - expected|| <= limit * ||expected||.

    Raises:
        WrongOutputError: otherwise, and for any value that is not finite.
    """
    error = (found.double() - expected).norm() / expected.norm().clamp_min(1e-30)
    if not error <= limit:
        raise WrongOutputError(f"differs from the float64 reference by {error:.1e}: expected at most {limit:.0e}")


def _tf32() -> bool:
    return torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32


def _captured(
    run_module: Callable[[Tensor], Tensor],
    module: nn.Module,
    x: Tensor,
    mode: str,
    cache_bytes: int,
    pinned: Callable[[], AbstractContextManager[object]],
) -> tuple[Callable[[], None], int, int]:
    """A CUDA graph of one call on each of enough input buffers that none is found in the cache again.

    Replayed once more with changed input before it is trusted: a kernel that was not captured leaves a stale output.

    Raises:
        UnsupportedError: the call cannot be captured.
        WrongOutputError: a replay did not follow its input.
    """
    if mode != "forward":
        raise UnsupportedError("graph timing of training is not offered: gradients would be allocated anew each call")
    own = x.numel() * x.element_size()
    buffers = [x.clone() for _ in range(ceil(5 * cache_bytes / own) + 1)]
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.no_grad(), pinned(), torch.cuda.graph(graph):
            outputs = [run_module(buffer) for buffer in buffers]
    except RuntimeError as error:
        raise UnsupportedError(f"cannot be captured in a CUDA graph: {_first_line(error)}") from error
    replayed_follows_input(graph.replay, buffers[0], outputs[0], run_module)
    return graph.replay, len(buffers), own * len(buffers)


def replayed_follows_input(
    replay: Callable[[], object], buffer: Tensor, output: Tensor, function: Callable[[Tensor], Tensor]
) -> None:
    """Nothing, where a replay after a change of `buffer` computes `function` of the change.

    Raises:
        WrongOutputError: it does not: something was not captured.
    """
    buffer.copy_(torch.randn_like(buffer))
    with torch.no_grad():
        expected = function(buffer).double()
    replay()
    check_output(output, expected, 1e-2)


def kernels_of(call: Callable[[], object], *, compiled: bool = False) -> tuple[str, ...]:
    """Names of the GPU kernels that one call runs, in order; on a machine without CUDA, of its ATen ops.

    What torch.compile made for the CPU has no names: a dispatch mode would make it compile anew.
    """
    if torch.cuda.is_available():
        from torch.profiler import ProfilerActivity, profile

        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
            call()
            torch.cuda.synchronize()
        events = profiled.events() or []
        return tuple(dict.fromkeys(e.name for e in events if e.device_type == torch._C._autograd.DeviceType.CUDA))
    if compiled:
        return ("torch.compile",)
    with _AtenOps() as ops:
        call()
    return tuple(dict.fromkeys(ops.names))


class _AtenOps(TorchDispatchMode):
    """Records the names of the ATen ops that run."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func.overloadpacket))
        return func(*args, **(kwargs or {}))


def _backend(kernels: tuple[str, ...]) -> str:
    """Which attention backend ran, as the kernels' names tell."""
    names = " ".join(kernels).lower()
    for backend, marks in {
        "cudnn": ("cudnn_generated", "cudnn_attention"),
        "flash": ("flash",),
        "efficient": ("efficient", "fmha_cutlass", "mem_eff"),
    }.items():
        if any(mark in names for mark in marks):
            return backend
    return "math"


def _peak_memory(run: Callable[[], object], device: str) -> int | None:
    """Bytes one call allocates on the GPU beyond what it found; None on the CPU, where PyTorch keeps no count."""
    if device != "cuda":
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
