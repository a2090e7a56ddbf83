"""A mixer or a model of the user's own, named as `package.module:Class`: found, and given its arguments."""

import ast
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from skaprof.error_places import place_of
from skaprof.errors import SkaprofError, bad_value, named, nearest, printable, shown
from skaprof.process_wide import PROCESS_WIDE
from skaprof.workload import Workload

LAYOUTS = ("BNC", "BHWC", "BCHW")
"""How a mixer's input lies: B batch, N = H * W tokens, C channels, H x W the grid."""
MAP_LAYOUTS = LAYOUTS[1:]
"""How a four-dimensional input lies."""
INPUT_DTYPES = ("float32", "int64")
"""What a model's input may hold: numbers, or the ids of tokens."""
SOURCE_KEYS = ("arguments", "layout", "source_hash")
"""The keys of a row that tell one module, or one file's backbone, from another of its name."""
_LONGEST_REASON = 300
_IN_BRACES = re.compile(r"\{([A-Za-z_]\w*)\}")
_SIZES = ("batch", "height", "width", "tokens", "dim")
_EXPECTED_PATH = "package.module:Class or FILE.py:Class"


class UserModule(NamedTuple):
    """What the user named: `path` is package.module:Class or FILE.py:Class, `arguments` (name, value as typed)."""

    path: str
    arguments: tuple[tuple[str, str], ...] = ()
    layout: str = "BNC"

    def keywords(self, w: Workload) -> dict[str, Any]:
        """The arguments as Python values; `{dim}`, `{tokens}`, `{height}` and the like stand for the row's sizes."""
        return keywords_of(self.arguments, {name: getattr(w, name) for name in _SIZES})

    def identity(self, option: str = named("module")) -> dict[str, str | None]:
        """What tells it from another of its name, by `SOURCE_KEYS`.

        Raises:
            SkaprofError: as `load_callable`.
        """
        typed = ", ".join(f"{name}={value}" for name, value in self.arguments)
        values = (typed, self.layout, source_hash(load_callable(option, self.path)))
        return dict(zip(SOURCE_KEYS, values, strict=True))

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


def arguments_of(option: str, texts: Iterable[str], path: str, paths: Collection[str]) -> tuple[tuple[str, str], ...]:
    """The arguments of what stands at `path`: each `name=value`, and each `NAME:name=value` of its own name or path.

    `paths` are all that such a name may be of.

    Raises:
        SkaprofError: as `parse_arguments`; a name of none of them.
    """
    named_by = {word: each for each in paths for word in (each, each.rpartition(":")[2])}
    own = []
    for text in texts:
        target, colon, name = text.partition("=")[0].rpartition(":")
        if colon and target not in named_by:
            raise bad_value(option, text, f"the name of one of {', '.join(paths)} before the colon", named_by)
        if not colon or named_by[target] == path:
            own.append(f"{name}={text.partition('=')[2]}" if colon else text)
    return parse_arguments(option, own)


def require_known_sizes(option: str, arguments: Iterable[tuple[str, str]]) -> None:
    """Raise unless every name in braces is one of the row's sizes.

    Raises:
        SkaprofError: one is not.
    """
    for name, value in arguments:
        for size in _IN_BRACES.findall(value):
            if size not in _SIZES:
                expected = f"one of {', '.join(f'{{{known}}}' for known in _SIZES)} in braces"
                meant = [value.replace(f"{{{size}}}", f"{{{near}}}") for near in nearest(size, _SIZES)]
                raise bad_value(option, f"{name}={value}", expected, [f"{name}={text}" for text in meant])


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
    """The class or function at package.module:name or FILE.py:name; modules in the current folder are found too.

    Raises:
        SkaprofError: no such path, a module that fails to import, with its own error, or nothing that can be called.
    """
    module_name, colon, name = path.rpartition(":")
    parts = [*name.split("."), *([] if module_name.endswith(".py") else module_name.split("."))]
    if not colon or not all(part.isidentifier() for part in parts):
        raise bad_value(option, path, _EXPECTED_PATH)
    found: Any = attempted(option, f"{module_name} cannot be imported", lambda: _imported(option, module_name))
    for part in name.split("."):
        found = attempted(option, f"{path} cannot be found", partial(_named, option, path, found, part))
    if not callable(found):
        raise bad_value(option, path, f"a class or function, and this is of type {type(found).__name__}")
    called: Callable[..., Any] = found
    return called


def _named(option: str, path: str, holder: Any, name: str) -> Any:
    if not hasattr(holder, name):
        place = path.removesuffix(name)  # of the last name: what would be called is offered, and nothing else
        offered = [known for known in dir(holder) if place != path and callable(getattr(holder, known, None))]
        expected = f"a name that {path.rpartition(':')[0]} has"
        raise bad_value(option, path, expected, [f"{place}{near}" for near in nearest(name, offered)])
    return getattr(holder, name)


def _imported(option: str, name: str) -> ModuleType:
    """The module of that name, or in that file, whose folder is then searched as `python FILE.py` has it."""
    if not name.endswith(".py"):
        _search_in(os.getcwd())  # as `python -m` has it: a script that is installed starts without
        return import_module(name)
    from hashlib import sha256
    from importlib.util import module_from_spec, spec_from_file_location

    file = Path(os.path.realpath(name))
    if not file.is_file():
        raise bad_value(option, name, "a file that exists")
    own_name = f"{file.stem}_{sha256(str(file).encode()).hexdigest()[:8]}"  # two files may have one name
    if own_name in sys.modules:
        return sys.modules[own_name]
    spec = spec_from_file_location(own_name, file)
    assert spec is not None  # a file's loader goes by its ending, .py
    assert spec.loader is not None
    module = sys.modules[own_name] = module_from_spec(spec)
    _search_in(str(file.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[own_name]
        raise
    return module


def _search_in(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def source_hash(called: Callable[..., Any]) -> str | None:
    """The hash of the file that a class or function is defined in; None where there is no such file."""
    file = getattr(sys.modules.get(getattr(called, "__module__", "")), "__file__", None)
    return file_hash(file) if file and os.path.isfile(file) else None


def hash_there(option: str, path: str) -> str | None:
    """The hash of the file that a path of code, or of a TOML file, names.

    Raises:
        SkaprofError: there is none, or it cannot be loaded.
    """
    if not path.lower().endswith(".toml"):
        return source_hash(load_callable(option, path))
    if not os.path.isfile(path):
        raise bad_value(option, path, "a file that exists")
    return file_hash(path)


def file_hash(path: str | Path) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a file's bytes."""
    from hashlib import sha256

    return sha256(Path(path).read_bytes()).hexdigest()[:16]


def attempted(option: str, trouble: str, run: Callable[[], Any]) -> Any:
    """What code that is not ours gives, kept apart as `contained` has it.

    Raises:
        SkaprofError: it fails: what it was, and the code's own error, with the file and the line in it.
    """
    try:
        with contained():
            return run()
    except SkaprofError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's code may raise
        place = place_of(error)
        at = f" ({place})" if place else ""
        raise SkaprofError(f"{option}: {trouble}: {reason_of(error)}{at}") from error


@contextmanager
def contained() -> Iterator[None]:
    """Around code that is not ours: what it prints goes to stderr, and what it sets of PyTorch is put back.

    That is: grad mode, default dtype, the processor's threads and random numbers, if torch is loaded at all.
    One thread at a time, since all but grad mode belong to the whole process.
    """
    torch: Any = sys.modules.get("torch")
    with PROCESS_WIDE, redirect_stdout(sys.stderr):
        if torch is None:
            yield
            return
        grad, dtype, threads = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads()
        random_state = torch.get_rng_state()
        try:
            yield
        finally:
            torch.set_rng_state(random_state)
            torch.set_default_dtype(dtype)
            torch.set_grad_enabled(grad)
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)


def reason_of(error: BaseException) -> str:
    """An error of code that is not ours: its type and message, on one line."""
    said = " ".join(printable(line.strip()) for line in str(error).splitlines() if line.strip())
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."


def require_same_shape(option: str, path: str, given: tuple[int, ...], got: object) -> None:
    """Raise unless a mixer's output has its input's shape. `got` is the output, or any object that has no shape.

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
