"""What a table shows, in sentences computed from its rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from skaprof.analysis.breakeven import BreakEven
from skaprof.report.numbers import si, significant
from skaprof.results import SIZE_KEYS, OpRow, ProvedScope, ResultRow, values_of
from skaprof.workload import FUSED, SYMBOLS, TRITON

LEGEND = {
    "macs": "1 MAC = one multiply-add of a linear, matrix product or convolution",
    "flops": "FLOPs = 2 x MACs",
    "elementwise_flops": "elementwise FLOPs (scale, softmax, bias, activation) are counted apart",
    "traffic_bytes": "traffic = activations read and written",
    "peak_bytes": "peak = most activations held at once in inference",
    "saved_bytes": "saved = activations kept for the backward pass",
}
"""What figures mean, by key."""
SYMBOLS_SENTENCE = (
    ", ".join(f"{symbol} {meaning}" for symbol, meaning in SYMBOLS.items()) + "; h e = d unless both are given."
)
_NOUNS = {"params": "parameters", "macs": "MACs", "traffic_bytes": "activation traffic"}


def convention(shown: Collection[str]) -> str:
    """What the figures of these keys mean, for those that a table shows."""
    return "; ".join(words for key, words in LEGEND.items() if key in shown) + "."


def size_groups(rows: Sequence[ResultRow]) -> list[int]:
    """For each row the number of its size: rows of one number differ in mixer and implementation, and may compete."""
    numbers: dict[tuple[Any, ...], int] = {}
    return [numbers.setdefault(row.place, len(numbers)) for row in rows]


def cheapest_sentences(rows: Sequence[ResultRow], groups: Sequence[int]) -> list[str]:
    """Which mixer is cheapest in what, at the one size shown or at how many; nobody where one is not known."""
    if len({_name(row, rows) for row in rows}) < 2:
        return []
    members: dict[int, list[ResultRow]] = {}
    for row, group in zip(rows, groups, strict=True):
        members.setdefault(group, []).append(row)
    if len(members) == 1:
        return _cheapest_here(rows)
    return [_cheapest_over(metric, rows, list(members.values())) for metric in _NOUNS]


def _cheapest_here(rows: Sequence[ResultRow]) -> list[str]:
    names = list(dict.fromkeys(_name(row, rows) for row in rows))
    won: dict[str, list[str]] = {}
    unknown: dict[str, list[str]] = {}
    for metric, noun in _NOUNS.items():
        if without := _names_without(rows, rows, metric):
            unknown.setdefault(without, []).append(noun)
            continue
        lowest = min(getattr(row, metric) for row in rows)
        winners = [
            name for name in names if any(_name(row, rows) == name and getattr(row, metric) == lowest for row in rows)
        ]
        if len(winners) == len(names):
            continue
        bytes_too = metric.endswith("bytes")
        figure = f"{'least' if bytes_too else 'fewest'} {noun} ({si(lowest, 'B' if bytes_too else '')})"
        won.setdefault(" and ".join(winners), []).append(figure)
    told = "; ".join(f"{winners}: {' and '.join(figures)}" for winners, figures in won.items())
    said = [f"{told}." if told else "All need the same."] if told or not unknown else []
    return said + [f"No winner in {' and '.join(nouns)}: not known of {without}." for without, nouns in unknown.items()]


def _names_without(rows: Sequence[ResultRow], among: Sequence[ResultRow], metric: str) -> str:
    """The rows, named as `among` others, that have no such figure: any of them could have the lowest."""
    return ", ".join(dict.fromkeys(_name(row, among) for row in rows if getattr(row, metric) is None))


def _cheapest_over(metric: str, rows: Sequence[ResultRow], sizes: Sequence[Sequence[ResultRow]]) -> str:
    wins: Counter[str] = Counter()  # in the order the rows name them, where counts are equal
    known = [size for size in sizes if all(getattr(row, metric) is not None for row in size)]
    for size in known:
        lowest = min(getattr(row, metric) for row in size)
        wins.update(list(dict.fromkeys(_name(row, rows) for row in size if getattr(row, metric) == lowest)))
    noun = "cases" if len({(row.mode, row.dtype) for row in rows}) > 1 else "sizes"
    counts = [f"{name} at {count:,} of {len(sizes):,} {noun}" for name, count in wins.most_common()]
    if without := _names_without(rows, rows, metric):
        where = f"at {len(sizes) - len(known):,} of {len(sizes):,}"
        counts.append(f"no winner {where} {noun}, where it is not known of {without}")
    return f"{'Least' if metric.endswith('bytes') else 'Fewest'} {_NOUNS[metric]}: {'; '.join(counts)}."


def ratio_sentences(rows: Sequence[ResultRow]) -> list[str]:
    """For each mixer but the baseline, at how many sizes it needs fewer or more MACs and parameters, and how much.

    `rows` have one form, mode and dtype, and the ratios of `skaprof.analysis.costs.ratios`.
    """
    sentences = []
    for mixer in dict.fromkeys(row.mixer for row in rows if row.mixer != row.baseline):
        own = [row for row in rows if row.mixer == mixer]
        parts = [
            _ratio_words(_NOUNS[metric], ratios)
            for metric in ("macs", "params")
            if (
                ratios := [
                    getattr(row, f"{metric}_ratio") for row in own if getattr(row, f"{metric}_ratio") is not None
                ]
            )
        ]
        if parts:
            sentences.append(f"Against {own[0].baseline}, {mixer} needs {' and '.join(parts)}.")
    return sentences


def _ratio_words(noun: str, ratios: Sequence[float]) -> str:
    """`more MACs at 5 of 6 sizes (0.94x to 4.83x)`."""
    low, high = f"{min(ratios):.2f}x", f"{max(ratios):.2f}x"
    spread = f"({low})" if low == high else f"({low} to {high})"
    counts = {
        "fewer": sum(ratio < 1 for ratio in ratios),
        "more": sum(ratio > 1 for ratio in ratios),
        "as many": sum(ratio == 1 for ratio in ratios),
    }
    word, count = max(counts.items(), key=lambda item: item[1])
    if count == len(ratios):
        where = "" if count == 1 else f" at all {count:,} sizes"
    else:
        where = f" at {count:,} of {len(ratios):,} sizes"
    return f"{word} {noun}{where} {spread}"


def _name(row: ResultRow, rows: Sequence[ResultRow]) -> str:
    """The mixer, with what tells its rows apart at one size: implementation, heads, kernel."""
    details = [str(row.implementation)] if len({other.implementation for other in rows}) > 1 else []
    own = [other for other in rows if other.mixer == row.mixer and other.dim == row.dim]
    if len({(other.heads, other.head_dim) for other in own}) > 1:
        details.append(f"{row.heads} x {row.head_dim} heads")
    if len({other.kernel_size for other in own}) > 1:
        details.append(f"kernel {row.kernel_size}")
    return f"{row.mixer} ({', '.join(details)})" if details else str(row.mixer)


def breakeven_sentence(
    mixer: str, baseline: str, breakevens: Mapping[str, BreakEven | None], dim: int, form: str
) -> str:
    """Where a mixer needs less than the baseline over the tokens, for params and MACs, at one dim.

    `form` names mode and implementation where a table holds several.
    """
    parts = []
    for metric, found in breakevens.items():
        noun = _NOUNS[metric]
        if found is None:
            parts.append(f"no single break-even in {noun}")
        elif found.wins == "equal":
            parts.append(f"as many {noun}")
        elif found.wins == "up_to":
            parts.append(f"fewer {noun} up to {found.tokens:,} tokens")
        elif found.wins == "from":
            parts.append(f"fewer {noun} from {found.tokens:,} tokens")
        else:
            parts.append(f"fewer {noun} at {'every' if found.wins == 'always' else 'no'} size")
    where = f"dim {dim:,} ({form})" if form else f"dim {dim:,}"
    return f"Break-even at {where}: {mixer} has {' and '.join(parts)} (against {baseline})."


def op_sentences(rows: Sequence[OpRow]) -> list[str]:
    """For each mixer and size, where its MACs are."""
    members: dict[tuple[Any, ...], list[OpRow]] = {}
    for row in rows:
        members.setdefault(values_of(row, SIZE_KEYS), []).append(row)
    varying = [key for key in _TOLD_APART if len({getattr(row, key) for row in rows}) > 1]
    sentences = []
    for ops in members.values():
        macs = sum(row.macs for row in ops)
        values = zip(varying, values_of(ops[0], varying), strict=True)
        where = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in values if value is not None)
        name = f"{ops[0].mixer} ({where})" if where else ops[0].mixer
        if macs:
            most = sorted(ops, key=lambda row: -row.macs)[:3]
            shares = ", ".join(f"{row.op} {significant(100 * row.macs / macs, 3)} %" for row in most)
            sentences.append(f"{name}: {si(macs)} MACs, most in {shares}.")
    return sentences


_TOLD_APART = [key for key in SIZE_KEYS if key not in ("mixer", "tokens")]


_MEMORY_PROOFS: dict[str, Callable[[ResultRow | ProvedScope], bool]] = {
    "Peak: the most bytes that PyTorch's storages hold at once in a call of each {} form.": lambda row: (
        row.mode == "forward" and row.implementation in ("eager", TRITON) and isinstance(row, ResultRow)
    ),
    "Saved: the bytes that autograd saves in each {} form.": lambda row: (
        row.mode == "train" and row.implementation != FUSED
    ),
}


_COUNTERS = {"macs_fvcore": "fvcore", "macs_torch": "FlopCounterMode"}


def counted_sentences(rows: Sequence[ResultRow]) -> list[str]:
    """What is known of modules that were counted, not derived, and what the counters did not know in them."""
    modules: dict[str, list[ResultRow]] = {}
    for row in rows:
        if row.traffic_bytes is None:
            modules.setdefault(row.name, []).append(row)
    by_source: dict[str, list[str]] = {}
    for name, own in modules.items():
        by_source.setdefault(_counted_by(own), []).append(name)
    unknown = "elementwise FLOPs and traffic are not known"
    found = [f"{', '.join(names)}: {source}; {unknown}." for source, names in by_source.items()]
    nothing = [name for name, own in modules.items() if all(row.macs == 0 for row in own)]
    if nothing:
        found.append(
            f"{', '.join(nothing)}: no multiply-adds in matrix products or convolutions: elementwise work only."
        )
    errors = dict.fromkeys(f"{row.mixer}: {row.error}" for own in modules.values() for row in own if row.error)
    return [*found, *(f"{error}." for error in errors)]


def _counted_by(rows: Sequence[ResultRow]) -> str:
    """Whether a module was counted, and which witnesses agree, at every size."""
    if any(row.macs is None for row in rows):
        return "no exact count"
    known = [name for key, name in _COUNTERS.items() if all(getattr(row, key) is not None for row in rows)]
    witnesses = f"{' and '.join(known)} agree{'s' if len(known) == 1 else ''}" if known else "no other counter knows it"
    return f"counted op by op, not derived, and {witnesses}"


_WITNESSES, _WITNESS = "fvcore and FlopCounterMode", "FlopCounterMode alone (fvcore fails here)"


def proof_sentences(rows: Sequence[ResultRow] | Sequence[ProvedScope]) -> list[str]:
    """How many rows are proved, by what, and what a counter does not see; a user's module has no closed form."""
    verified = sum(bool(row.verified) for row in rows)
    derived: Sequence[ResultRow | ProvedScope] = [row for row in rows if row.traffic_bytes is not None]
    forward = [row for row in derived if row.mode == "forward"]
    by_fvcore = not forward or any(row.macs_fvcore is not None for row in forward)
    apart = f", {sum(bool(row.verified) for row in derived):,} of {len(derived):,} by closed forms"
    sentences = [
        f"Verified {verified:,} of {len(rows):,} rows{apart if len(derived) < len(rows) else ''}: parameters of the "
        f"built module, MACs of every op by {_WITNESSES if by_fvcore else _WITNESS} on meta tensors, and the ops that "
        f"{'each of them' if by_fvcore else 'it'} leaves out."
    ]
    if by_fvcore and any(row.implementation == FUSED and row.mode == "forward" for row in derived):
        sentences.append(
            "fvcore counts scaled_dot_product_attention as nothing: in sdpa rows its MACs lack the attention, and only "
            "that, as predicted."
        )
    if any(row.implementation == TRITON for row in derived):
        sentences.append(
            "Triton's kernel is one op: fvcore counts it as nothing, as predicted, and FlopCounterMode by a formula of "
            "skaprof's own, which is no second account."
        )
    for words, is_shown in _MEMORY_PROOFS.items():
        forms = dict.fromkeys(row.implementation for row in derived if is_shown(row))
        sentences += [words.format(" and ".join(forms))] if forms else []
    sentences += _allocator_sentences([row for row in derived if isinstance(row, ResultRow)])
    if by_fvcore and any(row.mode == "train" for row in derived):
        sentences.append("fvcore counts forward calls only: in train rows its forward count is checked, and not shown.")
    return sentences


def _allocator_sentences(rows: Sequence[ResultRow]) -> list[str]:
    """What the allocator handed out in calls of these rows, and which took more than is computed, and why."""
    run = [row for row in rows if row.peak_allocated_bytes is not None]
    if not run:
        return []
    more: dict[str, list[str]] = {}
    for row in run:
        if row.peak_note is not None:
            more.setdefault(row.peak_note.partition(": ")[2], []).append(_name(row, rows))
    noted = sum(row.peak_note is not None for row in run)
    told = [f"more in {', '.join(dict.fromkeys(names))}: {why}" for why, names in more.items()]
    agreed = f"as computed in {len(run) - noted:,} of {len(run):,} rows"
    return [f"PyTorch's allocator, in a call on this processor: {'; '.join([agreed, *told])}."]
