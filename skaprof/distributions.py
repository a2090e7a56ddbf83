"""Which installed distribution a module is of. Names tell little: two packages may install under one import name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from importlib.metadata import Distribution


class Owner(NamedTuple):
    """The distribution that a module's code came with; its version is None where no list of pip's has the module."""

    distribution: str
    version: str | None

    def is_called(self, name: str) -> bool:
        """Whether this is its name, by the rules of pip: case and the kind of separator do not matter."""
        return _normalized(self.distribution) == _normalized(name)


@cache
def owner_of(module: str) -> Owner | None:
    """The distribution whose file a top-level module is now; None where there is no such module.

    Of several that list it, the one that recorded the file that is there: the last to be installed wrote over the
    others' files, and pip keeps all of them on its list.
    """
    spec = find_spec(module)
    if spec is None:
        return None
    claimants = list(_claimants(module))
    if not claimants:
        return None if spec.origin is None else Owner(module, None)  # a folder of that name is none
    origin = None if spec.origin is None else Path(spec.origin)
    wrote = [found for found in claimants if origin is not None and _recorded(found, origin)]
    owner = (wrote or claimants)[0]
    return Owner(owner.metadata["Name"], owner.version)


def _claimants(module: str) -> Iterator[Distribution]:
    from importlib.metadata import distribution, packages_distributions  # slow, and few commands need it

    for name in dict.fromkeys(packages_distributions().get(module, ())):
        yield distribution(name)


def _recorded(found: Distribution, origin: Path) -> bool:
    """Whether the distribution's list has the file with the bytes that it has now."""
    from base64 import urlsafe_b64encode
    from hashlib import new

    for listed in found.files or ():
        if listed.name == origin.name and listed.hash is not None and Path(str(listed.locate())) == origin:
            digest = urlsafe_b64encode(new(listed.hash.mode, origin.read_bytes()).digest()).decode().rstrip("=")
            return digest == listed.hash.value
    return False


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
