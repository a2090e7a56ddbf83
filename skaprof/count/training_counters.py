"""Other people's counts of training: one forward and one backward, with respect to the input and every parameter."""

from __future__ import annotations

from tempfile import TemporaryDirectory

from torch import Tensor, nn

from skaprof.count.other_counters import Count, number


def _step(module: nn.Module, x: Tensor) -> None:
    """Forward and backward."""
    output: Tensor = module(x.clone().requires_grad_())
    output.backward(output.detach())


def load_torch() -> Count:
    """PyTorch's own FlopCounterMode."""
    from torch.utils.flop_counter import FlopCounterMode

    def count(module: nn.Module, x: Tensor) -> float:
        with FlopCounterMode(display=False) as counter:
            _step(module, x)
        return counter.get_total_flops()

    return count


def load_profiler() -> Count:
    """PyTorch's profiler, asked for FLOPs."""
    from torch.profiler import ProfilerActivity, profile

    def count(module: nn.Module, x: Tensor) -> float:
        with profile(activities=[ProfilerActivity.CPU], with_flops=True) as profiled:
            _step(module, x)
        return float(sum(event.flops for event in profiled.key_averages()))

    return count


def load_lightning() -> Count:
    """Lightning Fabric's measure_flops, given a loss."""
    from lightning.fabric.utilities.throughput import measure_flops

    def count(module: nn.Module, x: Tensor) -> float:
        given = x.clone().requires_grad_()
        return number(measure_flops(module, lambda: module(given), lambda output: output.sum()))

    return count


def load_hf_trainer() -> Count:
    """What Hugging Face's Trainer adds to its total_flos for a step."""
    from transformers import PretrainedConfig, PreTrainedModel, Trainer, TrainingArguments

    class Wrapped(PreTrainedModel):  # type: ignore[misc]  # transformers may be missing
        """The module as a model of that library's kind, whose input is x."""

        config_class = PretrainedConfig
        main_input_name = "x"

        def __init__(self, module: nn.Module) -> None:
            super().__init__(PretrainedConfig())
            self.module = module

        def forward(self, x: Tensor) -> Tensor:
            return self.module(x)

    def count(module: nn.Module, x: Tensor) -> float:
        with TemporaryDirectory() as folder:
            settings = TrainingArguments(output_dir=folder, use_cpu=True, report_to=[])
            return number(Trainer(model=Wrapped(module), args=settings).floating_point_ops({"x": x}))

    return count
