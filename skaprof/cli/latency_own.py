"""`skaprof latency --model FILE.py:NAME`: models of the user's own as contenders, beside each other and backbones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from skaprof.cli.own_model import OwnModel
from skaprof.errors import SkaprofError, shown_option
from skaprof.foreign_model import UserModel, is_path
from skaprof.grids import parse_choices
from skaprof.implementations import IMPLEMENTATIONS
from skaprof.workload import DTYPE_BYTES, MODES

if TYPE_CHECKING:
    from skaprof.bench.configuration import Timed
    from skaprof.bench.modules import NetworkEntry
    from skaprof.bench.user_models import ModelEntry
    from skaprof.own_rows import PartRow

Counted = dict[tuple[str | None, str], list[tuple[UserModel, "PartRow"]]]
"""The models and what was counted of them, by the dtype asked for (None: their own) and the mode."""


def split(models: Sequence[str], of_backbones: Mapping[str, object]) -> tuple[list[str], list[str]]:
    """The names of backbones, and the paths of models of the user's own, each once.

    Raises:
        SkaprofError: an option of backbones, where there is none.
    """
    unique = list(dict.fromkeys(models))
    named, paths = [name for name in unique if not is_path(name)], [name for name in unique if is_path(name)]
    for option, given in of_backbones.items():
        if paths and not named and given is not None:
            raise SkaprofError(f"{option}: {shown_option(given)}: expected a backbone; --shape is your own model's")
    return named, paths


def counted(paths: Sequence[str], own: OwnModel, dtype: str | None, mode: str) -> Counted:
    """What each model does in each dtype and mode, counted before any is timed.

    Raises:
        SkaprofError: options of such models without one, a value that is not valid, or a model that fails.
    """
    if not paths:
        own.require_none()
        return {}
    from skaprof.api.loading import load_count_model

    count_model, _ = load_count_model()
    dtypes: Sequence[str | None] = parse_choices("--dtype", dtype, tuple(DTYPE_BYTES)) if dtype else (None,)
    users = {(path, each): own.named(path, each, paths) for path, each in product(paths, dtypes)}
    return {
        (each, how): [(users[path, each], _whole(count_model(users[path, each], how, "--model"))) for path in paths]
        for each, how in product(dtypes, parse_choices("--mode", mode, MODES))
    }


def _whole(found: Any) -> PartRow:
    whole: PartRow = found.rows(0)[-1]
    return whole


def groups(
    found: Counted, backbones: Sequence[Sequence[NetworkEntry]], implementations: Sequence[str]
) -> list[Sequence[Timed]]:
    """The rows to measure, those of one dtype and mode together, behind the backbones' of the same.

    Raises:
        SkaprofError: backbones of several sizes, or of other dtypes, or of another size than a model's input.
    """
    from skaprof.bench.user_models import ModelEntry

    if not found:
        return list(backbones)
    plain = [name for name in implementations if IMPLEMENTATIONS[name].form == "eager"] or list(implementations)
    made = [[ModelEntry(user, row, name) for user, row in rows for name in plain] for rows in found.values()]
    if not backbones:
        return list(made)
    if len(made) != 1 or len(backbones) != 1:
        raise SkaprofError("--model: backbones beside models of your own: expected one size, dtype and mode")
    _require_one_input([entry for group in made for entry in group], backbones[0][0])
    return [[*backbones[0], *made[0]]]


def _require_one_input(models: Sequence[ModelEntry], backbone: NetworkEntry) -> None:
    """Raise unless the models are called with what the backbone is; of a function's input nothing is known here.

    Raises:
        SkaprofError: times of images of two sizes would stand beside each other.
    """
    image = _image(backbone.batch, *backbone.image)
    for user in (entry.user for entry in models):
        if user.inputs is None and user.input_text != image:
            raise SkaprofError(
                f"--model: {user.path} is called with {user.input_text} and {backbone.given} with {image}: expected "
                f"one input for both: --shape {image} is {user.path}'s, --resolution and --batch are {backbone.given}'s"
            )


def _image(batch: int, height: int, width: int) -> str:
    return f"{batch}x3x{height}x{width}"


def caption(rows: Sequence[dict[str, Any]]) -> str:
    """What all rows of such models share."""
    said = [str(rows[0][key]) for key in ("mode", "dtype") if len({row[key] for row in rows}) == 1]
    sizes = ("batch", "image_height", "image_width")
    shapes = dict.fromkeys(row.get("input_shape") or _image(*(row[key] for key in sizes)) for row in rows)
    return ", ".join([f"input {shape}" for shape in shapes] + said)
