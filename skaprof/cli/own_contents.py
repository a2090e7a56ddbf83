"""Models of the user's own in a report: what its configuration names, and their rows."""

from __future__ import annotations

from typing import Any

from skaprof.analysis.report_rows import Contents
from skaprof.errors import SkaprofError, bad_value
from skaprof.foreign_code import parse_arguments
from skaprof.foreign_model import KEEP, UserModel, is_path, parse_shapes, user_model
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.toml_file import TomlTable
from skaprof.workload import DTYPE_BYTES, MODES

Row = dict[str, Any]
Swap = tuple[UserModel, tuple[tuple[str, MixerSpec], ...]]
_MODEL_KEYS = ("model", "shapes", "inputs", "input_dtypes", "arguments", "dtype")
_OPTION = "--config"


def read_models(tables: list[TomlTable]) -> tuple[tuple[UserModel, str], ...]:
    """The model of each [[models]] table, once for each of its modes.

    Raises:
        SkaprofError: a key or value that is not valid.
    """
    found = []
    for table in tables:
        table.require_keys((*_MODEL_KEYS, "modes"))
        modes = table.words("modes", MODES) if "modes" in table.values else MODES[:1]
        found += [(_model(table), mode) for mode in modes]
    return tuple(found)


def read_swaps(tables: list[TomlTable]) -> tuple[Swap, ...]:
    """The model of each [[swaps]] table, and what is put where in it.

    Raises:
        SkaprofError: a key or value that is not valid.
    """
    found = []
    for table in tables:
        table.require_keys((*_MODEL_KEYS, "replace"))
        found.append((_model(table), tuple(_replacement(table, text) for text in _texts(table, "replace"))))
    return tuple(found)


def _model(table: TomlTable) -> UserModel:
    path = table.sentence("model") if "model" in table.values else ""
    if not is_path(path):
        raise bad_value(table.label("model"), path, "a model of your own, FILE.py:NAME")
    try:
        return user_model(
            path,
            parse_arguments(table.label("arguments"), _texts(table, "arguments", optional=True)),
            parse_shapes(table.label("shapes"), _texts(table, "shapes", optional=True)),
            _texts(table, "input_dtypes", optional=True),
            table.sentence("inputs") if "inputs" in table.values else None,
            table.word("dtype", (KEEP, *DTYPE_BYTES)) if "dtype" in table.values else KEEP,
        )
    except SkaprofError as error:
        raise SkaprofError(f"{table.label('model')}: {error.message}") from None


def _texts(table: TomlTable, key: str, *, optional: bool = False) -> tuple[str, ...]:
    if key not in table.values:
        if optional:
            return ()
        raise SkaprofError(f'{table.label(key)}: missing: expected a list of texts, such as ["attn=ska"]')
    return table.words(key)


def _replacement(table: TomlTable, text: str) -> tuple[str, MixerSpec]:
    pattern, equals, spec = text.partition("=")
    if not equals or not pattern:
        raise bad_value(table.label("replace"), text, "PATTERN=SPEC, such as attn=ska")
    return pattern, parse_mixer(spec, table.label("replace"))


def model_rows(contents: Contents) -> list[Row]:
    """The parts of each model that the report names, by its top submodules, and the whole."""
    from skaprof.api.loading import load_count_model

    count_model, _ = load_count_model()
    return [row.as_dict() for user, mode in contents.models for row in count_model(user, mode, _OPTION).rows(1)]


def swap_rows(contents: Contents) -> list[Row]:
    """Each model that the report names, before and after its submodules are replaced."""
    from skaprof.api.loading import load_swapped_rows

    swapped = load_swapped_rows()
    return [
        row.as_dict()
        for user, replacements in contents.swaps
        for row in swapped(user, list(replacements), lambda message: None, skips=True)
    ]
