"""Networks on disk: a run that was interrupted, and trained weights. Both are read without running what they hold."""

from __future__ import annotations

import io
import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from skaprof.analysis.contenders import Contender
from skaprof.errors import SkaprofError, named, printable, shown, shown_path
from skaprof.files import write_whole
from skaprof.train.images import Images

ENDING = ".checkpoint"
"""What the name of a run's checkpoint has behind that of its file of rows."""
_FORMAT = "skaprof"
_DAMAGED = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ImportError,
)
"""What PyTorch raises of files that are none of its own, or not whole."""


def save(name: str, path: Path, document: Mapping[str, Any]) -> None:
    """Write numbers, texts and tensors, whole or not at all.

    Raises:
        SkaprofError: it cannot be written.
    """
    stream = io.BytesIO()
    torch.save(dict(document), stream)
    write_whole(name, str(path), [stream.getvalue()])


def load(
    name: str, path: Path, what: str = "checkpoint", expected: str = "a dict of tensors and texts"
) -> dict[str, Any]:
    """The dict that `save`, or `torch.save`, wrote; nothing in the file is run. `what` the file should be.

    Raises:
        SkaprofError: it cannot be read, is damaged, or holds no dict, or more than numbers, texts and tensors.
    """
    try:
        document = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise SkaprofError(f"{name}: {shown_path(path)} cannot be read: {error.strerror}") from None
    except _DAMAGED as error:
        raise no_file_of(name, path, what, expected, str(error)) from None
    if not isinstance(document, Mapping):
        raise no_file_of(name, path, what, expected, f"it holds {type(document).__name__}")
    return dict(document)


def no_file_of(name: str, path: Path, what: str, expected: str, reason: str) -> SkaprofError:
    """What is raised of a file that is damaged or another's."""
    why = printable(reason.strip().partition("\n")[0])[:200]
    return SkaprofError(
        f"{name}: {shown_path(path)} is no {what} that loads without running code (weights_only), or damaged: {why}; "
        f"expected {expected}"
    )


class Checkpoint:
    """The one run that a file of rows had begun when it was interrupted."""

    def __init__(self, lines: str) -> None:
        """`lines` is the file of rows."""
        self.path = Path(lines + ENDING)

    def write(self, run: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Save the state of a run; `run` tells it from every other."""
        save(named("output"), self.path, {"run": dict(run), "state": state})

    def read(self) -> tuple[dict[str, Any], Mapping[str, Any]] | None:
        """The run and its state; None where none was interrupted.

        Raises:
            SkaprofError: the file is damaged.
        """
        if not self.path.is_file():
            return None
        document = load(named("resume"), self.path)
        run, state = document.get("run"), document.get("state")
        if not isinstance(run, dict) or not isinstance(state, dict):
            raise SkaprofError(f"{named('resume')}: {shown_path(self.path)} is no checkpoint of skaprof accuracy")
        return run, state

    def clear(self) -> None:
        """The run is over."""
        self.path.unlink(missing_ok=True)


def save_weights(folder: Path, contender: Contender, seed: int, data: Images, module: nn.Module) -> None:
    """Write trained weights to MODEL-seedN.pt, with what it takes to build the network and to feed it.

    The dict has `format` "skaprof", `model` as typed, `mixers`, `height`, `width`, `classes`, `seed`, `data`, `mean`
    and `std` of a channel (in units of a byte), `position_std` and `state_dict`.

    Raises:
        SkaprofError: it cannot be written.
    """
    mean, std = data.moments()
    network = contender.network
    head = {
        "format": _FORMAT,
        "model": contender.name,
        "mixers": contender.mixers,
        "height": network.height,
        "width": network.width,
        "classes": network.backbone.classes,
        "position_std": network.backbone.position_std,
        "seed": seed,
        "data": data.name,
        "mean": mean,
        "std": std,
    }
    save(named("weights"), weights_path(folder, contender, seed), head | {"state_dict": module.state_dict()})


def weights_path(folder: Path, contender: Contender, seed: int) -> Path:
    """The file of a network's weights: its name, without what file names do not hold, and the seed."""
    name = re.sub(r"[^\w.=,+-]+", "_", contender.name).strip("_")
    return folder / f"{name}-seed{seed}.pt"


def require_folder(folder: str) -> Path:
    """The folder to write weights to, made where there is none.

    Raises:
        SkaprofError: it can be no folder.
    """
    path = Path(folder)
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise SkaprofError(f"{named('weights')}: {shown(folder)} can be no folder: {error.strerror}") from None
    return path
