"""What a search over the mixers of each stage or block found, in sentences."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import chain

from skaprof.analysis.search import NANOSECONDS, PREDICTED, Limit, Search
from skaprof.analysis.search_front import Chosen, Found
from skaprof.report.model import percent
from skaprof.report.numbers import si, significant

_MOST_IN_FULL = 10**9
FIGURE_WORDS = {
    "params": "parameters",
    "macs": "MACs",
    "flops": "FLOPs",
    "elementwise_flops": "elementwise FLOPs",
    "weight_bytes": "bytes of weights",
    "traffic_bytes": "traffic",
    "saved_bytes": "bytes kept for the backward pass",
    "key_params": "parameters of static keys",
    PREDICTED: "predicted time",
}


def search_sentences(
    search: Search, found: Found, objectives: Sequence[str], limits: Sequence[Limit], where: str
) -> list[str]:
    """How many networks were searched, are within the limits and on the front; the best in each objective."""
    told = [f"{_sized(where)}{counted_words(search, found, objectives, limits)}."]
    told += ["Of networks with equal figures, too many to list, one is shown."] if found.one_of_equals else []
    for place, objective in enumerate(objectives):
        best = min(found.front, key=lambda chosen: chosen.figures[place])
        own, figure = search.own_figures[objective], best.figures[place]
        also = sum(chosen.figures[place] == figure for chosen in found.front) - 1
        alike = f" (and {also:,} other{'' if also == 1 else 's'})" if also else ""
        amount = f"{_amount(objective, figure)}{_against(figure, own)}"
        told.append(f"{_best_words(objective)}: {mixer_text(best)}{alike}, {amount}.")
    return told


def counted_words(search: Search, found: Found, objectives: Sequence[str], limits: Sequence[Limit]) -> str:
    """How many networks were searched, are within the limits and on the front."""
    searched = f"{networks_text(search)} searched"
    count = "" if found.within is None else f"{found.within:,} "
    within = f", {count}within {_listed([limit.text for limit in limits])}" if limits else ""
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


def networks_text(search: Search) -> str:
    """How many networks a search is over: in full below a billion, then as a power of ten."""
    size = search.size
    number = f"{size:,}" if size < _MOST_IN_FULL else f"{Decimal(size):.1e}".replace("e+", " x 10^")
    return f"{number} {'network' if size == 1 else 'networks'}"


def mixer_text(chosen: Chosen) -> str:
    """The mixers of each stage, as `skaprof model --mixers` takes them."""
    return ",".join(stage.text for stage in chosen.mixers)


def nothing_within(search: Search, found: Found, where: str) -> str:
    """Why no network is within the limits: the one that comes nearest, and the limit it misses most."""
    assert found.nearest is not None
    nearest, limit = found.nearest
    figure = nearest.figures[found.metrics.index(limit.metric)]
    off = f"{_amount(limit.metric, figure)}, {percent(limit.miss(figure))} off"
    return (
        f"{_sized(where)}none of {networks_text(search)} is within the limits; "
        f"{mixer_text(nearest)} comes nearest, and misses {limit.text} ({off})"
    )


def _sized(where: str) -> str:
    return f"{where}: " if where else ""


def _best_words(objective: str) -> str:
    most = "Least" if objective.endswith(("bytes", "_ms")) else "Fewest"
    return f"{most} {FIGURE_WORDS[objective]}"


def _amount(metric: str, figure: int) -> str:
    if metric == PREDICTED:
        return f"{significant(figure / NANOSECONDS)} ms"
    return si(figure, "B" if metric.endswith("bytes") else "")


def _against(figure: int, own: int) -> str:
    if not own or figure == own:
        return ", as the backbone's own mixers" if figure == own else ""
    return f" ({percent(abs(figure - own) / own)} {'below' if figure < own else 'above'} the backbone's own mixers)"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
