"""Other people's counters, each called as its documentation says, with its defaults.

Nothing here helps a counter along, as `skaprof.count.counters` does where a counter is to be a proof: an audit asks
what a user gets. Each `load_` function imports one counter and returns what counts a module called on x, in that
counter's own unit (`skaprof.counters.COUNTERS` says which).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from skaprof.count.asked import Said

Count = Callable[[nn.Module, Tensor], float | Said]


def load_fvcore() -> Count:
    """fvcore's FlopCountAnalysis."""
    from skaprof.count.fvcore_here import FlopCountAnalysis

    return lambda module, x: float(FlopCountAnalysis(module, x).total())


def load_torch() -> Count:
    """PyTorch's own FlopCounterMode."""
    from torch.utils.flop_counter import FlopCounterMode

    def count(module: nn.Module, x: Tensor) -> float:
        with FlopCounterMode(display=False) as counter:
            module(x)
        return counter.get_total_flops()

    return count


def load_profiler() -> Count:
    """PyTorch's profiler, asked for FLOPs."""
    from torch.profiler import ProfilerActivity, profile

    def count(module: nn.Module, x: Tensor) -> float:
        with profile(activities=[ProfilerActivity.CPU], with_flops=True) as profiled:
            module(x)
        return float(sum(event.flops for event in profiled.key_averages()))

    return count


def load_ptflops_pytorch() -> Count:
    """ptflops with its default backend, which hooks modules and replaces functions."""
    return _ptflops("pytorch")


def load_ptflops_aten() -> Count:
    """ptflops with its aten backend, a dispatch mode."""
    return _ptflops("aten")


def _ptflops(backend: str) -> Count:
    from ptflops import get_model_complexity_info

    def count(module: nn.Module, x: Tensor) -> Said:
        macs, params = get_model_complexity_info(
            module,
            tuple(x.shape[1:]),
            input_constructor=lambda _: {"x": x},
            backend=backend,
            as_strings=False,
            print_per_layer_stat=False,
        )
        return Said(number(macs), number(params))

    return count


def load_calflops() -> Count:
    """calflops."""
    from calflops import calculate_flops

    def count(module: nn.Module, x: Tensor) -> Said:
        _, macs, params = calculate_flops(
            module, args=[x], print_results=False, print_detailed=False, output_as_string=False
        )
        return Said(number(macs), number(params))

    return count


def load_thop() -> Count:
    """thop's profile, of whichever of the two packages of that module is installed."""
    from thop import profile

    return lambda module, x: Said(*map(number, profile(module, inputs=(x,), verbose=False)))


def load_torchprofile() -> Count:
    """torchprofile's profile_macs."""
    from torchprofile import profile_macs

    return lambda module, x: number(profile_macs(module, (x,)))


def load_deepspeed() -> Count:
    """DeepSpeed's flops profiler."""
    from deepspeed.profiling.flops_profiler import get_model_profile

    def count(module: nn.Module, x: Tensor) -> Said:
        _, macs, params = get_model_profile(module, args=[x], print_profile=False, detailed=False, as_string=False)
        return Said(number(macs), number(params))

    return count


def load_mmengine() -> Count:
    """MMEngine's complexity analysis."""
    from mmengine.analysis import get_model_complexity_info

    def count(module: nn.Module, x: Tensor) -> Said:
        found = get_model_complexity_info(module, inputs=(x,), show_table=False, show_arch=False)
        return Said(number(found["flops"]), number(found["params"]))

    return count


def load_torch_flops() -> Count:
    """torch-flops, which traces by torch.fx."""
    from torch_flops import TorchFLOPsByFX

    def count(module: nn.Module, x: Tensor) -> float:
        with torch.no_grad():
            # its default resets statistics of a GPU, which PyTorch refuses on a processor
            counter = TorchFLOPsByFX(module, mem_func_name="memory_allocated")
            counter.propagate(x)
        return number(counter.print_total_flops(show=False))

    return count


def load_torchlens() -> Count:
    """torchlens' trace of a forward pass."""
    import torchlens

    return lambda module, x: float(torchlens.trace(module, x).total_macs_forward)


def number(value: Any) -> float:
    """The value, where a counter found one.

    Raises:
        ValueError: it gave up quietly, as ptflops does where a module raises.
    """
    if not isinstance(value, int | float):
        raise ValueError(f"it gave {value!r} for a count")
    return value
