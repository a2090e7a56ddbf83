"""Mixers as things to time: built, proved to compute the same as the reference, and named by the kernels they run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.bench import gate
from skaprof.bench.calls import Call, call_of, context_of, runnable
from skaprof.bench.device import Contender
from skaprof.bench.failures import CallError, UnsupportedError, explained
from skaprof.bench.graphs import CapturedCalls, capture
from skaprof.bench.kernels import processor_kernels
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError, bad_value, named
from skaprof.foreign_code import contained
from skaprof.implementations import GRAPHS, IMPLEMENTATIONS, Implementation
from skaprof.model.mixers import MIXERS
from skaprof.nn import TokenMixer, build_mixer
from skaprof.nn.triton_here import why_not_timed
from skaprof.workload import TRITON, Workload

SEED = 0
NOTHING_TO_FUSE = "no attention in it to be fused"
NO_STATIC_KEY = "no static key in it, which Triton's kernels are for"


@dataclass(slots=True)
class Built:
    """A contender with what the report tells of it beside its times; `extra` are further keys of its row."""

    contender: Contender
    peak_memory_bytes: int | None
    checked_tokens: int | None
    extra: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exportable:
    """A module to export with an input (B, ...), and the same in float64, in eager form, to check it against.

    `smaller` is the same module at a size whose reference fits in memory, which is checked in its place; `tokens` are
    those of a mixer's grid.
    """

    module: nn.Module
    x: Tensor
    reference: nn.Module
    tokens: int | None = None
    smaller: Exportable | None = None


def exportable(variant: Variant, w: Workload, implementation: str) -> Exportable:
    """The module of `variant` on the processor, in evaluation mode.

    Raises:
        UnsupportedError: it has no such form.
        SkaprofError: an installed mixer's module cannot be built, or has other parameters than its op list.
    """
    how = IMPLEMENTATIONS[implementation]
    _require_possible(how, variant, w, "cpu")
    checked = gate.checkable(variant, w, "cpu")
    smaller = exportable(variant, checked, implementation) if checked != w else None
    module, _ = _module(how, variant, w, "cpu")
    require_params(f"mixer {variant.spec.text!r}", module, int(cost_row(variant, w).params))
    reference = module
    if smaller is None:
        reference = build_mixer(variant.spec, w, "eager").double()
        reference.load_state_dict(module.state_dict())
    x = torch.randn(w.batch, w.tokens, w.dim, dtype=getattr(torch, variant.dtype))
    return Exportable(module.eval(), x, reference.eval(), w.tokens, smaller)


def build(variant: Variant, w: Workload, implementation: str, device: str, timing: str, cache_bytes: int) -> Built:
    """The contender of `variant` through `implementation`, gated, profiled, and ready to time.

    Args:
        implementation: a name of `skaprof.implementations.IMPLEMENTATIONS`.
        device: "cpu" or "cuda".
        timing: one of `skaprof.implementations.TIMINGS`; a graph timing captures a CUDA graph.
        cache_bytes: of the device, for the rotation of a graph's buffers.

    Raises:
        UnsupportedError: it cannot run here.
        skaprof.bench.gate.WrongOutputError: it computes something else.
        MemoryError, torch.OutOfMemoryError: it does not fit.
        SkaprofError: an unknown implementation, or the GPU was lost on the way; an installed mixer's module cannot be
            built, or has other parameters than its op list.
    """
    how = IMPLEMENTATIONS.get(implementation)
    if how is None:
        raise bad_value("implementation", implementation, f"one of {', '.join(IMPLEMENTATIONS)}", IMPLEMENTATIONS)
    _require_possible(how, variant, w, device)
    require_graph(how, variant.mode, timing)
    context = context_of(how)
    with explained(device, foreign=variant.spec.mixer.name not in MIXERS), context():
        module, run_module = _module(how, variant, w, device)
        require_params(f"mixer {variant.spec.text!r}", module, int(cost_row(variant, w).params))
        checked = gate.checkable(variant, w, device)
        if checked == w:
            gate.check(run_module, module, variant, w, device)
        else:
            smaller, run_smaller = _module(how, variant, checked, device)
            gate.check(run_smaller, smaller, variant, checked, device)
        with torch.device(device):
            x = torch.randn(w.batch, w.tokens, w.dim, dtype=getattr(torch, variant.dtype))
        call = call_of(run_module, module, x, x, variant.mode)
        return ready(f"{variant.spec.text} ({implementation})", call, how, device, timing, cache_bytes, checked.tokens)


def ready(
    label: str, call: Call, how: Implementation, device: str, timing: str, cache_bytes: int, checked_tokens: int | None
) -> Built:
    """The contender of a call, run once, profiled, and captured where the timing asks for a graph."""
    context = _watched(call, context_of(how))
    with context():
        call()
    peak = _peak_memory(call, device)
    graph = _graph(call, timing, cache_bytes, context)
    contender = Contender(
        label,
        graph or call,
        graph.calls if graph else 1,
        lambda: processor_kernels(call),
        graph.rotated_bytes if graph else 0,
        context,
        call,
    )
    return Built(contender, peak, checked_tokens)


def _watched(
    call: Call, context: Callable[[], AbstractContextManager[object]]
) -> Callable[[], AbstractContextManager[object]]:
    """`context`, and what the calls in it print and set is kept from the other contenders.

    Its exit raises CallError where they ran on more or fewer threads than the others do.
    """

    @contextmanager
    def entered() -> Iterator[None]:
        threads = torch.get_num_threads()
        with contained(), context():
            yield
            found = torch.get_num_threads()
            if found != threads:
                words = f"it sets PyTorch's threads to {found} while it runs: expected {threads}, as the others have"
                raise CallError(call) from UnsupportedError(words)

    return entered


def require_params(what: str, module: nn.Module, expected: int) -> None:
    """Raise unless the module has as many parameters as its op list says: an installed mixer's may not.

    Raises:
        SkaprofError: it has not (exit 1).
    """
    found = sum(parameter.numel() for parameter in module.parameters())
    if found != expected:
        raise SkaprofError(
            f"{what}: its module has {found:,} parameters, its op list {expected:,}: the MACs and TFLOP/s would be "
            f"wrong; {named('verify')} shows what differs",
            EXIT_CHECK_FAILED,
        )


def _require_possible(how: Implementation, variant: Variant, w: Workload, device: str) -> None:
    if how.form in variant.spec.mixer.op_lists and how.form not in variant.spec.forms():
        raise UnsupportedError("no such form with these options")
    if how.form not in variant.spec.mixer.op_lists:
        raise UnsupportedError(NO_STATIC_KEY if how.form == TRITON else NOTHING_TO_FUSE)
    reason = variant.spec.why_not(w, how.form)
    if reason is not None:
        raise UnsupportedError(reason)
    require_timed(how, device, variant.dtype)
    if how.channels_last and not any(op.kind == "conv2d" for op in variant.spec.ops(w, how.form)):
        raise UnsupportedError("no convolution in it")


def require_timed(how: Implementation, device: str, dtype: str) -> None:
    """Raise unless the form's kernels are real ones there.

    Raises:
        UnsupportedError: they are not.
    """
    reason = why_not_timed(device, dtype) if how.form == TRITON else None
    if reason is not None:
        raise UnsupportedError(reason)


def require_graph(how: Implementation, mode: str, timing: str) -> None:
    """Raise unless `timing` captures no graph, or one that can be captured.

    Raises:
        UnsupportedError: it cannot be captured.
    """
    if timing in GRAPHS and mode == "train":
        raise UnsupportedError("no graph timing of training: gradients would be allocated anew each call")
    if timing == "graph" and how.compiled:
        raise UnsupportedError("a graph rotates modules, and each would be compiled: use --timing graph-resident")


def _module(
    how: Implementation, variant: Variant, w: Workload, device: str
) -> tuple[TokenMixer, Callable[[Tensor], Tensor]]:
    """The module, and what runs it."""
    torch.manual_seed(SEED)
    with torch.device(device):
        module = build_mixer(variant.spec, w, how.form).to(getattr(torch, variant.dtype))
    return module, runnable(module, how)


def _graph(
    call: Call, timing: str, cache_bytes: int, context: Callable[[], AbstractContextManager[object]]
) -> CapturedCalls | None:
    if timing not in GRAPHS:
        return None
    return capture(call.run_module, call.module, call.x, cache_bytes, context, rotate_weights=timing == "graph")


def _peak_memory(call: Call, device: str) -> int | None:
    """Bytes one call allocates on the GPU beyond weights and input; None on the CPU, where PyTorch keeps no count."""
    if device != "cuda":
        return None
    call.forget()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before
