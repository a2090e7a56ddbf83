"""How figures look: colours, markers, fonts, and the text that users give them."""

from textwrap import fill

from skaprof.errors import printable

# Okabe and Ito, "Color Universal Design" (2008): eight colours that every kind of colour vision tells apart.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
MARKERS = "osD^vP*X"
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
    "text.parse_math": False,  # a dollar in a name is one
    "savefig.facecolor": "white",
}


def wrapped(text: str, width: int) -> str:
    """Text in lines, as a figure may show it."""
    return fill(printable(text), width)
