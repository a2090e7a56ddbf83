"""A model before and after a swap, as a table and sentences."""

from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial

from skaprof.answers import SwapRow
from skaprof.model.spec import parse_mixer
from skaprof.predictions import PredictedSwap
from skaprof.report.model import Column, percent, scaled, table_of
from skaprof.report.numbers import counted, si
from skaprof.report.plain_table import PlainTable
from skaprof.report.predicted import predicted_sentence, time_text
from skaprof.report.table import grid_text


def swap_table(rows: Sequence[SwapRow]) -> PlainTable:
    """One line a module replaced, and the whole model below: before, after, and the change."""
    columns = [
        Column(("scope",), "scope", False, lambda row: str(row.scope)),
        Column(("replaced",), "was", False, lambda row: str(row.replaced)),
        Column(("mixer",), "mixer", False, lambda row: str(row.mixer)),
        *(_number(word) for word in ("places", "calls") if _is_several(rows, word)),
        _number("tokens"),
        Column(("height", "width", "class_tokens"), "grid", True, grid_text),
        _number("dim"),
        Column(("heads", "head_dim"), "heads", True, lambda row: _heads(row.heads, row.head_dim)),
    ]
    for key, words in (("params", "params"), ("macs", "MACs")):
        columns.append(scaled(rows, f"{key}_before", f"{words}\nbefore", "", like=key))
        columns.append(scaled(rows, key, f"{words}\nafter", ""))
        columns.append(scaled(rows, f"{key}_delta", "change", "", signed=True))
    if isinstance(rows[0], PredictedSwap):
        for key, words in (("predicted_before_ms", "before"), ("predicted_ms", "after")):
            columns.append(Column((key,), f"predicted\n{words} (ms)", True, partial(time_text, key=key)))
    table = table_of(columns)
    for place, row in enumerate(rows):
        table.add_row(*(column.text(row) for column in columns), end_section=place == len(rows) - 2, of=row)
    return table


def _is_several(rows: Sequence[SwapRow], key: str) -> bool:
    return any((getattr(row, key) or 1) > 1 for row in rows)


def _number(key: str) -> Column:
    return Column((key,), key, True, lambda row: "-" if getattr(row, key) is None else f"{getattr(row, key):,}")


def _heads(heads: int | None, head_dim: int | None) -> str:
    return "-" if heads is None else f"{heads} x {head_dim}"


def sentences(rows: Sequence[SwapRow]) -> list[str]:
    """What the swap changes, what it leaves behind, and what the counters did not know."""
    *sites, total = rows
    told = [f"{counted(len(sites), 'submodule')} replaced: {', '.join(_change(total, *words) for words in _NOUNS)}."]
    told += [*_skipped_sentences(sites, total), *_width_sentences(sites)]
    told += [*_dropped_sentences(sites), *_bias_sentences(sites)]
    if any((row.calls or 1) > 1 for row in sites):
        told.append("A module's parameters count once, its MACs once for each call.")
    if any((row.class_tokens or 0) > 1 for row in sites):
        told.append("Tokens beyond the grid are class tokens: they come first, and have no place on it.")
    proved = sum(bool(row.verified) for row in sites)
    agreement = ": the counts and the closed forms agree" if proved else ""
    told.append(f"Verified {proved:,} of {counted(len(sites), 'mixer')}{agreement}.")
    told += [f"Not verified: {row.scope}: {row.error}." for row in sites if row.error]
    if isinstance(total, PredictedSwap):
        told.append(predicted_sentence(total, "after the swap"))
    if total.error:
        told.append(f"Not counted: {total.error}.")
    if total.note:
        told.append(f"Counted, and: {total.note}.")
    return told


def _dropped_sentences(sites: Sequence[SwapRow]) -> Iterator[str]:
    """What mixers have nothing of the kind of: tables of relative positions, rotary embeddings, masks, norms."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[int]] = {}
    for row in sites:
        if row.dropped:
            key = row.replaced, row.mixer, tuple(row.dropped)
            groups.setdefault(key, []).append(row.dropped_params or 0)
    for (replaced, mixer, names), counts in groups.items():
        each = f"{min(counts):,}" + (f" to {max(counts):,}" if max(counts) > min(counts) else "")
        told = f", {each} parameters each and {sum(counts):,} in all" if sum(counts) else ", which hold no parameters"
        yield (
            f"{counted(len(counts), 'mixer')}: {mixer} has nothing of the kind of {replaced}'s "
            f"{', '.join(names)}{told}."
        )


def _skipped_sentences(sites: Sequence[SwapRow], total: SwapRow) -> Iterator[str]:
    """What stays as it is and why, those of one reason together, with the pattern that picks them and no other."""
    groups: dict[str, list[str]] = {}
    for each in total.skipped or []:
        name, _, reason = each.partition(": ")
        groups.setdefault(reason, []).append(name)
    for reason, names in groups.items():
        pattern = common_pattern(names)
        is_theirs = not any(fnmatchcase(row.scope, pattern) for row in sites)
        picked = f"{pattern} picks {'it' if len(names) == 1 else 'them'} alone" if is_theirs else ", ".join(names)
        yield f"Skipped {counted(len(names), 'submodule')} ({picked}): {reason}."


def common_pattern(names: Sequence[str]) -> str:
    """The names as one: what they have alike, and * where they differ."""
    split = [name.split(".") for name in names]
    if len({len(parts) for parts in split}) > 1:
        return names[0]
    return ".".join(parts[0] if len(set(parts)) == 1 else "*" for parts in zip(*split, strict=True))


def _width_sentences(sites: Sequence[SwapRow]) -> Iterator[str]:
    """Where the mixer's heads are not those of the module it replaces."""
    found = Counter(
        tuple(getattr(row, key) for key in ("heads_before", "head_dim_before", "heads", "head_dim"))
        for row in sites
        if row.heads is not None and row.heads_before is not None
    )
    for (heads_before, head_dim_before, heads, head_dim), count in found.items():
        if (heads_before, head_dim_before or head_dim) != (heads, head_dim):
            before = _attention(heads_before, head_dim_before)
            yield f"{counted(count, 'mixer')}: attention of {before} before, of {_attention(heads, head_dim)} after."
    unread = Counter(
        (row.mixer, row.heads, row.head_dim)
        for row in sites
        if row.heads is not None and row.heads_before is None and parse_mixer(row.mixer).heads is None
    )
    for (mixer, heads, head_dim), count in unread.items():
        yield (
            f"{counted(count, 'mixer')}: how many heads were there before could not be read; {mixer} has "
            f"{_attention(heads, head_dim)}, and {mixer}:heads=N sets them."
        )


def _attention(heads: int, head_dim: int | None) -> str:
    known = "" if head_dim is None else f" x {head_dim} = {heads * head_dim:,} channels"
    return f"{counted(heads, 'head')}{known}"


def _bias_sentences(sites: Sequence[SwapRow]) -> Iterator[str]:
    """Where the module replaced had biases, and the linear layers of the mixer could have some, and have none."""
    lost: Counter[str] = Counter()
    for row in sites:
        if parse_mixer(row.mixer).options.get("bias") is False:
            lost[row.mixer] += row.bias_params_before or 0
    for mixer, count in (+lost).items():
        cure = "" if ":bias=" in mixer else f" ({mixer}:bias=true has its own)"
        yield f"The {count:,} bias parameters of what was replaced are not in {mixer}{cure}."


_NOUNS = (("params", "parameters"), ("macs", "MACs"))


def _change(total: SwapRow, key: str, noun: str) -> str:
    change, before = getattr(total, f"{key}_delta"), getattr(total, f"{key}_before")
    if change is None:
        return f"no count of {noun}"
    if not change:
        return f"as many {noun}"
    relative = f" ({percent(abs(change) / before)})" if before else ""
    return f"{si(abs(change))}{relative} {'fewer' if change < 0 else 'more'} {noun}"
