"""A report's contents from a TOML file. Sizes are said with the words of the command line.

Example:

    title = "Mixers for our stage 3"
    sections = ["sizes", "latency"]
    mixers = ["mhsa", "ska", "cska:kernel_size=5"]
    dtype = "bfloat16"
    [[sizes]]
    resolution = "224"
    dim = 320
    [[sizes]]
    tokens = 49
    dim = 512
    [[models]]
    model = "net.py:build"
    shapes = ["1x3x224x224"]
    modes = ["forward", "train"]
    [[swaps]]
    model = "net.py:build"
    replace = ["attn=ska"]
    [latency]
    device = "cuda"
    implementations = ["eager", "sdpa"]
    runtimes = ["pytorch", "onnxruntime"]
    max_seconds = 60  # of all timing
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skaprof.analysis.report_rows import Contents
from skaprof.cli.own_contents import read_models, read_swaps
from skaprof.errors import SkaprofError, bad_value
from skaprof.grids import token_grid_sides
from skaprof.implementations import IMPLEMENTATIONS, RUNTIMES
from skaprof.model.backbones import BACKBONES
from skaprof.model.hardware import find_hardware
from skaprof.model.spec import parse_mixer
from skaprof.report.sections import SECTIONS
from skaprof.toml_file import TomlTable, read_toml
from skaprof.workload import DTYPE_BYTES, MODES

_TOP = ("title", "sections", "mixers", "batch", "dtype", "sizes", "backbone", "hardware", "latency", "models", "swaps")
_SIZE_WORDS = ("tokens", "size", "resolution", "patch")
_MOST_VALUES = 1000  # enough to tell that a size is a grid, which it may not be
_LATENCY = ("device", "implementations", "runtimes", "modes", "max_seconds")


def read_contents(path: str) -> Contents:
    """What the file asks for; what it leaves out is as in `Contents`.

    Raises:
        SkaprofError: it cannot be read, or holds a key or value that is not valid, with its line.
    """
    top = read_toml(path, "--config")
    top.require_keys(_TOP)
    readers: dict[str, Callable[[str], Any]] = {
        "title": top.sentence,
        "sections": lambda key: top.words(key, tuple(SECTIONS)),
        "mixers": lambda key: _mixers(top, key),
        "batch": top.count,
        "dtype": lambda key: top.word(key, tuple(DTYPE_BYTES)),
        "backbone": lambda key: top.word(key, tuple(BACKBONES)),
        "hardware": lambda key: _hardware(top, key),
        "sizes": lambda key: tuple(_size(table) for table in top.tables(key)),
        "models": lambda key: read_models(top.tables(key)),
        "swaps": lambda key: read_swaps(top.tables(key)),
    }
    contents = Contents(**{key: read(key) for key, read in readers.items() if key in top.values})
    return _timed(contents, top.table("latency", _LATENCY)) if "latency" in top.values else contents


def _mixers(table: TomlTable, key: str) -> tuple[str, ...]:
    return tuple(parse_mixer(text, table.label(key)).text for text in table.words(key))


def _hardware(table: TomlTable, key: str) -> str:
    """A machine's name or file, which exists."""
    find_hardware(table.sentence(key), table.label(key))
    return table.sentence(key)


def _size(table: TomlTable) -> tuple[int, int, int]:
    """(height, width, dim) of one [[sizes]] table."""
    table.require_keys((*_SIZE_WORDS, "dim"))
    if "dim" not in table.values:
        raise SkaprofError(f"{table.label('dim')}: missing: expected it with every size")
    given = {word: str(table.values[word]) for word in _SIZE_WORDS if word in table.values}
    try:
        sides = token_grid_sides(
            given.get("tokens"), given.get("size"), given.get("resolution"), given.get("patch"), _MOST_VALUES
        )
    except SkaprofError as error:
        word = next(iter(given), "tokens")
        raise SkaprofError(f"{table.label(word)}: {error.without(word)}") from None
    if len(sides) != 1:
        raise bad_value(table.label(next(iter(given))), next(iter(given.values())), "one size a table")
    return (*sides[0], table.count("dim"))


def _timed(contents: Contents, table: TomlTable) -> Contents:
    if "device" in table.values:
        contents = contents._replace(device=table.sentence("device"))
    if "implementations" in table.values:
        contents = contents._replace(implementations=table.words("implementations", tuple(IMPLEMENTATIONS)))
    if "runtimes" in table.values:
        contents = contents._replace(runtimes=table.words("runtimes", RUNTIMES))
    if "modes" in table.values:
        contents = contents._replace(modes=table.words("modes", MODES))
    if "max_seconds" in table.values:
        contents = contents._replace(max_seconds=float(table.count("max_seconds")))
    return contents
