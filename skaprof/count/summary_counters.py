"""Other people's model summaries: parameters and bytes, and of some of them multiply-adds.

As those of `skaprof.count.other_counters`, each with its defaults.
"""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO

from torch import Tensor, nn

from skaprof.count.asked import Said
from skaprof.count.other_counters import Count, number

_MEBIBYTE = 2**20


def load_torchinfo() -> Count:
    """torchinfo's summary."""
    from torchinfo import summary

    def count(module: nn.Module, x: Tensor) -> Said:
        found = summary(module, input_data=x, verbose=0)
        return Said(number(found.total_mult_adds), number(found.total_params), number(found.total_output_bytes))

    return count


def load_torch_summary() -> Count:
    """torch-summary, the name that torchinfo had."""
    from torchsummary import summary

    def count(module: nn.Module, x: Tensor) -> Said:
        found = summary(module, x, verbose=0)
        sizes = re.search(r"Forward/backward pass size \(MB\): ([\d.]+)", str(found))
        memory = None if sizes is None else 1e6 * float(sizes[1])
        return Said(number(found.total_mult_adds), number(found.total_params), memory)

    return count


def load_torchsummary() -> Count:
    """torchsummary, which prints; it gives no multiply-adds."""
    from torchsummary import summary

    def count(module: nn.Module, x: Tensor) -> Said:
        with redirect_stdout(StringIO()) as printed:
            summary(module, tuple(x.shape[1:]), batch_size=len(x), device="cpu")
        text = printed.getvalue()
        return Said(
            params=_read(r"Total params: ([\d,]+)", text),
            memory=_MEBIBYTE * _read(r"Forward/backward pass size \(MB\): ([\d.]+)", text),
        )

    return count


def load_model_summary() -> Count:
    """pytorch-model-summary, which gives text, and no multiply-adds."""
    from pytorch_model_summary import summary

    def count(module: nn.Module, x: Tensor) -> Said:
        return Said(params=_read(r"Total params: ([\d,]+)", summary(module, x)))

    return count


def _read(pattern: str, text: str) -> float:
    """The number that a summary prints.

    Raises:
        ValueError: it prints none.
    """
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"it printed nothing like {pattern!r}")
    return float(found[1].replace(",", ""))


def load_lightning() -> Count:
    """Lightning's model summary."""
    from lightning.pytorch import LightningModule
    from lightning.pytorch.utilities.model_summary import ModelSummary

    class Wrapped(LightningModule):  # type: ignore[misc]  # lightning may be missing
        """The module as a Lightning user has it."""

        def __init__(self, module: nn.Module, x: Tensor) -> None:
            super().__init__()
            self.module = module
            self.example_input_array = x

        def forward(self, x: Tensor) -> Tensor:
            return self.module(x)

    def count(module: nn.Module, x: Tensor) -> Said:
        found = ModelSummary(Wrapped(module, x).train(module.training), max_depth=-1)
        return Said(number(found.total_flops), number(found.total_parameters), 1e6 * found.model_size)

    return count
