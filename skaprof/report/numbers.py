"""Numbers as a person reads them: SI prefixes and significant digits. Data files never pass through here."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from math import floor, log10
from typing import NamedTuple, Self

PREFIXES = ((10**18, "E"), (10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"), (1, ""))
_MOST_DECIMALS = 6
_FINEST = 18
"""Digits of a float end below it."""
_PREFIXED = 1000 * PREFIXES[0][0]
"""From here on, no prefix makes a number short."""


def prefix_for(values: Iterable[float]) -> tuple[int, str]:
    """The (scale, SI prefix) that brings the largest value to 1 or more."""
    largest = max(values, default=0)
    return next((pair for pair in PREFIXES if largest >= pair[0]), PREFIXES[-1])


def significant(value: float, digits: int = 4) -> str:
    """`value` to `digits` significant digits, without an exponent; integers keep all of theirs."""
    if value == 0:
        return "0"
    decimals = min(max(0, digits - 1 - floor(log10(abs(value)))), _MOST_DECIMALS)
    text = f"{value:.{decimals}f}"
    return text if float(text) else f"<{10**-_MOST_DECIMALS:.{_MOST_DECIMALS}f}"


def _scientific(value: float) -> str:
    """`9.082e+25`; an integer may be larger than any float."""
    return f"{Decimal(value):.3e}"


def si(value: float, unit: str = "") -> str:
    """A value with its own SI prefix and unit: `58.20 M`."""
    if value >= _PREFIXED:
        return f"{_scientific(value)} {unit}".rstrip()
    scale, prefix = prefix_for([value])
    number = f"{value:,}" if scale == 1 else significant(value / scale)
    return f"{number} {prefix}{unit}".rstrip()


def signed(value: float, unit: str = "") -> str:
    """A change with its sign and SI prefix: `+58.20 M`; no change is a plain 0."""
    return f"{'-' if value < 0 else '+'}{si(abs(value), unit)}" if value else "0"


def signed_percent(value: float, beyond: Iterable[float] = ()) -> str:
    """`+0.17 %`: to two decimals, or as many as it takes to show that it is not 0, and not what it is `beyond`."""
    others = [other for other in (0, *beyond) if other != value]
    texts = (f"{value:+.{decimals}f} %" for decimals in range(2, _FINEST))
    return next((text for text in texts if not any(_rounds_alike(text, other) for other in others)), f"{value:+} %")


def _rounds_alike(text: str, other: float) -> bool:
    """Whether another percentage is the same text."""
    number = text.removesuffix(" %")
    finest: float = 10.0 ** -len(number.partition(".")[2])
    return abs(float(number) - other) < finest / 2


def told_apart(first: float, second: float, texts: tuple[str, str]) -> tuple[str, str]:
    """The texts of two numbers; of different ones that read alike, as many digits as it takes."""
    if first == second or texts[0] != texts[1]:
        return texts
    whole = len(str(int(max(abs(first), abs(second)))))  # digits before the point: with fewer, it would be an exponent
    longer = ((f"{first:,.{digits}g}", f"{second:,.{digits}g}") for digits in range(max(5, whole), _FINEST))
    return next((pair for pair in longer if pair[0] != pair[1]), (repr(first), repr(second)))


class NumberFormat(NamedTuple):
    """How a column's numbers are written: one SI prefix, one number of decimals where they lie close; or exponents."""

    scale: int
    prefix: str
    decimals: int | None
    scientific: bool = False

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The format for these values: at least 3 significant digits each, the same decimals where 0 to 3 do."""
        scale, prefix = prefix_for(values)
        if max(values, default=0) >= _PREFIXED:
            return cls(1, "", None, scientific=True)
        smallest = min((value for value in values if value), default=scale) / scale
        if smallest < 0.1:
            return cls(scale, prefix, None)
        return cls(scale, prefix, 0 if scale == 1 else min(3, max(0, 3 - floor(log10(smallest)))))

    def text(self, value: float) -> str:
        """`value` without its prefix; an exact zero is a plain 0."""
        if self.scientific and value:
            return _scientific(value)
        if value == 0 or self.decimals is None:
            return significant(value / self.scale)
        return f"{value / self.scale:,.{self.decimals}f}"


def counted(count: int, noun: str) -> str:
    """`1 mixer`, `2 mixers`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def lowest_places(values: Sequence[float | None]) -> list[int]:
    """Where the lowest of these stand: nowhere where all are equal, or where one is not known and could be lower."""
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known or min(known) == max(known):
        return []
    return [place for place, value in enumerate(values) if value == min(known)]
