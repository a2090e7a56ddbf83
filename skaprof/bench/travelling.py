"""What is timed, as plain values that travel to another process, and back.

A user's code travels by its path: what runs at the other end is what the file holds there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from skaprof.bench.configuration import Entry, Timed
from skaprof.bench.modules import NetworkEntry, UserEntry
from skaprof.bench.runtimes import InRuntime
from skaprof.bench.user_models import ModelEntry
from skaprof.foreign_code import UserModule
from skaprof.foreign_model import UserModel
from skaprof.own_rows import PartRow

_KINDS: dict[str, type[Entry] | type[NetworkEntry]] = {"entry": Entry, "network": NetworkEntry}
"""Those that are plain values already, by the word for them."""


def packed(entry: Timed) -> dict[str, Any]:
    """An entry as JSON can hold it, but for tuples."""
    match entry:
        case InRuntime():
            return {"runtime": entry.runtime, "precision": entry.precision, "of": packed(entry.entry)}
        case UserEntry():
            own = {"counted": entry.counted, "implementation": entry.implementation, "mode": entry.mode}
            return {"module": entry.user._asdict(), **own}
        case ModelEntry():
            counted = entry.counted.as_dict()
            return {"model": entry.user._asdict(), "counted": counted, "implementation": entry.implementation}
        case Entry() | NetworkEntry():
            return {word: asdict(entry) for word, kind in _KINDS.items() if type(entry) is kind}
    raise TypeError(f"{type(entry).__name__} does not travel")


def unpacked(told: Mapping[str, Any]) -> Timed:
    """The entry that was packed, after a journey through JSON."""
    if "of" in told:
        return InRuntime(unpacked(told["of"]), told["runtime"], told["precision"])
    if "module" in told:
        user = UserModule(**_with_tuples(told["module"]))
        return UserEntry(user, told["counted"], told["implementation"], told["mode"])
    if "model" in told:
        model = UserModel(**_with_tuples(told["model"]))
        return ModelEntry(model, PartRow.read(told["counted"]), told["implementation"])
    ((word, values),) = told.items()
    return _KINDS[word](**_with_tuples(values))


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _as_tuples(value) for key, value in values.items()}


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value
