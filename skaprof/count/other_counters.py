"""Other people's counters, each called as its documentation says, with its defaults.

Nothing here helps a counter along, as `skaprof.count.counters` does where a counter is to be a proof: an audit asks
what a user gets. Each `load_` function imports one counter and returns what counts a module called on x, in that
counter's own unit (`skaprof.counters.COUNTERS` says which).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

Count = Callable[[nn.Module, Tensor], float]


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


def load_ptflops_pytorch() -> Count:
    """ptflops with its default backend, which hooks modules and replaces functions."""
    return _ptflops("pytorch")


def load_ptflops_aten() -> Count:
    """ptflops with its aten backend, a dispatch mode."""
    return _ptflops("aten")


def _ptflops(backend: str) -> Count:
    from ptflops import get_model_complexity_info

    def count(module: nn.Module, x: Tensor) -> float:
        macs, _ = get_model_complexity_info(
            module,
            tuple(x.shape[1:]),
            input_constructor=lambda _: {"x": x},
            backend=backend,
            as_strings=False,
            print_per_layer_stat=False,
        )
        return _number(macs)

    return count


def load_calflops() -> Count:
    """calflops."""
    from calflops import calculate_flops

    def count(module: nn.Module, x: Tensor) -> float:
        _, macs, _ = calculate_flops(
            module, args=[x], print_results=False, print_detailed=False, output_as_string=False
        )
        return _number(macs)

    return count


def load_torchinfo() -> Count:
    """torchinfo's summary."""
    from torchinfo import summary

    return lambda module, x: _number(summary(module, input_data=x, verbose=0).total_mult_adds)


def load_thop() -> Count:
    """thop's profile."""
    from thop import profile

    return lambda module, x: _number(profile(module, inputs=(x,), verbose=False)[0])


def load_torchprofile() -> Count:
    """torchprofile's profile_macs."""
    from torchprofile import profile_macs

    return lambda module, x: _number(profile_macs(module, (x,)))


def load_deepspeed() -> Count:
    """DeepSpeed's flops profiler."""
    from deepspeed.profiling.flops_profiler import get_model_profile

    def count(module: nn.Module, x: Tensor) -> float:
        _, macs, _ = get_model_profile(module, args=[x], print_profile=False, detailed=False, as_string=False)
        return _number(macs)

    return count


def _number(value: Any) -> float:
    """The value, where a counter found one.

    Raises:
        ValueError: it gave up quietly, as ptflops does where a module raises.
    """
    if not isinstance(value, int | float):
        raise ValueError(f"it gave {value!r} for a count")
    return value
