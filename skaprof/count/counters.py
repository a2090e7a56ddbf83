"""Two independent counters on meta tensors: fvcore's FlopCountAnalysis and torch's FlopCounterMode.

Each returns what it counted for every submodule and what it saw but did not count. Neither knows the model.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import get_ident
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry
from torch.utils.module_tracker import ModuleTracker

from skaprof.count.convolutions import ConvolutionShape, TracedConvolution
from skaprof.count.fvcore_here import IMPORT_FAILS, FlopCountAnalysis
from skaprof.count.matmul_formulas import TORCH_FORMULAS, BlindError, fvcore_einsum, fvcore_matmul
from skaprof.count.running import hooks_unmentioned
from skaprof.nn.layers import FusedAttention
from skaprof.nn.user_model import tensors_in as tensors_given
from skaprof.process_wide import PROCESS_WIDE

ELSEWHERE = "(elsewhere)"
"""The unit of work that no named submodule did."""
_FVCORE_ELEMENTWISE = (
    "aten::layer_norm",
    "aten::group_norm",
    "aten::batch_norm",
    "aten::instance_norm",
    "aten::adaptive_avg_pool2d",
    "aten::upsample_nearest2d",
    "aten::upsample_bilinear2d",
    "aten::grid_sampler",
)
"""Elementwise work that fvcore counts (a norm at 5 "flops" an element) among its multiply-adds, unless told not to."""


@dataclass(frozen=True, slots=True)
class Counted:
    """MACs a counter counted, and the ops it left out, for each submodule name (and `ELSEWHERE`, if anything)."""

    macs: Mapping[str, int]
    left_out: Mapping[str, Counter[str]]

    @property
    def total(self) -> int:
        """MACs of the whole module."""
        return sum(self.macs.values())


def count_fvcore(module: nn.Module, x: Tensor, units: Sequence[str]) -> Counted:
    """fvcore's count of one forward call, for each named submodule. `x` may be on meta.

    Raises:
        BlindError: fvcore does not work with this PyTorch.
    """
    if IMPORT_FAILS:
        raise BlindError(f"cannot be imported: {IMPORT_FAILS}")
    analysis = FlopCountAnalysis(module, x).unsupported_ops_warnings(False)
    analysis.set_op_handle(**dict.fromkeys(_FVCORE_ELEMENTWISE, _no_macs))
    analysis.set_op_handle(**{"aten::einsum": fvcore_einsum, "aten::matmul": fvcore_matmul})
    analysis = analysis.uncalled_modules_warnings(False).tracer_warnings("none")
    traced = TracedConvolution(), ConvolutionShape()
    with PROCESS_WIDE, warnings.catch_warnings(), without_fast_path(), torch.no_grad(), traced[0], traced[1]:
        warnings.simplefilter("ignore")  # the tracer warns of shapes that become constants, which is what we want
        by_module = analysis.by_module()
    macs = {unit: int(by_module[unit]) for unit in units}
    left_out = {unit: Counter(analysis.unsupported_ops(unit)) for unit in units}
    rest = int(analysis.total()) - sum(macs.values())
    rest_left_out = Counter(analysis.unsupported_ops())
    for unit_left_out in left_out.values():
        rest_left_out.subtract(unit_left_out)
    return _with_rest(macs, left_out, rest, +rest_left_out)


def _no_macs(inputs: object, outputs: object) -> Counter[str]:
    return Counter()


def count_torch(module: nn.Module, x: Tensor, units: Sequence[str]) -> Counted:
    """FlopCounterMode's count of one forward call, for each named submodule, SDPA counted as its fused kernel.

    SDPA that is called as a function is counted as the matrix products of PyTorch's plain form: what the fused kernels
    of a processor run as has no formula, and the plain form's products are those that a kernel fuses.
    """
    with (
        without_fast_path(),
        hooks_unmentioned(),
        _frozen(module),
        sdpa_kernel(SDPBackend.MATH),
        _as_fused_kernel(module) as swapped,
    ):
        recorder = LeftOut(units)
        with recorder, _flop_counter(TORCH_FORMULAS) as counter:
            swapped(x)
    flops = counter.get_flop_counts()
    root = type(module).__name__
    macs = {unit: _macs(flops.get(f"{root}.{unit}", {})) for unit in units}
    rest = _macs(flops.get("Global", {})) - sum(macs.values())
    return _with_rest(macs, {unit: recorder.ops[unit] for unit in units}, rest, recorder.ops[ELSEWHERE])


def count_torch_training(module: nn.Module, x: Tensor, units: Sequence[str]) -> Counted:
    """FlopCounterMode's count of forward and backward with respect to every input and parameter.

    FlopCounterMode blames backward work on the wrong submodule, so each submodule runs alone, on inputs of the shapes
    it gets in the whole; what the whole does beyond their sum is `ELSEWHERE`. Its formula for the backward of grouped
    convolutions is wrong (PyTorch 2.13: 5.0 times forward at 4 groups), so those run as the matrix products of
    unfolded patches, which autograd differentiates as such.
    """
    arguments = _record_arguments(module, x, units)
    with _as_fused_kernel(module) as swapped, _as_matrix_products(swapped, units):
        recorder = LeftOut(())
        with recorder:
            macs = {unit: train_once(swapped.get_submodule(unit), arguments[unit]) for unit in units}
            rest = train_once(swapped, (x,)) - sum(macs.values())
    return _with_rest(macs, {}, rest, recorder.ops[ELSEWHERE])


def _with_rest(
    macs: dict[str, int], left_out: dict[str, Counter[str]], rest: int, rest_left_out: Counter[str]
) -> Counted:
    if rest:
        macs = {**macs, ELSEWHERE: rest}
    if rest_left_out:
        left_out = {**left_out, ELSEWHERE: rest_left_out}
    return Counted(macs, left_out)


def _macs(flops_by_op: Mapping[Any, int]) -> int:
    flops = sum(flops_by_op.values())
    if flops % 2:
        raise AssertionError(f"FlopCounterMode counted an odd number of FLOPs: {flops}")
    return flops // 2


def train_once(module: nn.Module, arguments: Sequence[Tensor]) -> int:
    """MACs of the module's forward and backward on fresh leaves of the arguments' shapes."""
    leaves = [torch.empty_like(argument).requires_grad_() for argument in arguments]
    with _flop_counter(TORCH_FORMULAS) as counter:
        ends = [tensor for tensor in tensors_given(module(*leaves)) if tensor.requires_grad]
        torch.autograd.backward(ends, [torch.empty_like(end) for end in ends])
    return _macs(counter.get_flop_counts().get("Global", {}))


def _record_arguments(module: nn.Module, x: Tensor, units: Sequence[str]) -> dict[str, tuple[Tensor, ...]]:
    arguments: dict[str, tuple[Tensor, ...]] = {}
    handles = [
        module.get_submodule(unit).register_forward_pre_hook(
            lambda _, inputs, unit=unit: arguments.__setitem__(unit, inputs)
        )
        for unit in units
    ]
    with _frozen(module):
        module(x)
    for handle in handles:
        handle.remove()
    return arguments


class _OwnThreadTracker(ModuleTracker):
    """Which modules run in this thread: PyTorch's tracker also hears, and by class name takes for ours, all others."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = get_ident()

    def _fw_pre_hook(self, mod: nn.Module, input: Any) -> None:
        if get_ident() == self._thread:
            super()._fw_pre_hook(mod, input)

    def _fw_post_hook(self, mod: nn.Module, input: Any, output: Any) -> None:
        if get_ident() == self._thread:
            super()._fw_post_hook(mod, input, output)


def _flop_counter(formulas: dict[Any, Any] | None = None) -> FlopCounterMode:
    """PyTorch's counter, deaf to the modules that other threads run."""
    counter = FlopCounterMode(display=False, custom_mapping=formulas)
    counter.mod_tracker = _OwnThreadTracker()
    return counter


class LeftOut(TorchDispatchMode):
    """Records, for each unit, the ops that run and that FlopCounterMode has no formula for."""

    def __init__(self, units: Sequence[str]) -> None:
        super().__init__()
        self.units = frozenset(units)
        self.ops: dict[str, Counter[str]] = {unit: Counter() for unit in (*units, ELSEWHERE)}
        self.tracker = _OwnThreadTracker()

    def __enter__(self) -> LeftOut:
        self.tracker.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self.tracker.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = func.overloadpacket
        if packet not in flop_registry and packet not in TORCH_FORMULAS:
            self.ops[self._unit()][str(packet)] += 1
        return func(*args, **(kwargs or {}))

    def _unit(self) -> str:
        running = {name.partition(".")[2] for name in self.tracker.parents} & self.units
        return running.pop() if running else ELSEWHERE


class _FusedKernel(nn.Module):
    """SDPA as the memory-efficient kernel that CUDA runs: its meta form has FLOP formulas, forward and backward."""

    def __init__(self, attention: FusedAttention) -> None:
        super().__init__()
        self.scale = attention.scale

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        kernel = torch.ops.aten._scaled_dot_product_efficient_attention
        output: Tensor = kernel(q, k, v, None, True, scale=self.scale)[0]
        return output


class _UnfoldedConvolution(nn.Module):
    """A stride 1 convolution in groups as matrix products over its unfolded input, the bias its own or given."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution
        self.bias = convolution.bias

    def forward(self, x: Tensor, bias: Tensor | None = None) -> Tensor:
        conv = self.convolution
        bias = self.bias if bias is None else bias
        kernel = (conv.kernel_size[0], conv.kernel_size[1])
        patches = F.unfold(x, kernel, padding=(conv.kernel_size[0] // 2, conv.kernel_size[1] // 2))
        patches = patches.unflatten(1, (conv.groups, -1))
        weight = conv.weight.flatten(1).unflatten(0, (conv.groups, -1))
        output = (weight @ patches).flatten(1, 2).unflatten(2, (x.shape[2], x.shape[3]))
        return output if bias is None else output + bias.view(-1, 1, 1)


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """No parameter requires a gradient. Module trackers fail on views of parameters under `torch.no_grad`."""
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    module.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)


@contextmanager
def without_fast_path() -> Iterator[None]:
    """nn.MultiheadAttention as the ops it is made of: its fast path is one op, which no counter knows."""
    with PROCESS_WIDE:
        was_enabled = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(was_enabled)


@contextmanager
def _swapped(module: nn.Module, replacements: Mapping[str, nn.Module]) -> Iterator[nn.Module]:
    """`module` with the named submodules replaced for the time of the block."""
    originals = {name: module.get_submodule(name) for name in replacements}
    try:
        for name, replacement in replacements.items():
            module.set_submodule(name, replacement)
        yield module
    finally:
        for name, original in originals.items():
            module.set_submodule(name, original)


def _as_fused_kernel(module: nn.Module) -> Any:
    attentions = {name: sub for name, sub in module.named_modules() if isinstance(sub, FusedAttention)}
    return _swapped(module, {name: _FusedKernel(sub) for name, sub in attentions.items()})


def _as_matrix_products(module: nn.Module, units: Sequence[str]) -> Any:
    modules = {unit: module.get_submodule(unit) for unit in units}
    grouped = {unit: sub for unit, sub in modules.items() if isinstance(sub, nn.Conv2d) and sub.groups > 1}
    return _swapped(module, {unit: _UnfoldedConvolution(sub) for unit, sub in grouped.items()})
