"""What a table shows, in sentences computed from its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from skaprof.model.breakeven import BreakEven
from skaprof.report.numbers import si, significant

Row = Mapping[str, Any]

CONVENTION = (
    "1 MAC = one multiply-add of a linear, matrix product or convolution; FLOPs = 2 x MACs; elementwise FLOPs "
    "(scale, softmax, bias, activation) are counted apart; traffic = activations read and written."
)
_NOUNS = {"params": "parameters", "macs": "MACs", "traffic_bytes": "activation traffic"}
_GROUP_KEYS = ("mode", "dtype", "batch", "height", "width", "dim")


def size_groups(rows: Sequence[Row]) -> list[int]:
    """For each row the number of its size: rows of one number differ in mixer and implementation, and may compete."""
    numbers: dict[tuple[Any, ...], int] = {}
    return [numbers.setdefault(tuple(row[key] for key in _GROUP_KEYS), len(numbers)) for row in rows]


def cheapest_sentences(rows: Sequence[Row], groups: Sequence[int]) -> list[str]:
    """Which mixer is cheapest in what: at the one size shown, or at how many of the sizes."""
    if len({_name(row, rows) for row in rows}) < 2:
        return []
    members: dict[int, list[Row]] = {}
    for row, group in zip(rows, groups, strict=True):
        members.setdefault(group, []).append(row)
    if len(members) == 1:
        return [_cheapest_here(rows)]
    return [_cheapest_over(metric, rows, list(members.values())) for metric in _NOUNS]


def _cheapest_here(rows: Sequence[Row]) -> str:
    names = list(dict.fromkeys(_name(row, rows) for row in rows))
    won: dict[str, list[str]] = {}
    for metric, noun in _NOUNS.items():
        lowest = min(row[metric] for row in rows)
        winners = [name for name in names if any(_name(row, rows) == name and row[metric] == lowest for row in rows)]
        if len(winners) == len(names):
            continue
        bytes_too = metric.endswith("bytes")
        figure = f"{'least' if bytes_too else 'fewest'} {noun} ({si(lowest, 'B' if bytes_too else '')})"
        won.setdefault(" and ".join(winners), []).append(figure)
    if not won:
        return "All need the same."
    return "; ".join(f"{winners}: {' and '.join(figures)}" for winners, figures in won.items()) + "."


def _cheapest_over(metric: str, rows: Sequence[Row], sizes: Sequence[Sequence[Row]]) -> str:
    wins: Counter[str] = Counter()  # in the order the rows name them, where counts are equal
    for size in sizes:
        lowest = min(row[metric] for row in size)
        wins.update(list(dict.fromkeys(_name(row, rows) for row in size if row[metric] == lowest)))
    noun = "cases" if len({(row["mode"], row["dtype"]) for row in rows}) > 1 else "sizes"
    counts = "; ".join(f"{name} at {count:,} of {len(sizes):,} {noun}" for name, count in wins.most_common())
    return f"{'Least' if metric.endswith('bytes') else 'Fewest'} {_NOUNS[metric]}: {counts}."


def _name(row: Row, rows: Sequence[Row]) -> str:
    """The mixer, with its implementation where rows differ in it."""
    several = len({other["implementation"] for other in rows}) > 1
    return f"{row['mixer']} ({row['implementation']})" if several else str(row["mixer"])


def breakeven_sentence(
    mixer: str, baseline: str, breakevens: Mapping[str, BreakEven | None], dim: int, mode: str
) -> str:
    """Where a mixer needs less than the baseline over the tokens, for params and MACs, at one dim."""
    parts = []
    for metric, found in breakevens.items():
        noun = _NOUNS[metric]
        if found is None:
            continue
        if found.wins == "equal":
            parts.append(f"as many {noun}")
        elif found.wins == "up_to":
            parts.append(f"fewer {noun} up to {found.tokens:,} tokens")
        elif found.wins == "from":
            parts.append(f"fewer {noun} from {found.tokens:,} tokens")
        else:
            parts.append(f"fewer {noun} at {'every' if found.wins == 'always' else 'no'} size")
    training = " in training" if mode == "train" else ""
    return f"Break-even at dim {dim:,}{training}: {mixer} has {' and '.join(parts)} (against {baseline})."


def op_sentences(rows: Sequence[Row]) -> list[str]:
    """For each mixer, where its MACs are."""
    totals: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        totals.setdefault(tuple(row[key] for key in ("mixer", "implementation", *_GROUP_KEYS)), []).append(row)
    sentences = []
    for (mixer, *_), ops in totals.items():
        macs = sum(row["macs"] for row in ops)
        if macs:
            most = sorted(ops, key=lambda row: -row["macs"])[:3]
            shares = ", ".join(f"{row['op']} {significant(100 * row['macs'] / macs, 3)} %" for row in most)
            sentences.append(f"{mixer}: {si(macs)} MACs, most in {shares}.")
    return sentences


def proof_sentences(rows: Sequence[Row]) -> list[str]:
    """How many rows are proved, by what, and what a counter does not see."""
    verified = sum(bool(row["verified"]) for row in rows)
    sentences = [
        f"Verified {verified:,} of {len(rows):,} rows: parameters of the built module, MACs of every op by fvcore and "
        "FlopCounterMode on meta tensors, and the ops that each of them leaves out."
    ]
    if any(row["implementation"] == "sdpa" and row["mode"] == "forward" for row in rows):
        sentences.append(
            "fvcore counts scaled_dot_product_attention as nothing: in sdpa rows its MACs lack the attention, and only "
            "that, as predicted."
        )
    if any(row["mode"] == "train" for row in rows):
        sentences.append("fvcore counts forward calls only: in train rows its forward count is checked, and not shown.")
    return sentences
