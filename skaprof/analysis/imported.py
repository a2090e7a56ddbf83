"""Accuracies that others measured, from a CSV file, joined to the exact costs of the networks that they are of."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from math import inf, nan
from typing import Any

from skaprof.errors import SkaprofError, bad_value, shown, shown_path
from skaprof.grids import parse_count, size_text
from skaprof.inputs import read_text
from skaprof.model.backbones import BACKBONES
from skaprof.model.choice import open_backbone
from skaprof.model.cost import total
from skaprof.model.network import Network, make_network, network_costs
from skaprof.published import ImportedRow

_PERCENT = "top1"
"""The column of timm's results files, in per cent; `accuracy` is a share, or has a % sign."""
_PLAIN_VIT = re.compile(r"(?:vit|deit)_(tiny|small|base)_patch16_\d+")
"""ViTs that differ from the backbones here in their training alone."""
_MILLION = 1e6


def imported_rows(path: str, source: str | None = None, data: str | None = None) -> list[ImportedRow]:
    """A row a line of the file: timm's results, or columns `model`, `accuracy` (0 to 1, or with a % sign) and `source`.

    Further columns that are read: `data`, `img_size` or `resolution`, `param_count` (millions) and `note`.

    Args:
        source, data: of lines that name none; the file's own name where no source is given.

    Raises:
        SkaprofError: it cannot be read, has no such columns, or a line that is not valid, by its number.
    """
    lines = csv.DictReader(io.StringIO(read_text(path, "FILE")))
    columns = lines.fieldnames or ()
    if "model" not in columns or not {"accuracy", _PERCENT} & set(columns):
        expected = f"columns model and accuracy, or timm's model and {_PERCENT}"
        raise SkaprofError(f"FILE: {shown_path(path)} has columns {shown(', '.join(columns))}: expected {expected}")
    twice = [column for place, column in enumerate(columns) if column and column in columns[:place]]
    if twice:
        raise SkaprofError(f"FILE: {shown_path(path)} has two columns {shown(twice[0])}: expected one")
    defaults = {"source": source or path, "data": data or ""}
    try:
        rows = [_row(f"FILE: {shown_path(path)}, line {lines.line_num}", line, defaults) for line in lines]
    except csv.Error as error:
        raise SkaprofError(f"FILE: {shown_path(path)}, line {lines.line_num}: {error}: expected CSV") from None
    if not rows:
        raise SkaprofError(f"FILE: {shown_path(path)} has no lines below its header: expected a model in each")
    return rows


def _row(where: str, line: Mapping[str | None, Any], defaults: Mapping[str, str]) -> ImportedRow:
    if any(line.get(None, ())):  # a comma within a value would move the others
        raise SkaprofError(f"{where} has more values than columns: expected values with a comma in quotation marks")
    given = {key: (value or "").strip() for key, value in line.items() if key}
    if not given["model"]:
        raise SkaprofError(f"{where}: names no model: expected one in the column model")
    side = given.get("img_size") or given.get("resolution") or ""
    published = _million(where, given.get("param_count", ""))
    network, why = _network(where, given["model"], None if not side else parse_count(f"{where}, image size", side))
    if network is not None and published is not None and not _is_of(network, published):
        found = f"{_params(network) / _MILLION:.2f} M parameters"
        why = f"{found} at {size_text(network.height, network.width)}, not {published}"
        network = None
    return ImportedRow(
        model=given["model"],
        network=None if network is None else network.backbone.name,
        mixers=None if network is None else ",".join(network.choice.texts),
        data=given.get("data") or defaults["data"] or None,
        accuracy=_accuracy(where, given),
        source=given.get("source") or defaults["source"],
        measured_here=False,
        image_height=None if network is None else network.height,
        image_width=None if network is None else network.width,
        params_published=published,
        note="; ".join(filter(None, (given.get("note"), why))) or None,
        **costs_of(network),
    )


def _accuracy(where: str, given: Mapping[str, str]) -> float:
    text = given.get(_PERCENT) or given.get("accuracy") or ""
    is_percent = bool(given.get(_PERCENT)) or text.endswith("%")
    try:
        value = float(text.removesuffix("%")) / (100 if is_percent else 1)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise bad_value(f"{where}, accuracy", text, "a share from 0 to 1, or per cent with a % sign or as top1")
    return value


def _million(where: str, text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        value = nan
    if not 0 < value < inf:
        raise bad_value(f"{where}, param_count", text, "parameters in millions")
    return value


def _network(where: str, model: str, side: int | None) -> tuple[Network | None, str | None]:
    """The network that a model is, or why there is none.

    Raises:
        SkaprofError: the name is a backbone's, and what stands in brackets behind it is not valid.
    """
    name = _known_name(model)
    if name is None:
        return None, "no network of that name is known here"
    try:
        choice = open_backbone(name, option="model")
        side = choice.backbone.resolution if side is None else side
        return make_network(choice, side, side), None
    except SkaprofError as error:
        raise SkaprofError(f"{where}: {error.marked}") from None


def _known_name(model: str) -> str | None:
    """The name that a model has here; timm's names have their training behind a dot."""
    base = model.partition("[")[0]
    if base in BACKBONES or base.lower().endswith(".toml"):
        return model
    architecture = model.partition(".")[0]
    plain = _PLAIN_VIT.fullmatch(architecture)
    if plain:
        return f"vit_{plain[1]}"
    return architecture if architecture in BACKBONES else None


def _params(network: Network) -> int:
    return int(total(network_costs(network)).params)


def _is_of(network: Network, millions: float) -> bool:
    """Whether so many parameters, in millions to two places, are the network's."""
    return abs(_params(network) / _MILLION - millions) < 0.0051  # half of the last place, and rounding


def costs_of(network: Network | None) -> dict[str, Any]:
    """What trade-offs are about, of one image, float32, op by op; `saved_bytes` of training. None of no network."""
    if network is None:
        return dict.fromkeys(("params", "macs", "peak_bytes", "saved_bytes"))
    forward, train = (total(network_costs(network, mode=mode)) for mode in ("forward", "train"))
    return {
        "params": forward.params,
        "macs": forward.macs,
        "peak_bytes": forward.peak_bytes,
        "saved_bytes": train.saved_bytes,
    }
