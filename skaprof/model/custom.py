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

from pathlib import Path
from typing import Any

from skaprof.errors import SkaprofError
from skaprof.model.backbones import Backbone, Stage, Window
from skaprof.model.spec import parse_stage_mixers
from skaprof.toml_file import TomlTable, read_toml

_CHOICES = {"head": ("mlp", "linear"), "norm": ("layer_norm", "group_norm"), "activation": ("star_relu", "gelu")}
_COUNTS = ("classes", "head_dim", "resolution")
_WINDOWS = {"stem": "stem_window", "downsampling": "downsampling_window"}
_TOP = (*_CHOICES, *_COUNTS, "bias", *_WINDOWS, "stages")
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
    settings |= {"bias": top.flag("bias")} if "bias" in document else {}
    settings |= {field: _window(top, key, getattr(plain, field)) for key, field in _WINDOWS.items() if key in document}
    return plain._replace(**settings)


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
    table = top.table(key, Window._fields)
    return default._replace(**{field: table.count(field, least=int(field != "padding")) for field in table.values})
