"""Mixers that other packages bring, by their entry points: looked for only where a name is not built in.

A package names a `skaprof.model.mixers.Mixer` under the group `skaprof.mixers`, and, for --verify and latency, a
function (workload, implementation, **options) -> torch.nn.Module under the same name in the group `skaprof.modules`.
They are apart so that the closed forms need no torch.
"""

from collections.abc import Callable
from typing import Any

from skaprof.errors import SkaprofError
from skaprof.model.mixers import Mixer
from skaprof.model.user import reason_of

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
    return found


def installed_builder(name: str) -> Callable[..., Any]:
    """The function that builds that mixer's module.

    Raises:
        SkaprofError: its package names none, or it cannot be loaded.
    """
    found = _loaded(MODULE_GROUP, name)
    if found is None:
        raise SkaprofError(f"mixer {name!r}: its package has no module for it: expected {name!r} in {MODULE_GROUP!r}")
    builder: Callable[..., Any] = found
    return builder


def installed_names() -> list[str]:
    """Every mixer that installed packages bring."""
    from importlib.metadata import entry_points

    return sorted({point.name for point in entry_points(group=MIXER_GROUP)})


def _loaded(group: str, name: str) -> Any:
    from importlib.metadata import entry_points  # takes milliseconds: only where a name is not built in

    for point in entry_points(group=group, name=name):
        try:
            return point.load()
        except Exception as error:  # whatever the package's code may raise
            raise SkaprofError(f"mixer {name!r}: {point.value} cannot be loaded: {reason_of(error)}") from error
    return None
