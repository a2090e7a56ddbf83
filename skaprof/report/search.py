"""What a search over the mixers of each stage found, in sentences."""

from collections.abc import Iterable, Sequence
from itertools import chain

from skaprof.analysis.search import Found, Limit, Search
from skaprof.report.model import percent
from skaprof.report.numbers import si

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


def search_sentences(
    search: Search, found: Found, objectives: Sequence[str], limits: Sequence[Limit], where: str
) -> list[str]:
    """How many networks were searched, are within the limits and on the front; the best in each objective."""
    told = [f"{_sized(where)}{counted_words(search, found, objectives, limits)}."]
    for place, objective in enumerate(objectives):
        best = min(found.front, key=lambda number: found.points[number][place])
        row = search.row(best)
        own, figure = getattr(search.own, objective), getattr(row, objective)
        also = sum(found.points[number][place] == found.points[best][place] for number in found.front) - 1
        alike = f" (and {also:,} other{'' if also == 1 else 's'})" if also else ""
        amount = f"{_amount(objective, figure)}{_against(figure, own)}"
        told.append(f"{_best_words(objective)}: {row.mixer}{alike}, {amount}.")
    return told


def counted_words(search: Search, found: Found, objectives: Sequence[str], limits: Sequence[Limit]) -> str:
    """How many networks were searched, are within the limits and on the front."""
    searched = f"{search.size:,} {'network' if search.size == 1 else 'networks'} searched"
    within = f", {len(found.within):,} within {_listed([limit.text for limit in limits])}" if limits else ""
    if not found.front:
        return searched + within
    nouns = [FIGURE_WORDS[objective] for objective in objectives]
    front = f"{len(found.front):,} {'is' if len(found.front) == 1 else 'are'} on the front of {_listed(nouns)}"
    return f"{searched}{within}; {front}"


def closing_sentences(searches: Sequence[Search]) -> list[str]:
    """Which candidates are one mixer, and what static keys bind a network to."""
    keys = any(part.added["key_params"] > 0 for search in searches for parts in search.stages for part in parts)
    static = ["A static key belongs to one number of tokens: such a network serves its own image size only."]
    return [*_doubled_words(searches), *(static if keys else [])]


def left_out_words(searches: Sequence[Search]) -> list[str]:
    """Which candidates do not fit which stages, and why not the first of them."""
    dropped = dict.fromkeys(chain.from_iterable(search.left_out for search in searches))
    reasons = {text: message.partition(f"{text}: ")[2] or message for _, text, message in reversed(dropped)}
    return [
        f"{text} is left out of {stages}: {reasons[text]}"
        for text, stages in _stages_of((number, text) for number, text, _ in dropped).items()
    ]


def _doubled_words(searches: Sequence[Search]) -> list[str]:
    """Which candidates are the same mixer as one before them, and in which stages."""
    dropped = dict.fromkeys(chain.from_iterable(search.doubled for search in searches))
    same = ((number, f"{text} is {first}") for number, text, first in dropped)
    return [f"{words} in {stages}, and counted once." for words, stages in _stages_of(same).items()]


def _stages_of(found: Iterable[tuple[int, str]]) -> dict[str, str]:
    """The stages that each text was found in: `stages 1, 2 and 4`."""
    numbers: dict[str, list[str]] = {}
    for number, text in found:
        numbers.setdefault(text, []).append(str(number))
    return {text: f"{'stage' if len(of) == 1 else 'stages'} {_listed(of)}" for text, of in numbers.items()}


def nothing_within(search: Search, found: Found, where: str) -> str:
    """Why no network is within the limits: the one that comes nearest, and the limit it misses most."""
    assert found.nearest is not None
    number, limit = found.nearest
    row = search.row(number)
    figure = getattr(row, limit.metric)
    off = f"{_amount(limit.metric, figure)}, {percent(limit.miss(figure))} off"
    return (
        f"{_sized(where)}none of {search.size:,} {'network' if search.size == 1 else 'networks'} is within the limits; "
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
