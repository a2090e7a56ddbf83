"""What a counter leaves behind in the module that it counted, and in PyTorch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def watched(module: Any) -> Callable[[], tuple[str, ...]]:
    """What tells, in words, how the module and PyTorch differ from now; nothing where it is none of PyTorch's."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(module, torch.nn.Module):
        return tuple
    before, functions, trains = _state(module), _functions(torch), module.training
    tensors = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}

    def effects() -> tuple[str, ...]:
        after = _state(module)
        found = [words for words, value in before.items() if after[words] != value]
        if module.training != trains:
            found.append(f"leaves the module in {'eval' if trains else 'training'} mode")
        kept = module.state_dict()
        if any(name not in kept or not torch.equal(kept[name], tensor) for name, tensor in tensors.items()):
            found.append("changes weights or buffers")
        now = _functions(torch)
        if any(now.get(name) != held for name, held in functions.items()):  # what is there besides, a module loaded
            found.append("leaves functions of PyTorch replaced")
        return tuple(found)

    return effects


def _state(module: Any) -> dict[str, Any]:
    """What a counter may change, under what is said if it does."""
    parts = list(module.modules())
    return {
        "leaves requires_grad changed": [value.requires_grad for value in module.parameters()],
        "leaves hooks": [[len(getattr(part, hooks)) for hooks in _HOOKS] for part in parts],
        "leaves attributes of its own": [sorted(_attributes(part)) for part in parts],
    }


def _attributes(part: Any) -> Iterator[str]:
    for held in (vars(part), part._parameters, part._buffers, part._modules):
        yield from held


def _functions(torch: Any) -> dict[str, int]:
    """The functions that counters replace, by the identity of what stands there now."""
    places = {"F": torch.nn.functional, "torch": torch, "Tensor": torch.Tensor}
    held = ((f"{name}.{key}", value) for name, place in places.items() for key, value in vars(place).items())
    return {name: id(value) for name, value in held if callable(value)} | {"gradients": torch.is_grad_enabled()}
