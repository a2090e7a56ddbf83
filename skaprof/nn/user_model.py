"""A user's whole model, built, and the call that runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from skaprof.errors import SkaprofError, named, shown
from skaprof.foreign_code import attempted, load_callable
from skaprof.foreign_model import KEEP, UserModel
from skaprof.nn.model_call import ModelCall
from skaprof.nn.user import build_user, cast

Change = Callable[[nn.Module, ModelCall], None]
"""What is done to a model once it is built: a swap of its submodules, say."""


def built_model(user: UserModel, device: str, option: str) -> tuple[nn.Module, ModelCall]:
    """The model in evaluation mode, in the dtype asked for, and its call, both where the model is put if that is one.

    It is not run.

    Raises:
        SkaprofError: it cannot be imported, built or cast, or its inputs cannot be made, with the user's own error.
    """
    with torch.device(device):
        model = build_user(option, user.path, user.keywords)
        if user.dtype != KEEP:
            dtype = getattr(torch, user.dtype)
            model = attempted(option, f"{user.path} cannot be put into {user.dtype}", lambda: cast(model, dtype))
        call = _given(user, model)
    home = next((parameter.device for parameter in model.parameters()), torch.device(device))
    return model, call.mapped(lambda tensor: tensor.to(home) if tensor.device != home else tensor)


def dtype_of(model: nn.Module) -> torch.dtype:
    """What a model's first floating-point parameter holds; float32 where it has none."""
    numbers = (parameter.dtype for parameter in model.parameters() if parameter.is_floating_point())
    return next((dtype for dtype in numbers if dtype.itemsize > 1), torch.float32)


def _given(user: UserModel, model: nn.Module) -> ModelCall:
    """The call: of the function that gives it, or of the shapes, where numbers are of the model's own dtype."""
    if user.inputs is not None:
        make = load_callable(named("inputs"), user.inputs)
        return _as_call(attempted(named("inputs"), f"{user.inputs}() fails", make), user.inputs)
    dtypes = user.input_dtypes * (len(user.shapes) if len(user.input_dtypes) == 1 else 1)
    made = [
        torch.randn(shape, dtype=dtype_of(model)) if dtype == "float32" else torch.zeros(shape, dtype=torch.int64)
        for shape, dtype in zip(user.shapes, dtypes, strict=True)
    ]
    return ModelCall(tuple(made), {})


def _as_call(given: Any, path: str) -> ModelCall:
    call = ModelCall.of(given)
    if not call.tensors:
        raise SkaprofError(
            f"{named('inputs')}: {shown(path)} gives {type(given).__name__} without a tensor: expected a tensor, a "
            "tuple of arguments, or a dict of keywords"
        )
    return call


def tensors_in(output: Any) -> list[Tensor]:
    """The tensors in what a model gives, in whatever holds them."""
    return [leaf for part in tree_leaves(output) for leaf in _leaves_of(part)]


def _leaves_of(part: Any) -> Iterator[Tensor]:
    if isinstance(part, Tensor):
        yield part
    elif is_dataclass(part) and not isinstance(part, type):
        for each in fields(part):
            yield from tensors_in(getattr(part, each.name))
    elif isinstance(part, Mapping):
        yield from tensors_in(dict(part))


def require_tensors(option: str, path: str, output: Any) -> Sequence[Tensor]:
    """The tensors in what a model gives.

    Raises:
        SkaprofError: there is none.
    """
    found = tensors_in(output)
    if not found:
        raise SkaprofError(f"{option}: {shown(path)} returns {type(output).__name__} without a tensor in it")
    return found


def run_model(what: str, model: nn.Module, call: ModelCall, option: str) -> Any:
    """What the model gives in inference; errors call it `what`.

    Raises:
        SkaprofError: it fails, with the user's own error, or gives no tensor.
    """

    def run() -> Any:
        with torch.no_grad():
            return call.run(model)

    output = attempted(option, f"{what} cannot run on an input of shape {call.text}", run)
    require_tensors(option, what, output)
    return output
