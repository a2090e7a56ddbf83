"""How figures look: colours, markers, fonts, and the text that users give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import cycle
from textwrap import wrap
from typing import Any

from skaprof.errors import printable

MIXER_COLORS = {
    "mhsa": "#0072B2",
    "ska": "#D55E00",
    "cska": "#009E73",
    "linear": "#CC79A7",
    "sepconv": "#E69F00",
    "pooling": "#56B4E9",
    "identity": "#999999",
}
"""One colour for one mixer in every figure: those of Okabe and Ito, "Color Universal Design" (2008)."""
OTHER_COLORS = ("#000000", "#882255", "#332288", "#999933", "#661100")
"""Of what is no mixer of skaprof, in order: Tol, "Colour Schemes" (2021), muted."""
ACCENT, NEUTRAL, FAINT = "#5B2C83", "#444444", "#B8B8B8"
"""For what is of no one mixer: what a figure is about, lines that help to read it, and the many around it."""
MARKERS = "osD^vP*X"
DASHES: tuple[Any, ...] = (
    "-",
    "--",
    "-.",
    (0, (1, 1)),
    (0, (6, 1, 1, 1, 1, 1)),
    (0, (8, 3)),
    (0, (3, 1)),
    (0, (4, 1, 1, 3)),
)
STYLE = {
    "figure.dpi": 150,
    "font.size": 9,
    "font.family": "DejaVu Sans",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "svg.hashsalt": "skaprof",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,  # text stays text, as publishers ask
    "text.parse_math": False,  # a dollar in a name is one
    "savefig.facecolor": "white",
}
_SHADES = (-0.4, 0.45, -0.65, 0.65)
"""Of a mixer's specs with options, in order: towards black below 0, towards white above."""
_SWAPPED = re.compile(r"[^=]*\bstage\d+=(?P<spec>[^,\[\]]+)\]?")


def colors_of(names: Sequence[str]) -> dict[str, str]:
    """The colour of each name: of a mixer its own, with options a shade of it; of all else another, in order.

    A backbone with one stage swapped has the colour of the mixer put there.
    """
    found: dict[str, str] = {}
    others = cycle(OTHER_COLORS)
    shades = {family: cycle(_SHADES) for family in MIXER_COLORS}
    of_spec: dict[str, str] = {}
    for name in dict.fromkeys(names):
        spec = _spec(name)
        family = spec.partition(":")[0]
        if family not in MIXER_COLORS:
            found[name] = next(others)
        elif spec == family:
            found[name] = MIXER_COLORS[family]
        else:
            if spec not in of_spec:
                of_spec[spec] = _shade(MIXER_COLORS[family], next(shades[family]))
            found[name] = of_spec[spec]
    return found


def _spec(name: str) -> str:
    """The mixer that a name is of: itself, or what it puts into the one stage that it swaps."""
    swapped = _SWAPPED.fullmatch(name)
    return swapped["spec"] if swapped else name


def _shade(color: str, towards: float) -> str:
    end = 255 if towards > 0 else 0
    parts = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(part + (end - part) * abs(towards)):02X}" for part in parts)


def wrapped(text: str, width: int) -> str:
    """Text in as few lines as it takes, of about one length, as a figure may show it: none has a word alone."""
    shown = printable(text)
    most = len(wrap(shown, width))
    longest = min(width, max(map(len, shown.split()), default=1))
    evened = (wrap(shown, narrower) for narrower in range(longest, width + 1))
    return "\n".join(next(lines for lines in evened if len(lines) <= most))
