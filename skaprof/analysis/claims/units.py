"""Numbers with unit suffixes, exact: `0.85`, `26M`, `9.5 MiB`, `500us`, `5%`."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

PLAIN, BYTES, TIME = (0, 0), (1, 0), (0, 1)
Dimension = tuple[int, int]
"""Powers of bytes and of milliseconds."""

SUFFIXES: dict[str, tuple[Fraction, Dimension]] = {
    "": (Fraction(1), PLAIN),
    "%": (Fraction(1, 100), PLAIN),
    "k": (Fraction(10**3), PLAIN),
    "M": (Fraction(10**6), PLAIN),
    "G": (Fraction(10**9), PLAIN),
    "T": (Fraction(10**12), PLAIN),
    "P": (Fraction(10**15), PLAIN),
    "E": (Fraction(10**18), PLAIN),
    "B": (Fraction(1), BYTES),
    "kB": (Fraction(10**3), BYTES),
    "MB": (Fraction(10**6), BYTES),
    "GB": (Fraction(10**9), BYTES),
    "TB": (Fraction(10**12), BYTES),
    "PB": (Fraction(10**15), BYTES),
    "EB": (Fraction(10**18), BYTES),
    "KiB": (Fraction(2**10), BYTES),
    "MiB": (Fraction(2**20), BYTES),
    "GiB": (Fraction(2**30), BYTES),
    "TiB": (Fraction(2**40), BYTES),
    "us": (Fraction(1, 1000), TIME),
    "ms": (Fraction(1), TIME),
    "s": (Fraction(1000), TIME),
}
NUMBER = re.compile(r"(?:[0-9][0-9_]*(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
_WORDS = {PLAIN: "a plain number", BYTES: "bytes", TIME: "time"}


class Quantity(NamedTuple):
    """A number as written: its value in bytes, milliseconds or ones, and the value of 1 in its last printed digit."""

    value: Fraction
    dimension: Dimension
    last_digit: Fraction


def quantity(digits: str, suffix: str) -> Quantity:
    """The number that `NUMBER` matched, in the unit of one of `SUFFIXES`."""
    mantissa, _, exponent = digits.replace("_", "").lower().partition("e")
    scale, dimension = SUFFIXES[suffix]
    scale *= Fraction(10) ** int(exponent or 0)
    decimals = len(mantissa.partition(".")[2])
    return Quantity(Fraction(mantissa) * scale, dimension, scale / 10**decimals)


def dimension_of(metric: str) -> Dimension:
    """The dimension of a row's key."""
    return BYTES if metric.endswith("_bytes") else TIME if metric.endswith("_ms") else PLAIN


def named(dimension: Dimension) -> str:
    """A dimension in words."""
    return _WORDS.get(dimension) or f"bytes^{dimension[0]} * time^{dimension[1]}"
