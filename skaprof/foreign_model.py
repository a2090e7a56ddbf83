"""A whole model of the user's own: FILE.py:NAME or package.module:NAME, where a backbone's name may stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from skaprof.errors import SkaprofError, bad_value, named
from skaprof.foreign_code import INPUT_DTYPES, keywords_of, load_callable, source_hash
from skaprof.grids import parse_count
from skaprof.workload import DTYPE_BYTES, check_choice

KEEP = "keep"
"""The dtype of a model that stays as it is built."""
IMAGE = (1, 3, 224, 224)
"""What a model is given where nobody says."""


class UserModel(NamedTuple):
    """What builds a model, and what it is called with.

    `arguments` are (name, value as typed) of what builds it. It is called with a tensor of each of the `shapes`, of
    `input_dtypes` (one for all, or one each); or with what the function at the path `inputs` gives: a tensor, a tuple
    of arguments, or a dict of keywords. `dtype`: what its floating-point parameters are cast to, or `KEEP`.
    """

    path: str
    arguments: tuple[tuple[str, str], ...] = ()
    shapes: tuple[tuple[int, ...], ...] = (IMAGE,)
    input_dtypes: tuple[str, ...] = ("float32",)
    inputs: str | None = None
    dtype: str = KEEP

    @property
    def keywords(self) -> dict[str, Any]:
        """The arguments as Python values."""
        return keywords_of(self.arguments)

    @property
    def input_text(self) -> str:
        """What it is called with, as a row and a heading have it: 1x3x224x224, or the function that gives it."""
        return self.inputs or ",".join("x".join(map(str, shape)) for shape in self.shapes)

    def identity(self, option: str) -> dict[str, str | None]:
        """What tells it from another of its path, by the keys of its rows.

        Raises:
            SkaprofError: as `skaprof.foreign_code.load_callable`.
        """
        typed = ", ".join(f"{name}={value}" for name, value in self.arguments)
        source = source_hash(load_callable(option, self.path))
        return {"arguments": typed, "input_shape": self.input_text, "source_hash": source}


def is_path(name: str) -> bool:
    """Whether a model's name is the path of a user's own, and no backbone's or TOML file's."""
    return ":" in name.partition("[")[0] and not name.lower().endswith(".toml")


def parse_shapes(option: str, texts: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """The shape that each text names, `1x3x224x224`.

    Raises:
        SkaprofError: one is none.
    """
    return tuple(tuple(parse_count(option, side) for side in text.lower().split("x")) for text in texts)


def user_model(
    path: str,
    arguments: tuple[tuple[str, str], ...],
    shapes: tuple[tuple[int, ...], ...],
    input_dtypes: Sequence[str] = (),
    inputs: str | None = None,
    dtype: str = KEEP,
) -> UserModel:
    """The model, its inputs checked; those not given are as `UserModel` has them.

    Raises:
        SkaprofError: shapes beside a function that gives the inputs, or another number of dtypes.
    """
    if inputs is not None and (shapes or input_dtypes):
        said = named("shape") if shapes else named("input_dtype")
        raise SkaprofError(f"{said}: {named('inputs')} {inputs} says what the model is called with: leave one out")
    shapes = shapes or (IMAGE,)
    dtypes = tuple(check_choice(named("input_dtype"), each, INPUT_DTYPES) for each in input_dtypes) or ("float32",)
    if len(dtypes) not in (1, len(shapes)):
        expected = f"one for all, or one for each of {len(shapes)} inputs"
        raise bad_value(named("input_dtype"), ",".join(input_dtypes), expected)
    check_choice(named("dtype"), dtype, (KEEP, *DTYPE_BYTES))
    return UserModel(path, arguments, shapes, dtypes, inputs, dtype)
