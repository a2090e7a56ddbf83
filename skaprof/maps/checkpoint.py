"""Trained weights from a file, which runs nothing, and into a model, which must be theirs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from skaprof.errors import SkaprofError, bad_value, needing, shown_path
from skaprof.train.checkpoint import load, no_file_of

State = dict[str, Tensor]
_HELD_UNDER = ("state_dict", "model_state_dict", "model", "state_dict_ema", "model_ema", "net")
"""The keys that training programs keep a model's weights under."""
_PREFIXES = ("module.", "_orig_mod.", "model.")
"""What data parallelism, compilation and training modules put before every name."""
_MOST_NAMED = 3
_KIND = "file of weights", "what torch.save(model.state_dict(), FILE) writes"
_OWN_FORMAT, _MOST_BYTE = "skaprof", 255


class Weights(NamedTuple):
    """Trained weights, and what their file says of the network, its image size and how pixels (0 to 1) are normalized:
    None where it does not, as files of skaprof accuracy alone do."""

    path: str
    state: State
    model: str | None = None
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


def read_weights(name: str, path: str) -> Weights:
    """The weights in a file of torch.save or safetensors; nothing in it is run. `name` is what the user knows it by.

    Raises:
        SkaprofError: there is no such file, or it holds something else.
    """
    held = _read(name, path)
    state = _state_of(name, path, held)
    if held.get("format") != _OWN_FORMAT:
        return Weights(path, state)
    try:
        mean, std = (tuple(float(value) / _MOST_BYTE for value in held[key]) for key in ("mean", "std"))
        return Weights(path, state, str(held["model"]), (int(held["height"]), int(held["width"])), mean, std)
    except (KeyError, TypeError, ValueError) as error:
        raise _no_checkpoint(name, path, error) from None


def _read(name: str, path: str) -> dict[str, Any]:
    """What a file holds, loaded with `weights_only`.

    Raises:
        SkaprofError: as `read_weights`.
    """
    if not Path(path).is_file():
        raise bad_value(name, path, "a file of weights")
    if path.lower().endswith(".safetensors"):
        with needing("a file of safetensors"):
            from safetensors import SafetensorError
            from safetensors.torch import load_file
        try:
            return dict(load_file(path))
        except (SafetensorError, OSError) as error:
            raise _no_checkpoint(name, path, error) from None
    return load(name, Path(path), *_KIND)


def _no_checkpoint(name: str, path: str, error: Exception) -> SkaprofError:
    return no_file_of(name, Path(path), *_KIND, str(error))


def _state_of(name: str, path: str, held: Mapping[str, Any]) -> State:
    """The weights in what a file holds: itself, or what stands under a key that training programs use.

    Raises:
        SkaprofError: there are none.
    """
    for candidate in (held, *(held[key] for key in _HELD_UNDER if isinstance(held.get(key), Mapping))):
        tensors = {key: value for key, value in candidate.items() if isinstance(value, Tensor)}
        if tensors:
            return {_plain(str(key)): value for key, value in tensors.items()}
    raise bad_value(name, path, f"a state dict in it, or under one of {', '.join(_HELD_UNDER)}")


def _plain(key: str) -> str:
    for prefix in _PREFIXES[:2]:
        key = key.removeprefix(prefix)
    return key


def load_state(weights: Weights, model: nn.Module, what: str, name: str = "CHECKPOINT") -> None:
    """The weights put into a model, every one of them.

    Raises:
        SkaprofError: they are of another network than `what`, and in what they differ.
    """
    own, state = model.state_dict(), weights.state
    if not own.keys() & state.keys():
        inner = {key.removeprefix(_PREFIXES[2]): value for key, value in state.items()}
        state = inner if own.keys() & inner.keys() else state
    differences = [
        _told("lacks", [key for key in own if key not in state]),
        _told("has besides", [key for key in state if key not in own]),
        _told(
            "has in other shapes",
            [
                f"{key} {tuple(state[key].shape)}, not {tuple(value.shape)}"
                for key, value in own.items()
                if key in state and state[key].shape != value.shape
            ],
        ),
    ]
    told = [each for each in differences if each]
    if told:
        raise SkaprofError(
            f"{name}: {shown_path(weights.path)} is of another network than {what}: it {'; it '.join(told)}"
        )
    model.load_state_dict(state)


def _told(verb: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return f"{verb} {', '.join(names[:_MOST_NAMED])}{more}"
