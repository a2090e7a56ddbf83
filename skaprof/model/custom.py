"""A backbone of your own from a TOML file: stages with depth, dim, mixer and MLP ratio; stem and downsampling.

Example:

    head_dim = 32
    [stem]
    kind = "patches"
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

from pathlib import Path
from typing import Any

from skaprof.errors import SkaprofError
from skaprof.model.backbones import Backbone, Stage, Window
from skaprof.model.spec import parse_stage_mixers
from skaprof.toml_file import TomlTable, read_toml

_CHOICES = {"head": ("mlp", "linear"), "norm": ("layer_norm", "group_norm"), "activation": ("star_relu", "gelu")}
_COUNTS = ("classes", "head_dim", "resolution")
_FLAGS = ("bias", "class_token")
_STEMS = ("convolution", "patches", "shifted_patches")
_MOST_POSITION_STD = 10
_WINDOWS = {"stem": "stem_window", "downsampling": "downsampling_window"}
_TOP = (*_CHOICES, *_COUNTS, *_FLAGS, "position_std", *_WINDOWS, "stages")
_STAGE = ("depth", "dim", "mixer", "mlp_ratio", "residual_scale")
_MOST_BLOCKS = 1000


def load_backbone(path: str) -> Backbone:
    """The backbone that a TOML file describes, named after the file.

    Raises:
        SkaprofError: no such file, no TOML, a key that is unknown or missing, or a value of the wrong type.
    """
    top = read_toml(path)
    top.require_keys(_TOP)
    document = top.values
    plain = Backbone(Path(path).stem, tuple(map(_stage, top.tables("stages"))))
    blocks = sum(stage.depth for stage in plain.stages)
    if blocks > _MOST_BLOCKS:
        raise SkaprofError(f"{top.label('stages')}: {blocks:,} blocks in all: expected at most {_MOST_BLOCKS:,}")
    settings: dict[str, Any] = {key: top.word(key, words) for key, words in _CHOICES.items() if key in document}
    settings |= {key: top.count(key) for key in _COUNTS if key in document}
    settings |= {key: top.flag(key) for key in _FLAGS if key in document}
    settings |= (
        {"position_std": top.number("position_std", 0, _MOST_POSITION_STD)} if "position_std" in document else {}
    )
    settings |= {field: _window(top, key, getattr(plain, field)) for key, field in _WINDOWS.items() if key in document}
    settings |= {"stem": _stem_kind(top)} if "kind" in document.get("stem", ()) else {}
    if settings.get("stem", plain.stem) != "convolution" and len(plain.stages) > 1:
        raise SkaprofError(f"{top.label('stages')}: expected one [[stages]] table behind a stem of patches")
    if settings.get("class_token") and settings.get("stem", plain.stem) == "convolution":
        raise SkaprofError(f"{top.label('class_token')}: expected a stem of kind patches or shifted_patches with it")
    return plain._replace(**settings)


def _stem_kind(top: TomlTable) -> str:
    """What the stem is; one of patches has neither overlap nor margin."""
    table = top.table("stem", (*Window._fields, "kind"))
    kind = table.word("kind", _STEMS)
    window = _window(top, "stem", Window(7, 4, 2))
    if kind != "convolution" and not (window.kernel_size == window.stride and window.padding == 0):
        expected = "expected kernel_size and stride alike and a padding of 0 with patches"
        raise SkaprofError(f"{table.label('kind')}: {expected}, and not {tuple(window)}")
    return kind


def _stage(table: TomlTable) -> Stage:
    table.require_keys(_STAGE)
    values = table.values
    for key in ("depth", "dim", "mixer"):
        if key not in values:
            raise SkaprofError(f"{table.label(key)}: missing: expected it in every stage")
    depth = table.count("depth", most=_MOST_BLOCKS)
    mixer = parse_stage_mixers(values["mixer"], depth, table.label("mixer")).text
    stage = Stage(depth, table.count("dim"), mixer)
    if "mlp_ratio" in values:
        stage = stage._replace(mlp_ratio=table.count("mlp_ratio"))
    return stage._replace(residual_scale=table.flag("residual_scale")) if "residual_scale" in values else stage


def _window(top: TomlTable, key: str, default: Window) -> Window:
    table = top.table(key, (*Window._fields, *(("kind",) if key == "stem" else ())))
    sizes = [field for field in table.values if field != "kind"]
    return default._replace(**{field: table.count(field, least=int(field != "padding")) for field in sizes})
