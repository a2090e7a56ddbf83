"""`--limit` and `--objective`: what a network must keep to, such as `params<=28M`, and which figures to minimize."""

from __future__ import annotations

from skaprof.analysis.claims.units import quantity
from skaprof.analysis.search import LIMIT_SIGNS, NANOSECONDS, PREDICTED, SEARCHED, Limit
from skaprof.analysis.thresholds import FORM, require_unit
from skaprof.errors import bad_value
from skaprof.workload import check_choice

_EXPECTED = "a figure and its limit, such as 'params<=28M', 'macs<=4.1G' or 'traffic_bytes<=350MiB'"


def parse_limit(option: str, text: str) -> Limit:
    """The limit that `text` names.

    Raises:
        SkaprofError: it names none: an unknown figure, comparison or unit, or a limit below zero.
    """
    found = FORM.fullmatch(text)
    if found is None or found[3] == "-" or found[2] not in LIMIT_SIGNS:
        raise bad_value(option, text, _EXPECTED)
    word, sign, _, digits, suffix = found.groups()
    metric = check_choice(option, word, SEARCHED)
    require_unit(option, metric, digits, suffix, percent=False)
    value = quantity(digits, suffix).value
    return Limit(text.strip(), metric, sign, value * NANOSECONDS if metric == PREDICTED else value)
