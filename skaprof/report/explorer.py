"""The explorer page: one HTML file with the closed forms and all that draws them, which needs no server and no network.

The page's source is in `explorer_page/`; here it is put together with the data. What the page says of figures is what
the tables say of them.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

from skaprof._version import __version__
from skaprof.grids import DEFAULT_PATCH
from skaprof.report.cost_sentences import LEGEND
from skaprof.report.numbers import PREFIXES
from skaprof.report.style import MIXER_COLORS, OTHER_COLORS
from skaprof.report.table import FIGURES
from skaprof.workload import (
    DEFAULT_DIM,
    DEFAULT_HEAD_DIM,
    DEFAULT_TOKENS,
    DTYPE_BYTES,
    FORMS,
    MODES,
    SYMBOLS,
    TRITON_MOST_HEAD_DIM,
)

TITLE = "What does a token mixer cost?"
SCRIPTS = (
    "forms.js",
    "mixers.js",
    "backbones.js",
    "crossings.js",
    "machines.js",
    "numbers.js",
    "state.js",
    "svg.js",
    "charts.js",
    "looks.js",
    "tables.js",
    "controls.js",
    "page.js",
)
"""The page's scripts, each of which may use those before it."""


def explorer_page(data: Mapping[str, Any], title: str = TITLE) -> str:
    """The page for what `skaprof.analysis.explorer.explorer_data` found."""
    style, script = _source("style.css"), script_of(SCRIPTS)
    parts = {
        "title": escape(title),
        "version": __version__,
        "policy": f"default-src 'none'; style-src '{_hash_of(style)}'; script-src '{_hash_of(script)}'",
        "style": style,
        "data": json_text({**data, **_words(), "title": title, "version": __version__}),
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda mark: parts[mark[1]], _source("index.html"))


def script_of(names: tuple[str, ...]) -> str:
    """These scripts as one, whose names are its own."""
    return '(() => {\n"use strict";\n' + "\n".join(map(_source, names)) + "})();"


def json_text(value: Any) -> str:
    """JSON that may stand in a page: nothing in it ends the element that it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _words() -> dict[str, Any]:
    """What the page says as tables and figures say it."""
    return {
        "columns": [column._asdict() for column in FIGURES if column.unit is not None],
        "legend": LEGEND,
        "symbols": SYMBOLS,
        "prefixes": [[str(scale), prefix] for scale, prefix in PREFIXES],
        "colors": {"mixers": MIXER_COLORS, "others": OTHER_COLORS},
        "dtype_bytes": DTYPE_BYTES,
        "forms_known": FORMS,
        "modes": MODES,
        "triton_most_head_dim": TRITON_MOST_HEAD_DIM,
        "default_head_dim": DEFAULT_HEAD_DIM,
        "defaults": {"tokens": DEFAULT_TOKENS, "dim": DEFAULT_DIM, "patch": DEFAULT_PATCH},
    }


def _source(name: str) -> str:
    return files("skaprof.report").joinpath("explorer_page", name).read_text(encoding="utf-8")


def _hash_of(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
