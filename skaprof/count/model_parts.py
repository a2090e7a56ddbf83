"""A whole model of the user's own, counted exactly, submodule by submodule, with the memory of each."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from skaprof.count.exact import ExactCount, ScopeCount, count_exact, told
from skaprof.count.learned import Learned, learned
from skaprof.count.module_memory import ModuleMemory, memory_of
from skaprof.count.witnesses import heard
from skaprof.foreign_code import attempted, contained, reason_of
from skaprof.foreign_model import UserModel
from skaprof.model.cost import flops_per_param
from skaprof.nn.direct_calls import forward_is_a_call
from skaprof.nn.model_call import ModelCall, one_input
from skaprof.nn.user import first_that_runs
from skaprof.nn.user_model import Change, built_model, dtype_of, require_tensors
from skaprof.own_rows import PartRow, ProvedPart
from skaprof.results import FLOPS_PER_PARAM
from skaprof.workload import DTYPE_BYTES

_NOTHING = (
    *("mixer", "height", "width", "tokens", "dim", "heads", "head_dim", "kernel_size", "params_delta", "macs_delta"),
    *("traffic_bytes_delta", "mixer_params", "mixer_macs", "mixer_traffic_bytes", "mixer_macs_share"),
    *("mixer_traffic_bytes_share", "key_params"),
)
"""Keys of a backbone's rows that say nothing of a model of the user's own."""
_SHARED = ("params", "macs", "traffic_bytes", "saved_bytes", "peak_bytes")
_WHOLE = ""


class CountedModel(NamedTuple):
    """A model, its call, and what was found of it."""

    user: UserModel
    model: nn.Module
    call: ModelCall
    mode: str
    work: ExactCount
    memory: ModuleMemory | None
    untold: str | None = None
    """Why its memory is not known."""

    def rows(self, depth: int) -> list[PartRow]:
        """A row for each submodule of at most so many names in its path, in the model's order, then the whole's."""
        scopes = self.work.by_scope()
        bytes_of = {key: _inclusive(sizes) for key, sizes in self.memory._asdict().items()} if self.memory else None
        places = Counter(id(parameter) for _, parameter in _placed(self.model))
        names = [name for name in _called_parts(self.model) if name.count(".") < depth]
        whole = self._figures(_WHOLE, scopes, bytes_of, places)
        head = self._head()
        found = []
        for name in (*names, _WHOLE):
            figures = self._figures(name, scopes, bytes_of, places)
            shares: dict[str, Any] = {f"{key}_share": _share(figures[key], whole[key]) for key in _SHARED}
            found.append(PartRow(**head, **figures, **shares, scope=name, **self._named(name)))
        return found

    def _part(self, name: str) -> nn.Module:
        return dict(self.model.named_modules())[name]  # a scripted module has no get_submodule

    def _head(self) -> dict[str, Any]:
        """The keys that all rows have alike."""
        first = next(iter(self.call.tensors), None)
        image = first.shape[2:] if first is not None and first.dim() == 4 else (None, None)
        return dict.fromkeys(_NOTHING) | {
            "model": self.user.path,
            "image_height": image[0],
            "image_width": image[1],
            "implementation": "eager",
            "mode": self.mode,
            "batch": self.call.batch,
            "dtype": _dtype_name(self.model),
            **self.user.identity("NAME"),
        }

    def _named(self, name: str) -> dict[str, Any]:
        shapes = self.work.shapes.get(name)
        if name == _WHOLE:
            error = self.work.error
            whys = (error, self.work.unlearned(), None if error else self.untold)
        else:
            unknown = told(each for each in self.work.unknown if _is_in(each.scope, name))
            whys = (unknown, self.work.unlearned(name), None)
        return {
            "class_name": type(self._part(name)).__name__,
            "output_shape": None if shapes is None else ",".join("x".join(map(str, shape)) for shape in shapes),
            "error": "; ".join(why for why in whys if why) or None,
        }

    def _figures(
        self,
        name: str,
        scopes: Mapping[str, ScopeCount],
        bytes_of: Mapping[str, Mapping[str, int]] | None,
        places: Mapping[int, int],
    ) -> dict[str, Any]:
        part = self._part(name)
        here = Counter(id(parameter) for _, parameter in _placed(part))
        has = learned(part) if self.work.unlearned(name) is None else Learned(None, None)
        found = scopes.get(name)
        macs = 0 if found is None else found.macs
        return {
            "params": has.params,
            "macs": macs,
            "flops": None if macs is None else 2 * macs,
            "elementwise_flops": 0 if found is None else found.elementwise_flops,
            "weight_bytes": has.bytes,
            "traffic_bytes": None if bytes_of is None else bytes_of["traffic"].get(name, 0),
            "saved_bytes": None if bytes_of is None else bytes_of["saved"].get(name, 0),
            "peak_bytes": None if bytes_of is None or self.mode == "train" else bytes_of["peak"].get(name, 0),
            FLOPS_PER_PARAM: None if macs is None or has.params is None else flops_per_param(2 * macs, has.params),
            "shared_params": sum(each.numel() for each in part.parameters() if places[id(each)] > here[id(each)]),
        }


def count_model(
    user: UserModel, mode: str = "forward", option: str = "NAME", change: Change | None = None
) -> CountedModel:
    """What a call of the model does, on meta tensors if it runs there, once `change` is done to it.

    Raises:
        SkaprofError: the model cannot be imported, built or run, with the user's own error, or gives no tensor.
    """
    return first_that_runs(lambda device: _counted(user, mode, device, option, change))


def _counted(user: UserModel, mode: str, device: str, option: str, change: Change | None) -> CountedModel:
    model, call = built_model(user, device, option)
    if change is not None:
        change(model, call)
    if mode == "train":
        model.train()
        call = call.mapped(lambda x: x.detach().requires_grad_() if x.is_floating_point() else x)

    def run() -> Any:
        output = call.run(model)
        require_tensors(option, user.path, output)
        return output

    trouble = f"{user.path} cannot run on an input of shape {call.text}"
    with warnings.catch_warnings(), forward_is_a_call(model.modules()):
        warnings.filterwarnings("ignore", ".*global hooks on modules", UserWarning)  # they are ours
        found = attempted(option, trouble, lambda: count_exact(model, run, mode=mode, inputs=call.tensors))
        try:
            with contained():
                memory = memory_of(model, run, call.tensors, mode)
        except Exception as error:  # whatever the model does in another call, or tensors that have no plain memory
            return CountedModel(user, model, call, mode, found, None, f"memory is not known: {reason_of(error)}")
    return CountedModel(user, model, call, mode, found, memory)


def proved_rows(found: CountedModel, rows: list[PartRow]) -> list[PartRow]:
    """The rows, the whole model's with what fvcore and FlopCounterMode say of it.

    It is verified where one that knows every op agrees and none that does disagrees; what they do not know is the note.
    """
    *parts, whole = rows
    witnesses = heard(found.work, one_input(found.model, found.call), found.call.tensors[0].detach(), (), found.mode)
    said = [tally.total for tally in witnesses]
    known = [macs for macs in said if macs is not None]
    verified = None if whole.macs is None or not known else all(macs == whole.macs for macs in known)
    proof: dict[str, Any] = {
        "params_counted": whole.params,
        "macs_fvcore": said[0],
        "macs_torch": said[1],
        "verified": verified,
    }
    return [
        *parts,
        ProvedPart(
            **whole.as_dict(), **proof, note="; ".join(tally.trouble for tally in witnesses if tally.trouble) or None
        ),
    ]


def _called_parts(model: nn.Module) -> list[str]:
    """The names of the submodules in the model's order, but for what is in a scripted one: nobody hears that called."""
    found: list[str] = []
    closed = [""] if isinstance(model, torch.jit.ScriptModule) else []
    for name, part in model.named_modules():
        if not name or any(not held or name.startswith(f"{held}.") for held in closed):
            continue
        found.append(name)
        if isinstance(part, torch.jit.ScriptModule):
            closed.append(name)
    return found


def _placed(model: nn.Module) -> Iterable[tuple[str, nn.Parameter]]:
    return model.named_parameters(remove_duplicate=False)


def _inclusive(by_scope: Mapping[str, int]) -> dict[str, int]:
    """The bytes of each scope and of all that are in it."""
    found: Counter[str] = Counter()
    for scope, size in by_scope.items():
        parts = scope.split(".") if scope else []
        for end in range(len(parts) + 1):
            found[".".join(parts[:end])] += size
    return found


def _is_in(scope: str, name: str) -> bool:
    return scope == name or scope.startswith(f"{name}.")


def _share(part: int | None, whole: int | None) -> float | None:
    return None if part is None or whole is None else part / whole if whole else 0.0


def _dtype_name(model: nn.Module) -> str:
    name = str(dtype_of(model)).removeprefix("torch.")
    return name if name in DTYPE_BYTES else "float32"
