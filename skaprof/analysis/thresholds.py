"""`--fail-on`: which change is a failure, such as `macs>0%`, `median_ms>5%`, `images_per_s<-5%` or `missing`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from skaprof.analysis.claims.units import NUMBER, PLAIN, SUFFIXES, dimension_of, quantity
from skaprof.analysis.row_trust import COUNT_KEYS, MEASURED_KEYS, RATIO
from skaprof.errors import SkaprofError, bad_value
from skaprof.workload import check_choice

METRICS = (*COUNT_KEYS, *MEASURED_KEYS, RATIO)
ONE_SIDED = ("missing", "added")
"""Rows that only the first file has, and only the second."""

_OPERATORS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
FORM = re.compile(rf"\s*(\w+)\s*(>=|<=|>|<)\s*([+-]?)\s*({NUMBER.pattern})\s*([A-Za-z%]*)\s*", re.ASCII)
"""A metric, a comparison, a sign and a number with its unit."""
_EXPECTED = f"{' or '.join(ONE_SIDED)}, or a change such as 'macs>0%', 'median_ms>5%' or 'params>=1k'"


class Threshold(NamedTuple):
    """A change that is a failure: of `metric` by more, or less, than `limit`, a part of the old figure if `relative`.

    For `missing` and `added`, which are about whole rows, `metric` is that word and the rest says nothing.
    """

    text: str
    metric: str
    sign: str = ">"
    limit: Fraction = Fraction(0)
    relative: bool = False

    def is_broken_by(self, old: Fraction, new: Fraction) -> bool:
        """Whether the change from `old` to `new` is a failure."""
        limit = self.limit * abs(old) if self.relative else self.limit
        return _OPERATORS[self.sign](new - old, limit)


def parse_threshold(option: str, text: str) -> Threshold:
    """The threshold that `text` names.

    Raises:
        SkaprofError: it names none: an unknown metric, operator or unit.
    """
    if text.strip() in ONE_SIDED:
        return Threshold(text.strip(), text.strip())
    found = FORM.fullmatch(text)
    if found is None:
        raise bad_value(option, text, _EXPECTED, ONE_SIDED)
    word, sign, minus, digits, suffix = found.groups()
    metric = check_choice(option, word, METRICS)
    require_unit(option, metric, digits, suffix)
    value = quantity(digits, suffix).value
    return Threshold(text.strip(), metric, sign, -value if minus == "-" else value, suffix == "%")


def require_unit(option: str, metric: str, digits: str, suffix: str, *, percent: bool = True) -> None:
    """Raise unless a number of this metric may end so; in a percent sign where one is allowed.

    Raises:
        SkaprofError: it may not, with the units that it may end in.
    """
    units = [unit for unit in SUFFIXES if unit != "%" and SUFFIXES[unit][1] in (dimension_of(metric), PLAIN)]
    units += ["%"] if percent else []
    if suffix in units:
        return
    prefixes = {unit.lower(): unit for unit in units if len(unit) == 1}
    near = prefixes.get(suffix[:1].lower()) if suffix not in SUFFIXES else None
    suggestion = f"; did you mean '{digits}{near}'?" if near else ""
    known = ", ".join(filter(None, units))
    raise SkaprofError(f"{option}: {suffix!r} is no unit of {metric}: expected {known} or none{suggestion}")
