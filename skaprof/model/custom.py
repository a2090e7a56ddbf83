"""A backbone of your own from a TOML file: stages with depth, dim, mixer and MLP ratio; stem and downsampling.

Example:

    head_dim = 32
    [stem]
    kernel_size = 4
    stride = 4
    padding = 0
    [[stages]]
    depth = 2
    dim = 64
    mixer = "sepconv"
    [[stages]]
    depth = 4
    dim = 128
    mixer = "ska"
    mlp_ratio = 3
"""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from skaprof.errors import SkaprofError, bad_value, shown
from skaprof.grids import MAX_SIZE
from skaprof.model.backbones import Backbone, Stage, Window
from skaprof.model.spec import parse_mixer

_CHOICES = {"head": ("mlp", "linear"), "norm": ("layer_norm", "group_norm"), "activation": ("star_relu", "gelu")}
_COUNTS = ("classes", "head_dim", "resolution")
_WINDOWS = {"stem": "stem_window", "downsampling": "downsampling_window"}
_TOP = (*_CHOICES, *_COUNTS, "bias", *_WINDOWS, "stages")
_STAGE = ("depth", "dim", "mixer", "mlp_ratio", "residual_scale")
_MOST_BLOCKS = 1000
_HEADER = re.compile(r"\s*\[\[?\s*([\w.-]+)")
_SETTING = re.compile(r"""\s*["']?([\w-]+)["']?\s*[.=]""")


class _Table(NamedTuple):
    """One table of the file, by its name and place, so that an error can name key and line."""

    path: str
    text: str
    name: str
    place: int
    values: Mapping[str, Any]

    def label(self, key: str) -> str:
        """File, line and key, for the start of an error."""
        where = f"{self.name}.{key}" if self.name else key
        return f"{shown(self.path)}: line {_line_of(self, key)}: {where}"

    def require_keys(self, known: tuple[str, ...]) -> None:
        """Nothing, where every key is one of `known`."""
        for key in self.values:
            if key not in known:
                raise bad_value(self.label(key), key, f"one of {', '.join(known)}", known)

    def count(self, key: str, least: int = 1, most: int = MAX_SIZE) -> int:
        """The whole number under this key."""
        value = self.values[key]
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise bad_value(self.label(key), value, f"a whole number from {least} to {most:,}")
        return value

    def flag(self, key: str) -> bool:
        """The boolean under this key."""
        value = self.values[key]
        if not isinstance(value, bool):
            raise bad_value(self.label(key), value, "true or false")
        return value

    def word(self, key: str, words: tuple[str, ...]) -> str:
        """The word under this key, one of `words`."""
        value = self.values[key]
        if value not in words:
            raise bad_value(self.label(key), value, f"one of {', '.join(words)}", words)
        return str(value)


def load_backbone(path: str) -> Backbone:
    """The backbone that a TOML file describes, named after the file.

    Raises:
        SkaprofError: no such file, no TOML, a key that is unknown or missing, or a value of the wrong type.
    """
    text = _read(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SkaprofError(f"{shown(path)}: not valid TOML: {error}") from None
    top = _Table(path, text, "", 0, document)
    top.require_keys(_TOP)
    stages = document.get("stages")
    if not isinstance(stages, list) or not stages or not all(isinstance(stage, dict) for stage in stages):
        raise SkaprofError(f"{top.label('stages')}: expected one [[stages]] table or more")
    plain = Backbone(Path(path).stem, tuple(_stage(top, place, stage) for place, stage in enumerate(stages)))
    settings: dict[str, Any] = {key: top.word(key, words) for key, words in _CHOICES.items() if key in document}
    settings |= {key: top.count(key) for key in _COUNTS if key in document}
    settings |= {"bias": top.flag("bias")} if "bias" in document else {}
    settings |= {field: _window(top, key, getattr(plain, field)) for key, field in _WINDOWS.items() if key in document}
    return plain._replace(**settings)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SkaprofError(f"{shown(path)} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SkaprofError(f"{shown(path)} cannot be read: expected a TOML file in UTF-8") from None


def _stage(top: _Table, place: int, values: Mapping[str, Any]) -> Stage:
    table = top._replace(name="stages", place=place, values=values)
    table.require_keys(_STAGE)
    for key in ("depth", "dim", "mixer"):
        if key not in values:
            raise SkaprofError(f"{table.label(key)}: missing: expected it in every stage")
    mixer = parse_mixer(values["mixer"], table.label("mixer")).text
    stage = Stage(table.count("depth", most=_MOST_BLOCKS), table.count("dim"), mixer)
    if "mlp_ratio" in values:
        stage = stage._replace(mlp_ratio=table.count("mlp_ratio"))
    return stage._replace(residual_scale=table.flag("residual_scale")) if "residual_scale" in values else stage


def _window(top: _Table, key: str, default: Window) -> Window:
    values = top.values[key]
    if not isinstance(values, dict):
        raise bad_value(top.label(key), values, f"a table with {', '.join(Window._fields)}")
    table = top._replace(name=key, values=values)
    table.require_keys(Window._fields)
    return default._replace(**{field: table.count(field, least=int(field != "padding")) for field in values})


def _line_of(table: _Table, key: str) -> int:
    """The line that sets the key of this table; where it is missing or inline, the line that names the table."""
    current, named, headers = "", 1, Counter[str]()
    for number, line in enumerate(table.text.splitlines(), start=1):
        header, setting = _HEADER.match(line), _SETTING.match(line)
        if header:
            current = header[1]
            headers[current] += 1
        sets = setting[1] if setting else ""
        is_here = current == table.name and headers[current] in (0, table.place + 1)
        if (is_here and sets == key) or (header and not table.name and current.partition(".")[0] == key):
            return number
        if (header and is_here) or (not current and sets == table.name):
            named = number
    return named
