"""What a model is called with: tensors, and whatever else, by place or by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map_only


class ModelCall(NamedTuple):
    """What a model is called with."""

    inputs: tuple[Any, ...]
    named: dict[str, Any]

    @classmethod
    def of(cls, given: Any) -> ModelCall:
        """A call with a tensor, with a tuple of arguments, or with a dict of keywords."""
        if isinstance(given, ModelCall):
            return given
        if isinstance(given, Mapping) and all(isinstance(key, str) for key in given):
            return cls((), dict(given))
        return cls(tuple(given) if isinstance(given, list | tuple) else (given,), {})

    def run(self, module: Callable[..., Any]) -> Any:
        """What the module gives."""
        return module(*self.inputs, **self.named)

    @property
    def tensors(self) -> list[Tensor]:
        """All tensors in it, in order."""
        return [leaf for leaf in tree_leaves((self.inputs, self.named)) if isinstance(leaf, Tensor)]

    @property
    def batch(self) -> int:
        """The first axis of its first tensor."""
        first = next(iter(self.tensors), None)
        return int(first.shape[0]) if first is not None and first.dim() else 1

    @property
    def text(self) -> str:
        """The shapes of its tensors, in words."""
        return " and ".join(str(tuple(tensor.shape)) for tensor in self.tensors) or "no tensor"

    def mapped(self, change: Callable[[Tensor], Tensor]) -> ModelCall:
        """The same call with other tensors."""
        return ModelCall(*tree_map_only(Tensor, change, (self.inputs, self.named)))

    def at_another_batch(self) -> ModelCall:
        """The same call with the first of the batch, or with one twice where there is but one."""
        batch = self.batch

        def resized(tensor: Tensor) -> Tensor:
            if not tensor.dim() or tensor.shape[0] != batch:
                return tensor
            return tensor[:1] if batch > 1 else torch.cat((tensor, tensor))

        return self.mapped(resized)


def one_input(model: nn.Module, call: ModelCall) -> nn.Module:
    """The model as counters take one: called with its first tensor, and holding the rest of its call."""
    alone = call.inputs and isinstance(call.inputs[0], Tensor) and not call.inputs[1:] and not call.named
    return model if alone else _OfOneInput(model, call)


class _OfOneInput(nn.Module):
    def __init__(self, model: nn.Module, call: ModelCall) -> None:
        super().__init__()
        self.model, self.call = model, call

    def forward(self, x: Tensor) -> Any:
        first = self.call.tensors[0]
        return self.call.mapped(lambda tensor: x if tensor is first else tensor).run(self.model)
