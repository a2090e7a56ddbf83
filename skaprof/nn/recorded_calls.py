"""How a model calls its submodules: what each is given and gives, seen by hooks while an example input runs through."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from skaprof.nn.direct_calls import forward_is_a_call

_RETURN_OPTIONS = ("need_weights", "average_attn_weights")
"""Arguments of nn.MultiheadAttention that change what it gives beside its output, and never the output."""


class SubmoduleCall(NamedTuple):
    """What a submodule was given, its input and the words for anything that would change the result, and gave."""

    given: Tensor | None
    extras: list[str]
    output: Any


def recorded(model: nn.Module, x: Tensor, modules: Mapping[str, nn.Module]) -> dict[str, list[SubmoduleCall]]:
    """Every call of each of the modules when the model runs on x, in evaluation mode."""
    calls: dict[str, list[SubmoduleCall]] = {}

    def recorder(name: str) -> Callable[..., None]:
        def record(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
            extras = extra_arguments(inputs, named, argument_names(module))
            calls.setdefault(name, []).append(SubmoduleCall(main_input(inputs, named), extras, output))

        return record

    handles = [module.register_forward_hook(recorder(name), with_kwargs=True) for name, module in modules.items()]
    try:
        with in_evaluation(model), torch.no_grad(), forward_is_a_call(modules.values()):
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return calls


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
