"""A user's whole model as a thing to time: in evaluation mode, checked against itself in float64."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from skaprof.bench.configuration import InPyTorch, Options, Row
from skaprof.bench.contenders import SEED, Built, Exportable
from skaprof.bench.device import Device
from skaprof.bench.failures import UnsupportedError, explained
from skaprof.bench.kept_answers import require_no_kept_answer
from skaprof.bench.modules import build_module, could_be_built, exportable_module, time_shares
from skaprof.foreign_model import UserModel
from skaprof.implementations import IMPLEMENTATIONS
from skaprof.nn.model_call import ModelCall
from skaprof.nn.user_model import Change, built_model, dtype_of, tensors_in
from skaprof.own_rows import PartRow
from skaprof.results import ResultRow, ScopeRow

OPTION = "--model"


@dataclass(frozen=True, slots=True)
class ModelEntry(InPyTorch):
    """A row to measure: a user's model, and what was counted of it. `changed` names what `change` does to it."""

    user: UserModel
    counted: PartRow
    implementation: str
    changed: str = ""
    change: Change | None = None

    @property
    def name(self) -> str:
        """Its path, and what was changed in it."""
        return f"{self.user.path} {self.changed}".rstrip()

    @property
    def given(self) -> str:
        """What the user calls it: the same."""
        return self.name

    @property
    def batch(self) -> int:
        """Batch size."""
        return self.counted.batch

    @property
    def mode(self) -> str:
        """Forward, or train."""
        return self.counted.mode

    @property
    def foreign(self) -> bool:
        """Whether code runs in it that is not skaprof's."""
        return True

    def head(self) -> Row:
        """The keys of its row that timing does not add: those of a backbone's, and what tells it from another."""
        kept = {*ScopeRow.fields, *ResultRow.fields} & {*PartRow.fields} - {"error"}
        row = {key: value for key, value in self.counted.as_dict().items() if key in kept}
        return {"given": self.name} | row | {"implementation": self.implementation, "mixer": self.changed or None}

    def build(self, options: Options, device: Device) -> Built:
        """The contender, with the share of time that each of its parts takes.

        Raises:
            UnsupportedError: it cannot run here, or has no such form.
            skaprof.bench.gate.WrongOutputError: it computes something else than in float64, or keeps its answers.
        """
        kind = options.device.partition(":")[0]
        model, call = self._made(kind)
        timed, x = _OneTensor(model, call, self.mode), call.tensors[0]
        dtype = str(dtype_of(model)).removeprefix("torch.")
        with explained(kind, foreign=True):
            require_no_kept_answer(timed, x)
        built = build_module(self, timed, x, dtype, options, device)
        with explained(kind, foreign=True):
            scopes, shares = time_shares(timed, x.detach(), kind, _parts(model))
        built.extra = {"time_scopes": scopes, "time_shares": shares}
        return built

    def exportable(self) -> Exportable:
        """The model on the processor, with all tensors that it gives.

        Raises:
            UnsupportedError: as `build`; or its call has several tensors.
        """
        model, call = self._made("cpu")
        if len(call.tensors) > 1:
            raise UnsupportedError("called with several tensors: other runtimes are given one")
        return exportable_module(_AllTensors(model, call), call.tensors[0])

    def _made(self, kind: str) -> tuple[nn.Module, ModelCall]:
        if IMPLEMENTATIONS[self.implementation].form != "eager":
            raise UnsupportedError("a model of your own has one form: eager, channels-last or compile")
        torch.manual_seed(SEED)
        with could_be_built():
            model, call = built_model(self.user, kind, OPTION)
            if self.change is not None:
                self.change(model, call)
        return model, call


def _parts(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The model's top submodules; a list of modules, which is never called, by what is in it."""
    return [
        (name, part)
        for name, child in model.named_children()
        for part in (child.children() if isinstance(child, nn.ModuleList | nn.ModuleDict) else [child])
    ]


class _AllTensors(nn.Module):
    """A model called with one tensor, that gives every tensor in its output."""

    def __init__(self, model: nn.Module, call: ModelCall) -> None:
        super().__init__()
        self.model = model
        self.rest = [call]  # in a list, or it would be taken for part of the module

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        call = self.rest[0]
        return tuple(tensors_in(call.mapped(lambda tensor: x).run(self.model)))


class _OneTensor(nn.Module):
    """A model called with one tensor, the first of its call, that gives one tensor, the first of numbers in its output.

    A single item of the batch goes with a single item of the call's other tensors.
    """

    def __init__(self, model: nn.Module, call: ModelCall, mode: str) -> None:
        super().__init__()
        self.model, self.mode = model, mode
        self.rest = [call]  # in a list, or it would be taken for part of the module

    def forward(self, x: Tensor) -> Tensor:
        call = self.rest[0]
        first, batch = call.tensors[0], call.batch
        is_double = dtype_of(self.model) == torch.float64

        def fitted(tensor: Tensor) -> Tensor:
            if tensor is first:
                return x
            item = tensor[-1:] if len(x) == 1 < batch and tensor.dim() and tensor.shape[0] == batch else tensor
            return item.double() if is_double and item.is_floating_point() else item

        found = tensors_in(call.mapped(fitted).run(self.model))
        if self.mode == "train" and len([each for each in found if each.requires_grad]) > 1:
            raise UnsupportedError("a model that gives several tensors is timed in --mode forward only")
        of_numbers = (each for each in found if each.is_floating_point() and each.dim())
        return next(of_numbers, found[0])
