"""Which code trains: its source as a hash, so that no run is begun by one and ended by another."""

from __future__ import annotations

import hashlib
from pathlib import Path

import skaprof

_TRAINS = ("model", "nn", "train")
"""The packages that make a network, its initial weights, the batches and the steps."""
_DIGITS = 12


def code_hash(root: Path | None = None) -> str:
    """The start of the SHA-256 of the source that trains, of this program or of the package at `root`."""
    at = Path(skaprof.__file__).parent if root is None else root
    digest = hashlib.sha256()
    for path in sorted(path for package in _TRAINS for path in (at / package).rglob("*.py")):
        digest.update(path.relative_to(at).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:_DIGITS]
