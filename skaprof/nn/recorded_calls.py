"""How a model calls its submodules: what each is given and gives, seen by hooks while an example input runs through."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from skaprof.nn.direct_calls import forward_is_a_call
from skaprof.nn.model_call import ModelCall

_RETURN_OPTIONS = ("need_weights", "average_attn_weights")
"""Arguments of nn.MultiheadAttention that change what it gives beside its output, and never the output."""


class SubmoduleCall(NamedTuple):
    """What a submodule was given, its input and the words for anything that would change the result, and gave."""

    given: Tensor | None
    extras: list[str]
    output: Any


def recorded(model: nn.Module, call: ModelCall, modules: Mapping[str, nn.Module]) -> dict[str, list[SubmoduleCall]]:
    """Every call of each of the modules when the model runs so, in evaluation mode.

    Attention that is causal by PyTorch's own word is an extra of the module that runs it.
    """
    calls: dict[str, list[SubmoduleCall]] = {}
    attention = _CausalAttention()

    def recorder(name: str) -> Callable[..., None]:
        def record(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
            extras = extra_arguments(inputs, named, argument_names(module)) + attention.heard()
            calls.setdefault(name, []).append(SubmoduleCall(main_input(inputs, named), extras, output))

        return record

    handles = [module.register_forward_hook(recorder(name), with_kwargs=True) for name, module in modules.items()]
    handles += [module.register_forward_pre_hook(attention.forget) for module in modules.values()]
    try:
        with in_evaluation(model), torch.no_grad(), forward_is_a_call(modules.values()), attention:
            call.run(model)
    finally:
        for handle in handles:
            handle.remove()
    return calls


class _CausalAttention(TorchFunctionMode):
    """Hears whether attention is asked to be causal."""

    def __init__(self) -> None:
        super().__init__()
        self.is_causal = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func is F.scaled_dot_product_attention:
            self.is_causal |= bool(named.get("is_causal", args[5] if len(args) > 5 else False))
        return func(*args, **named)

    def forget(self, *_: object) -> None:
        """What was heard before is not the module's that is called now."""
        self.is_causal = False

    def heard(self) -> list[str]:
        """What was heard since the last time."""
        was_causal, self.is_causal = self.is_causal, False
        return ["its attention is causal"] if was_causal else []


@contextmanager
def in_evaluation(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode for the time of the block; then each of its modules is in its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def main_input(inputs: Sequence[Any], named: Mapping[str, Any]) -> Tensor | None:
    """What a submodule called so maps: its first argument, else the first named one that is a tensor."""
    first = inputs[0] if inputs else next((value for value in named.values() if isinstance(value, Tensor)), None)
    return first if isinstance(first, Tensor) else None


def argument_names(module: nn.Module) -> tuple[str, ...]:
    """The names of what its forward takes, in order; none where it is no Python function."""
    try:
        return tuple(inspect.signature(module.forward).parameters)
    except (TypeError, ValueError):
        return ()


def extra_arguments(inputs: Sequence[Any], named: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The arguments beside the input that a token mixer would have to heed, each with its value, in words.

    The input again (query is key is value), integers (a grid's sides), what is off, and how much to return are none.
    """
    x = main_input(inputs, named)
    labels = [names[place] if place < len(names) else f"argument {place + 1}" for place in range(len(inputs))]
    given = [*zip(labels, inputs, strict=True), *named.items()]
    return [
        f"{label} = {_in_words(value)}"
        for label, value in given
        if label not in _RETURN_OPTIONS and not _changes_nothing(value, x)
    ]


def _changes_nothing(value: object, x: Tensor | None) -> bool:
    if isinstance(value, Tensor):  # a side of a grid is a tensor, too, while a counter traces
        is_whole = not value.is_floating_point() and value.dtype != torch.bool
        return value is x or (value.dim() == 0 and is_whole)
    if isinstance(value, list | tuple):
        return all(_changes_nothing(part, x) for part in value)
    if value is None or isinstance(value, bool | float | str | dict):
        return not value
    return isinstance(value, int)


def _in_words(value: object) -> str:
    if isinstance(value, Tensor):
        return f"another tensor, {tuple(value.shape)}"
    return repr(value) if isinstance(value, bool | float | str) else type(value).__name__
