"""A backbone's rows as a table and sentences: scopes, shares, differences, ceilings, static keys."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from skaprof.model.network import Network
from skaprof.predictions import PredictedScope
from skaprof.records import Record
from skaprof.report.cost_sentences import LEGEND as COST_LEGEND
from skaprof.report.cost_sentences import proof_sentences
from skaprof.report.numbers import NumberFormat, si, significant
from skaprof.report.plain_table import NARROW, PlainTable
from skaprof.report.predicted import predicted_sentence, time_text
from skaprof.report.table import grid_text
from skaprof.results import ProvedScope, ScopeRow, values_of
from skaprof.workload import FUSED

_NETWORK_KEYS = ("model", "image_height", "image_width", "batch", "dtype", "mode", "implementation")
_NOUNS = {"params": "parameters", "macs": "MACs", "traffic_bytes": "traffic"}
_UNITS = {"params": "", "macs": "", "elementwise_flops": "FLOP", "traffic_bytes": "B"}
_WORDS = {"params": "params", "macs": "MACs", "elementwise_flops": "elementwise", "traffic_bytes": "traffic"}
_MEMORY = {"saved_bytes": "saved", "peak_bytes": "peak"}
"""Figures of training alone and of inference alone: no column where no row has any."""
_PROOF = (("params_counted", "params", "counted"), ("macs_fvcore", "macs", "fvcore"), ("macs_torch", "macs", "torch"))
LEGEND = COST_LEGEND | {
    "elementwise_flops": f"{COST_LEGEND['elementwise_flops']}, with those of norms, shortcuts and pooling"
}
"""What a network's figures mean, by key."""
_TOTAL = "total"
_MOST_TOLD = 8  # networks: of more, the table's columns say it


def caption(rows: Sequence[ScopeRow]) -> str:
    """What all rows share: `caformer_s18, 224 x 224, forward, eager, batch 1, float32`."""
    words = _network_words(rows[0])
    return ", ".join(words[key] for key in words if key not in _varying(rows))


def apart_text(row: ScopeRow, rows: Sequence[ScopeRow]) -> str:
    """What tells the row's network from the others', as a caption has it; nothing where there is one network."""
    words = _network_words(row)
    return ", ".join(words[key] for key in words if key in _varying(rows))


def _network_words(row: ScopeRow) -> dict[str, str]:
    return {
        "model": row.model,
        "image_height": image_text(row),
        "mode": row.mode,
        "implementation": row.implementation,
        "batch": f"batch {row.batch:,}",
        "dtype": row.dtype,
    }


def image_text(row: ScopeRow) -> str:
    """The image size, height first."""
    return f"{row.image_height} x {row.image_width}"


def scope_table(rows: Sequence[ScopeRow], totals: Sequence[ScopeRow]) -> PlainTable:
    """The rows, each network's total below them, and lines between networks."""
    has_parts = rows[0].scope != _TOTAL
    places = [column for column in _identity_columns(totals) if has_parts or column.words not in ("grid", "dim")]
    columns = [*places, *_figure_columns([*rows, *totals], has_parts=has_parts)]
    table = table_of(columns, padding=NARROW)
    for total in totals:
        parts = [row for row in rows if _network_of(row) == _network_of(total)]
        for row in parts if has_parts else []:
            table.add_row(*(column.text(row) for column in columns), of=row)
        told = total.replace(mixer=None) if has_parts else total  # its parts have said it
        table.add_row(*(column.text(told) for column in columns), end_section=has_parts, of=told)
    return table


def network_table(rows: Sequence[ScopeRow]) -> PlainTable:
    """Rows of whole networks that differ in their mixers, with lines between sizes."""
    columns = [column for column in _identity_columns(rows) if column.words not in ("scope", "grid", "dim")]
    columns += _figure_columns(rows, has_parts=False)
    table = table_of(columns, padding=NARROW)
    for row, following in zip(rows, [*rows[1:], rows[-1]], strict=True):
        cells = (column.text(row) for column in columns)
        table.add_row(*cells, end_section=_network_of(row) != _network_of(following), of=row)
    return table


class Column(NamedTuple):
    """The keys of a column's figures, the words above it, whether it holds numbers, and a row's text in it."""

    keys: tuple[str, ...]
    words: str
    is_number: bool
    text: Callable[[Any], str]


def table_of(columns: Sequence[Column], **options: Any) -> PlainTable:
    """A table with these columns, and no row yet."""
    table = PlainTable(**options)
    for column in columns:
        table.add(*column.keys, words=column.words, number=column.is_number)
    return table


def _identity_columns(totals: Sequence[ScopeRow]) -> list[Column]:
    varying = _varying(totals)
    named = [
        Column(("image_height", "image_width"), "image", False, image_text),
        Column(("batch",), "batch", True, lambda row: f"{row.batch:,}"),
        Column(("dtype",), "dtype", False, lambda row: str(row.dtype)),
        Column(("mode",), "mode", False, lambda row: str(row.mode)),
        Column(("implementation",), "form", False, lambda row: str(row.implementation)),
    ]
    return [
        *(column for column in named if column.keys[0] in varying),
        Column(("scope",), "scope", False, lambda row: str(row.scope)),
        Column(("mixer",), "mixer", False, lambda row: "-" if row.mixer is None else str(row.mixer)),
        Column(("height", "width"), "grid", True, grid_text),
        Column(("dim",), "dim", True, lambda row: "-" if row.dim is None else f"{row.dim:,}"),
    ]


def _figure_columns(rows: Sequence[ScopeRow], *, has_parts: bool) -> list[Column]:
    is_modified = any(getattr(row, f"{key}_delta") for row in rows for key in _NOUNS)
    columns = []
    for key, unit in _UNITS.items():
        columns.append(scaled(rows, key, _WORDS[key], unit))
        if key in _NOUNS and has_parts and not is_modified:
            columns.append(_share("share", f"{key}_share"))
        if key in _NOUNS and is_modified:
            columns.append(scaled(rows, f"{key}_delta", "change", unit, signed=True))
    columns += [
        scaled(rows, key, words, "B") for key, words in _MEMORY.items() if any(getattr(row, key) for row in rows)
    ]
    columns.append(_share("mixers'\nMACs", "mixer_macs_share"))
    columns.append(_share("mixers'\ntraffic", "mixer_traffic_bytes_share"))
    if isinstance(rows[0], PredictedScope):
        columns.append(Column(("predicted_ms",), "predicted\n(ms)", True, time_text))
    if isinstance(rows[0], ProvedScope):
        columns += [scaled(rows, key, f"{_WORDS[like]}\n{words}", "", like=like) for key, like, words in _PROOF]
        columns.append(Column(("verified",), "verified", True, lambda row: "yes" if row.verified else "NO"))
    return columns


def _share(words: str, key: str) -> Column:
    return Column((key,), f"{words}\n(%)", True, lambda row: significant(100 * getattr(row, key), 3))


def scaled(rows: Sequence[Record], key: str, words: str, unit: str, *, signed: bool = False, like: str = "") -> Column:
    """A column of one SI prefix, that of the key it is `like`, if any; a missing figure is a dash."""
    number = NumberFormat.of([abs(getattr(row, like or key) or 0) for row in rows])
    prefixed = f"{number.prefix}{unit}"

    def text(row: Record) -> str:
        value = getattr(row, key)
        if value is None:
            return "-"
        sign = "-" if value < 0 else "+" if signed and value else ""
        return sign + number.text(abs(value))

    return Column((key,), f"{words}\n({prefixed})" if prefixed else words, True, text)


def percent(share: float) -> str:
    """A share of 1 as a percentage of three digits."""
    return f"{significant(100 * share, 3)} %"


def sentences(rows: Sequence[ScopeRow], totals: Sequence[ScopeRow], networks: Sequence[Network]) -> list[str]:
    """What the table shows: differences, ceilings, static keys, and what runs otherwise than asked for."""
    told = totals if len(totals) <= _MOST_TOLD else []
    found = [difference_sentence(total) for total in told if any(getattr(total, f"{key}_delta") for key in _NOUNS)]
    for total in told:
        found.append(_ceiling_sentence([row for row in rows if _network_of(row) == _network_of(total)], total))
    found += [*_key_sentences(totals), *_form_sentences(networks)]
    found += [predicted_sentence(total, f"at {_where(total)}") for total in told if isinstance(total, PredictedScope)]
    if isinstance(rows[0], ProvedScope):
        found += proof_sentences([row for row in rows if isinstance(row, ProvedScope)])
    return found


def difference_sentence(total: ScopeRow) -> str:
    """What a network has more and less than the backbone with its own mixers, from its row of scope total."""
    parts = []
    for key, noun in _NOUNS.items():
        change, own = getattr(total, f"{key}_delta"), getattr(total, key) - getattr(total, f"{key}_delta")
        word = ("fewer" if change < 0 else "more") if key != "traffic_bytes" else "less" if change < 0 else "more"
        relative = f" ({percent(abs(change) / own)})" if own else ""
        parts.append(f"{si(abs(change), _UNITS[key])}{relative} {word} {noun}" if change else f"as many {noun}")
    return f"Against its own mixers at {_where(total)}: {', '.join(parts)}."


def _ceiling_sentence(rows: Sequence[ScopeRow], total: ScopeRow) -> str:
    """The most that mixers which cost nothing would save (Amdahl's law): where, and in all stages."""
    shares = {"MACs": "mixer_macs_share", "traffic": "mixer_traffic_bytes_share"}
    everywhere = " and ".join(f"{_saving(getattr(total, key))} of {noun}" for noun, key in shares.items())
    best = [(noun, max(rows, key=lambda row: getattr(row, key)), key) for noun, key in shares.items()]
    places = " and ".join(f"{_saving(getattr(row, key))} of {noun} in {row.scope}" for noun, row, key in best)
    are_stages = sum(row.mixer is not None for row in rows) > 1 and not any("." in row.scope for row in rows)
    where = f"; {places} alone" if are_stages and total.mixer_traffic_bytes else ""
    return f"Ceiling at {_where(total)}: mixers that cost nothing would save {everywhere}{where}."


def _saving(share: float) -> str:
    return f"{percent(share)} ({1 / (1 - share):.2f}x)" if share < 1 else percent(share)


def _key_sentences(totals: Sequence[ScopeRow]) -> list[str]:
    """What static keys bind the network to, and how many parameters they are there."""
    seen = {image_text(total): total for total in totals if total.key_params}
    if not seen:
        return []
    seen = dict(list(seen.items())[:_MOST_TOLD])
    parts = [
        f"{si(total.key_params)} of {si(total.params)} parameters at {image} "
        f"({percent(total.key_params / total.params)})"
        for image, total in seen.items()
    ]
    return [
        "A static key belongs to one number of tokens: trained at one image size, this network serves no other. "
        f"Its keys are {', '.join(parts)}."
    ]


def _form_sentences(networks: Sequence[Network]) -> list[str]:
    """Mixers without the form asked for, and a class token left out."""
    lacking: dict[str, set[str]] = {}
    for network in networks:
        blocks = [placed for stage in network.stages for placed in stage.blocks]
        texts = {placed.spec.text for placed in blocks if network.implementation != placed.implementation}
        if texts:
            lacking.setdefault(network.implementation, set()).update(texts)
    found = [
        f"Without {'an' if form == FUSED else 'a'} {form} form here, and eager in the {form} rows: "
        f"{', '.join(sorted(texts))}."
        for form, texts in lacking.items()
    ]
    network = networks[0]
    if network.backbone.class_token and not network.class_tokens:
        without = sorted({spec.text for spec in network.choice.kinds if not spec.mixer.class_token_forms})
        found.append(
            f"{', '.join(without)}: no place for a class token; the network has none, its head takes the tokens' mean."
        )
    return found


def _where(total: ScopeRow) -> str:
    """A network's size, with its mode and form, which change what it costs."""
    return f"{image_text(total)} ({total.mode}, {total.implementation})"


def network_text(row: ScopeRow) -> str:
    """All that tells one size and form from another."""
    return f"{image_text(row)}, batch {row.batch:,}, {row.dtype}, {row.mode}, {row.implementation}"


def _network_of(row: ScopeRow) -> tuple[Any, ...]:
    return values_of(row, _NETWORK_KEYS)


def _varying(rows: Sequence[ScopeRow]) -> set[str]:
    varying = {key for key in _NETWORK_KEYS if len({getattr(row, key) for row in rows}) > 1}
    return varying | {"image_height"} if "image_width" in varying else varying
