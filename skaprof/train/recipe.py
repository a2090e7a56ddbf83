"""How networks are trained: one record, all of it in a TOML file, and a hash that says whether two runs had one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from skaprof.errors import bad_value, named
from skaprof.implementations import INITIALISATIONS
from skaprof.toml_file import TomlTable, read_toml

_MOST_EPOCHS = 100_000
_MOST_BATCH = 65_536
_MOST_RATES = 20
_HASH_DIGITS = 12


class Recipe(NamedTuple):
    """AdamW (Loshchilov and Hutter, arXiv 1711.05101) with a linear warm-up and a cosine to 0, float32, no clipping.

    `learning_rates` is the grid of which every network gets its own, by `validation`, a share of the training images
    that is held out for that and for nothing else. Weight decay spares biases, norms, positions and class tokens.
    `position_std` None: as each backbone has it.
    """

    epochs: int = 10
    batch: int = 64
    learning_rates: tuple[float, ...] = (0.003, 0.01, 0.03)
    warmup: float = 0.1
    weight_decay: float = 0.05
    label_smoothing: float = 0.0
    flips: bool = False
    drop_path: float = 0.0
    initialisation: str = "torch"
    position_std: float | None = None
    validation: float = 0.2

    @property
    def hash(self) -> str:
        """The start of the SHA-256 of every setting."""
        return hash_of(self._asdict())


_WORDS = {
    "epochs": "how often every training image is seen",
    "batch": "images a step",
    "learning_rates": "of which each network gets its own, tried on held-out training images",
    "warmup": "share of all steps in which the learning rate rises from 0; then it falls along a cosine",
    "weight_decay": "AdamW's; not of biases, norms, positions and class tokens",
    "label_smoothing": "share of the label that goes to all classes alike",
    "flips": "whether half of the images are mirrored, left to right",
    "drop_path": "share of images for which the last block's branches are left out",
    "initialisation": f"of linear layers and convolutions: {' or '.join(INITIALISATIONS)}",
    "position_std": "of learned positions at the start; left out, as each backbone has it",
    "validation": "share of the training images that is held out to choose the learning rate",
}


def hash_of(settings: Mapping[str, Any]) -> str:
    """The start of the SHA-256 of settings, in whatever order they are."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]


def recipe_text(recipe: Recipe) -> str:
    """The recipe as the TOML file that `read_recipe` reads."""
    lines = [f"# recipe {recipe.hash}"]
    for key, value in recipe._asdict().items():
        setting = f"# {key} = 1.0" if value is None else f"{key} = {_toml_value(value)}"
        lines.append(f"{setting:<42} # {_WORDS[key]}")
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def read_recipe(path: str) -> Recipe:
    """The recipe in a TOML file; what it does not say is as `Recipe` has it.

    Raises:
        SkaprofError: it cannot be read, or holds an unknown key or a value that is not valid, with file and line.
    """
    top = read_toml(path, named("recipe"))
    top.require_keys(Recipe._fields)
    return Recipe(**{key: _READERS[key](top, key) for key in top.values})


def _rates(top: TomlTable, key: str) -> tuple[float, ...]:
    values = top.values[key]
    numbers = isinstance(values, list) and all(type(value) in (int, float) and 0 < value <= 10 for value in values)
    if not numbers or not 1 <= len(values) <= _MOST_RATES:
        raise bad_value(top.label(key), values, f"1 to {_MOST_RATES} numbers above 0, such as [0.001, 0.003]")
    return tuple(sorted({float(value) for value in values}))


def _share(top: TomlTable, key: str) -> float:
    return top.number(key, 0, 0.9)


_READERS: dict[str, Callable[[TomlTable, str], Any]] = {
    "epochs": lambda top, key: top.count(key, most=_MOST_EPOCHS),
    "batch": lambda top, key: top.count(key, most=_MOST_BATCH),
    "learning_rates": _rates,
    "warmup": _share,
    "weight_decay": lambda top, key: top.number(key, 0, 10),
    "label_smoothing": _share,
    "flips": lambda top, key: top.flag(key),
    "drop_path": _share,
    "initialisation": lambda top, key: top.word(key, INITIALISATIONS),
    "position_std": lambda top, key: top.number(key, 0, 10),
    "validation": lambda top, key: top.number(key, 0.01, 0.9),
}
