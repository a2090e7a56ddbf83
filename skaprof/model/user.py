"""A mixer or a model of the user's own, named as `package.module:Class`: found, and given its arguments."""

import ast
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from skaprof.errors import SkaprofError, bad_value, printable, shown
from skaprof.workload import Workload

LAYOUTS = ("BNC", "BHWC", "BCHW")
"""How a mixer's input lies: B batch, N = H * W tokens, C channels, H x W the grid."""
MAP_LAYOUTS = LAYOUTS[1:]
"""How a four-dimensional input lies."""
INPUT_DTYPES = ("float32", "int64")
"""What a model's input may hold: numbers, or the ids of tokens."""
_LONGEST_REASON = 300


class UserModule(NamedTuple):
    """What the user named: `path` is package.module:Class, `arguments` are (name, value as typed). Plain values."""

    path: str
    arguments: tuple[tuple[str, str], ...] = ()
    layout: str = "BNC"

    def keywords(self, w: Workload) -> dict[str, Any]:
        """The arguments as Python values; `{dim}`, `{tokens}`, `{height}` and the like stand for the row's sizes."""
        sizes = {"batch": w.batch, "height": w.height, "width": w.width, "tokens": w.tokens, "dim": w.dim}
        return keywords_of(self.arguments, sizes)

    def shape(self, w: Workload) -> tuple[int, ...]:
        """The input's shape at these sizes."""
        shapes = {
            "BNC": (w.batch, w.positions, w.dim),
            "BHWC": (w.batch, w.height, w.width, w.dim),
            "BCHW": (w.batch, w.dim, w.height, w.width),
        }
        return shapes[self.layout]


def parse_arguments(option: str, texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The (name, value) of each `name=value`.

    Raises:
        SkaprofError: one is none, or a name stands twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise bad_value(option, text, "NAME=VALUE, such as dim=256")
        if name in found:
            raise bad_value(option, text, f"{name} only once")
        found[name] = value
    return tuple(found.items())


def keywords_of(arguments: Iterable[tuple[str, str]], sizes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The arguments as Python values, each `{size}` in them replaced by the size of that name."""
    found = {}
    for name, typed in arguments:
        text = typed
        for size, value in (sizes or {}).items():
            text = text.replace(f"{{{size}}}", str(value))
        found[name] = _value(text)
    return found


def _value(text: str) -> Any:
    """A Python literal, or the text itself where it is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def load_callable(option: str, path: str) -> Callable[..., Any]:
    """The class or function at package.module:name; modules in the current folder are found too.

    Raises:
        SkaprofError: no such path, a module that fails to import, with its own error, or nothing that can be called.
    """
    module_name, colon, name = path.partition(":")
    if not colon or not all(part.isidentifier() for part in (*module_name.split("."), *name.split("."))):
        raise bad_value(option, path, "package.module:Class")
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)  # as `python -m` has it: a script that is installed starts without
    found = attempted(option, f"{module_name} cannot be imported", lambda: import_module(module_name))
    for part in name.split("."):
        if not hasattr(found, part):
            raise bad_value(
                option, path, f"a name that {module_name} has", [f"{module_name}:{near}" for near in dir(found)]
            )
        found = getattr(found, part)
    if not callable(found):
        raise bad_value(option, path, f"a class or function, and this is of type {type(found).__name__}")
    called: Callable[..., Any] = found
    return called


def attempted(option: str, trouble: str, run: Callable[[], Any]) -> Any:
    """What the user's code gives.

    Raises:
        SkaprofError: it fails: what it was, and the code's own error.
    """
    try:
        return run()
    except (Exception, SystemExit) as error:  # whatever the user's code may raise
        raise SkaprofError(f"{option}: {trouble}: {reason_of(error)}") from error


def reason_of(error: BaseException) -> str:
    """An error of code that is not ours: its type and message, on one line."""
    said = " ".join(printable(line.strip()) for line in str(error).splitlines() if line.strip())
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."


def require_same_shape(option: str, path: str, given: tuple[int, ...], got: object) -> None:
    """Nothing, where a mixer's output has its input's shape. `got` is the output, or any object that has no shape.

    Raises:
        SkaprofError: another shape, or no tensor at all.
    """
    shape = getattr(got, "shape", None)
    if shape is None:
        raise SkaprofError(
            f"{option}: {shown(path)} returns {type(got).__name__}: expected one tensor of its input's shape {given}"
        )
    if tuple(shape) != tuple(given):
        raise SkaprofError(
            f"{option}: {shown(path)} returns a tensor of shape {tuple(shape)}: expected its input's, {tuple(given)}"
        )
