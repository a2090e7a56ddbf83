"""A backbone's rows as a table and sentences: scopes, shares, differences, ceilings, static keys."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.table import Table

from skaprof.model.network import Network
from skaprof.records import Record
from skaprof.report.cost_sentences import convention, proof_sentences
from skaprof.report.numbers import NumberFormat, si, significant
from skaprof.report.table import PlainTable
from skaprof.results import ProvedScope, ScopeRow, values_of

_NETWORK_KEYS = ("model", "image_height", "image_width", "batch", "dtype", "mode", "implementation")
_NOUNS = {"params": "parameters", "macs": "MACs", "traffic_bytes": "traffic"}
_UNITS = {"params": "", "macs": "", "elementwise_flops": "FLOP", "traffic_bytes": "B"}
_WORDS = {"params": "params", "macs": "MACs", "elementwise_flops": "elementwise", "traffic_bytes": "traffic"}
_PROOF = (("params_counted", "params", "counted"), ("macs_fvcore", "macs", "fvcore"), ("macs_torch", "macs", "torch"))
CONVENTION = convention(_UNITS)
_TOTAL = "total"
_NARROW = (0, 1, 0, 0)  # two blanks between columns: there are many
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


def scope_table(rows: Sequence[ScopeRow], totals: Sequence[ScopeRow]) -> Table:
    """The rows, each network's total below them, and lines between networks."""
    table = PlainTable(padding=_NARROW)
    has_parts = rows[0].scope != _TOTAL
    places = [column for column in _identity_columns(totals) if has_parts or column[0] not in ("grid", "dim")]
    columns = [*places, *_figure_columns([*rows, *totals], has_parts=has_parts)]
    for words, is_number, _ in columns:
        table.add_column(words, justify="right" if is_number else "left", no_wrap=True)
    for total in totals:
        parts = [row for row in rows if _network_of(row) == _network_of(total)]
        for row in parts if has_parts else []:
            table.add_row(*(text(row) for _, _, text in columns))
        told = total.replace(mixer=None) if has_parts else total  # its parts have said it
        table.add_row(*(text(told) for _, _, text in columns), end_section=has_parts)
    return table


def network_table(rows: Sequence[ScopeRow]) -> Table:
    """Rows of whole networks that differ in their mixers, with lines between sizes."""
    table = PlainTable(padding=_NARROW)
    columns = [column for column in _identity_columns(rows) if column[0] not in ("scope", "grid", "dim")]
    columns += _figure_columns(rows, has_parts=False)
    for words, is_number, _ in columns:
        table.add_column(words, justify="right" if is_number else "left", no_wrap=True)
    for row, following in zip(rows, [*rows[1:], rows[-1]], strict=True):
        table.add_row(*(text(row) for _, _, text in columns), end_section=_network_of(row) != _network_of(following))
    return table


Column = tuple[str, bool, Callable[[Any], str]]
"""The words above a column, whether it holds numbers, and a row's text in it."""


def _identity_columns(totals: Sequence[ScopeRow]) -> list[Column]:
    varying = _varying(totals)
    named: dict[str, Column] = {
        "image_height": ("image", False, image_text),
        "batch": ("batch", True, lambda row: f"{row.batch:,}"),
        "dtype": ("dtype", False, lambda row: str(row.dtype)),
        "mode": ("mode", False, lambda row: str(row.mode)),
        "implementation": ("form", False, lambda row: str(row.implementation)),
    }
    return [
        *(column for key, column in named.items() if key in varying),
        ("scope", False, lambda row: str(row.scope)),
        ("mixer", False, lambda row: "-" if row.mixer is None else str(row.mixer)),
        ("grid", True, lambda row: "-" if row.height is None else f"{row.height} x {row.width}"),
        ("dim", True, lambda row: "-" if row.dim is None else f"{row.dim:,}"),
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
    columns.append(_share("mixers'\nMACs", "mixer_macs_share"))
    columns.append(_share("mixers'\ntraffic", "mixer_traffic_bytes_share"))
    if isinstance(rows[0], ProvedScope):
        columns += [scaled(rows, key, f"{_WORDS[like]}\n{words}", "", like=like) for key, like, words in _PROOF]
        columns.append(("verified", True, lambda row: "yes" if row.verified else "NO"))
    return columns


def _share(words: str, key: str) -> Column:
    return f"{words}\n(%)", True, lambda row: significant(100 * getattr(row, key), 3)


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

    return f"{words}\n({prefixed})" if prefixed else words, True, text


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
    if isinstance(rows[0], ProvedScope):
        found += proof_sentences([row for row in rows if isinstance(row, ProvedScope)])
    return [*found, f"{CONVENTION} Norms, shortcuts and pooling are elementwise too."]


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
    eager = {
        placed.spec.text
        for network in networks
        for placed in network.stages
        if network.implementation != placed.implementation
    }
    found = [f"Without an sdpa form here, and eager in the sdpa rows: {', '.join(sorted(eager))}."] if eager else []
    network = networks[0]
    if network.backbone.class_token and not network.class_tokens:
        without = sorted({spec.text for spec in network.choice.specs if not spec.mixer.class_token_forms})
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
