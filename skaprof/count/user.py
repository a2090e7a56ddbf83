"""What is counted of a module that has no closed form here: by skaprof's own counter, with two others as witnesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from skaprof.count.counted_forms import called_by_pytorch
from skaprof.count.counters import without_fast_path
from skaprof.count.exact import ExactCount, as_written, count_exact
from skaprof.count.hidden_work import LeavingNumbers
from skaprof.count.learned import Learned, learned
from skaprof.count.memory import saved_by_autograd
from skaprof.count.witnesses import Tally, heard, tally_exact
from skaprof.errors import SkaprofError, named
from skaprof.foreign_code import UserModule, attempted, contained, reason_of, require_same_shape
from skaprof.nn.user import DEVICES, unrun_mixer
from skaprof.workload import Workload


@dataclass(frozen=True, slots=True)
class UserCount:
    """What a module has and does in one call; None is a figure that is not known."""

    learned: Learned
    exact: Tally
    fvcore: Tally
    torch: Tally
    saved_bytes: int | None = None
    unlearned: str = ""
    """Why its parameters are not known."""
    unsaved: str = ""
    """Why the bytes that training saves are not known."""

    @property
    def params(self) -> int | None:
        """Its parameters, shared ones once."""
        return self.learned.params

    @property
    def macs(self) -> int | None:
        """The exact count; None where there is none, or a witness differs for no known reason."""
        return agreed(self.exact.total, self.fvcore.total, self.torch.total)

    @property
    def error(self) -> str | None:
        """Why there is no count, or which witness is missing; None where all agree."""
        if self.exact.trouble:
            return self.exact.trouble
        found = [tally.trouble for tally in (self.fvcore, self.torch) if tally.trouble]
        found += [why for why in (self.unlearned, self.unsaved) if why]
        if self.exact.total is not None and self.macs is None:
            told = (f"{tally.source} counts {tally.total:,} MACs" for tally in self._counts if tally.total is not None)
            found.append(", ".join(told))
        return "; ".join(found) or None

    def renamed(self, prefix: str) -> UserCount:
        """The same with this prefix off the names of units."""
        exact, fvcore, torch_tally = (
            replace(tally, macs={unit.removeprefix(prefix): macs for unit, macs in tally.macs.items()})
            for tally in (self.exact, self.fvcore, self.torch)
        )
        return replace(self, exact=exact, fvcore=fvcore, torch=torch_tally)

    @property
    def _counts(self) -> tuple[Tally, Tally, Tally]:
        return self.exact, self.fvcore, self.torch

    def as_dict(self) -> dict[str, Any]:
        """The keys of a proof, and `error`: verified where a witness agrees, open where none can say."""
        heard_of = self.fvcore.total is not None or self.torch.total is not None
        return {
            "params_counted": self.params,
            "macs_fvcore": self.fvcore.total,
            "macs_torch": self.torch.total,
            "verified": self.macs is not None if heard_of else None,
            "error": self.error,
        }


def agreed(exact: int | None, *witnesses: int | None) -> int | None:
    """The exact count, unless a witness has another."""
    return exact if all(count is None or count == exact for count in witnesses) else None


def count_user(user: UserModule, w: Workload, dtype: str = "float32", mode: str = "forward") -> UserCount:
    """What a user's mixer does at these sizes: on meta tensors if it runs and is known there, else on the processor.

    Raises:
        SkaprofError: it fails to import, to build or to run, with its own error, or gives another shape.
    """
    first: UserCount | None = None
    for device in DEVICES:
        try:
            found, needs_values = _count_on(user, w, dtype, mode, device)
        except SkaprofError:
            if device == DEVICES[-1] and first is None:
                raise
            continue
        if not needs_values:
            return found
        first = found  # what the processor says, where both run
    assert first is not None  # else the last device raised
    return first


def _count_on(user: UserModule, w: Workload, dtype: str, mode: str, device: str) -> tuple[UserCount, bool]:
    """The count on a device, and whether it lacks what tensors with values would tell."""
    option = named("module")
    module, x = unrun_mixer(user, w, dtype, device, option)
    outputs: list[Any] = []

    def call() -> Any:
        outputs.append(module(x))
        return outputs[-1]

    x.requires_grad_(mode == "train")
    trouble = f"{user.path} cannot run on an input of shape {tuple(x.shape)}"
    exact: ExactCount = attempted(option, trouble, lambda: count_exact(module, call, mode=mode, inputs=[x]))
    require_same_shape(option, user.path, tuple(x.shape), outputs[0])
    found = _witnessed(exact, module, x.detach(), (), mode)
    needs_values = any(each.needs_values for each in exact.unknown)
    why = exact.unlearned()
    if why is None:
        return found, needs_values
    return replace(found, learned=Learned(None, None), unlearned=why), needs_values


def count_module(module: nn.Module, x: Tensor, units: Sequence[str] = (), mode: str = "forward") -> UserCount:
    """What a module does in a call on x, in all and in each of the named submodules.

    Raises:
        Exception: whatever the module raises.
    """
    leaf = x.detach().requires_grad_(mode == "train")
    return _witnessed(count_exact(module, lambda: module(leaf), mode=mode, inputs=[leaf]), module, x, units, mode)


def _witnessed(exact: ExactCount, module: nn.Module, x: Tensor, units: Sequence[str], mode: str) -> UserCount:
    saved, unsaved = _saved(module, x) if mode == "train" and exact.macs is not None else (None, "")
    tallies = tally_exact(exact, units), *heard(exact, module, x, units, mode)
    return UserCount(learned(module), *tallies, saved, unsaved=unsaved)


def _saved(module: nn.Module, x: Tensor) -> tuple[int | None, str]:
    """The bytes that training saves, or why they are not known."""
    try:
        with contained(), called_by_pytorch(), without_fast_path(), as_written(), LeavingNumbers(), torch.enable_grad():
            return saved_by_autograd(module, x), ""
    except Exception as error:  # whatever the module does in another call, or tensors that have no plain memory
        return None, f"what training saves is not known: {reason_of(error)}"
