"""What a search over the mixers of each stage found, in sentences."""

from collections.abc import Sequence

from skaprof.model.search import Found, Search
from skaprof.report.model import percent
from skaprof.report.numbers import si
from skaprof.report.words import CONVENTION

FIGURE_WORDS = {
    "params": "parameters",
    "macs": "MACs",
    "flops": "FLOPs",
    "elementwise_flops": "elementwise FLOPs",
    "weight_bytes": "bytes of weights",
    "traffic_bytes": "traffic",
    "saved_bytes": "bytes kept for the backward pass",
    "key_params": "parameters of static keys",
}


def search_sentences(search: Search, found: Found, objectives: Sequence[str], where: str) -> list[str]:
    """How many networks were searched, are within the limits and on the front; the best in each objective."""
    nouns = [FIGURE_WORDS[objective] for objective in objectives]
    front = f"{len(found.front):,} {'is' if len(found.front) == 1 else 'are'} on the front of {_listed(nouns)}"
    within = f", {len(found.within):,} within the limits" if len(found.within) < search.size else ""
    told = [f"{_sized(where)}{search.size:,} networks searched{within}; {front}."]
    for place, objective in enumerate(objectives):
        best = min(found.front, key=lambda number: found.points[number][place])
        row = search.row(best)
        own, figure = getattr(search.own, objective), getattr(row, objective)
        told.append(f"{_best_words(objective)}: {row.mixer}, {_amount(objective, figure)}{_against(figure, own)}.")
    return told


def closing_sentences(searches: Sequence[Search]) -> list[str]:
    """What was left out, and what the figures mean."""
    left_out = dict.fromkeys(reason for search in searches for reason in search.left_out)
    keys = any(part.added["key_params"] > 0 for search in searches for parts in search.stages for part in parts)
    static = ["A static key belongs to one number of tokens: such a network serves its own image size only."]
    return [*(f"Left out: {reason}." for reason in left_out), *(static if keys else []), CONVENTION]


def nothing_within(search: Search, found: Found, where: str) -> str:
    """Why no network is within the limits: the one that comes nearest, and the limit it misses most."""
    assert found.nearest is not None
    number, limit = found.nearest
    row = search.row(number)
    figure = getattr(row, limit.metric)
    off = f"{_amount(limit.metric, figure)}, {percent(limit.miss(figure))} off"
    return (
        f"{_sized(where)}none of {search.size:,} networks is within the limits; "
        f"{row.mixer} comes nearest, and misses {limit.text} ({off})"
    )


def _sized(where: str) -> str:
    return f"{where}: " if where else ""


def _best_words(objective: str) -> str:
    return f"{'Least' if objective.endswith('bytes') else 'Fewest'} {FIGURE_WORDS[objective]}"


def _amount(metric: str, figure: int) -> str:
    return si(figure, "B" if metric.endswith("bytes") else "")


def _against(figure: int, own: int) -> str:
    if not own or figure == own:
        return ", as the backbone's own mixers" if figure == own else ""
    return f" ({percent(abs(figure - own) / own)} {'below' if figure < own else 'above'} the backbone's own mixers)"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
