"""Mixers that other packages bring, by their entry points: looked for only where a name is not built in.

A package names a `skaprof.model.mixers.Mixer` under the group `skaprof.mixers`, and, for --verify and latency, a
function (workload, implementation, **options) -> torch.nn.Module under the same name in the group `skaprof.modules`.
They are apart so that the closed forms need no torch.
"""

from functools import wraps
from typing import Any

from skaprof.errors import SkaprofError, shown
from skaprof.foreign_code import attempted
from skaprof.model.mixers import MIXERS, Mixer, OpList
from skaprof.model.ops import Op

MIXER_GROUP = "skaprof.mixers"
MODULE_GROUP = "skaprof.modules"


def installed_mixer(name: str) -> Mixer | None:
    """The mixer that a package brings under this name; None where there is none.

    Raises:
        SkaprofError: it cannot be loaded, with its own error, or is no mixer of that name.
    """
    found = _loaded(MIXER_GROUP, name)
    if found is None:
        return None
    if not isinstance(found, Mixer) or found.name != name:
        got = f"one named {found.name!r}" if isinstance(found, Mixer) else f"an object of type {type(found).__name__}"
        raise SkaprofError(f"mixer {name!r} of an installed package: expected a Mixer of that name, got {got}")
    return found._replace(op_lists={form: _checked(name, ops) for form, ops in found.op_lists.items()})


def _checked(name: str, ops_of: OpList) -> OpList:
    """The op list, whose errors name the mixer."""

    @wraps(ops_of)
    def checked(*sizes: Any, **options: Any) -> list[Op]:
        ops = attempted(f"mixer {name!r}", "its op list fails", lambda: ops_of(*sizes, **options))
        if not isinstance(ops, list) or not all(isinstance(op, Op) for op in ops):
            raise SkaprofError(f"mixer {name!r}: its op list is {shown(ops)}: expected a list of skaprof.model.ops.Op")
        return ops

    return checked


def installed_module(name: str, *sizes: Any, **options: Any) -> Any:
    """What the function that builds that mixer's module makes of these arguments.

    Raises:
        SkaprofError: its package names none, or it cannot be loaded, or it fails.
    """
    builder = _loaded(MODULE_GROUP, name)
    if builder is None:
        raise SkaprofError(f"mixer {name!r}: its package has no module for it: expected {name!r} in {MODULE_GROUP!r}")
    return attempted(f"mixer {name!r}", "its module cannot be built", lambda: builder(*sizes, **options))


def installed_names() -> list[str]:
    """Every mixer that installed packages bring, without those whose name is built in: they are never looked up."""
    return [name for name in _point_names() if name not in MIXERS]


def hidden_names() -> list[str]:
    """The mixers of installed packages that cannot be reached, since their name is built in."""
    return [name for name in _point_names() if name in MIXERS]


def _point_names() -> list[str]:
    from importlib.metadata import entry_points

    return sorted({point.name for point in entry_points(group=MIXER_GROUP)})


def _loaded(group: str, name: str) -> Any:
    from importlib.metadata import entry_points  # takes milliseconds: only where a name is not built in

    for point in entry_points(group=group, name=name):
        return attempted(f"mixer {name!r}", f"{point.value} cannot be loaded", point.load)
    return None
