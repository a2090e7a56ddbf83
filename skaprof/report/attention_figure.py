"""Attention maps as pictures: a panel a layer, or a panel a head; one colour scale a picture (loads matplotlib)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from skaprof.errors import printable_lines
from skaprof.report.canvas import finish
from skaprof.report.style import STYLE

Array = np.ndarray[Any, Any]
_COLORS = "viridis"
_UNIT = "attention, in units of 1/n (uniform: 1)"
_WIDTH, _LEAST_WIDTH = 7.2, 4.2
_TOP, _BOTTOM, _MARGIN, _GAP = 0.72, 0.78, 0.08, 0.07
"""Of the title, of the colour bar, on either side, and between two panels, in inches."""
_MOST_COLUMNS, _MOST_WORDED = 6, 8
_SMALL = 6.5
_LEAST_SCALE = 2.0
_SATURATED = 99.5
"""The colour scale ends where this per cent of all values do: one key that all look at would else darken the rest."""
_OVER_IMAGE = 0.78


class Layer(NamedTuple):
    """One layer's maps (heads, n, n), rows of which sum to 1; `grid` is None where tokens have no known place."""

    title: str
    weights: Array
    grid: tuple[int, int] | None
    class_tokens: int

    @property
    def tokens(self) -> int:
        """n."""
        return int(self.weights.shape[-1])

    def of(self, head: int | None) -> Array:
        """The map of a head, or the mean over all, in units of 1/n."""
        chosen = self.weights.mean(axis=0) if head is None else self.weights[head]
        return np.asarray(chosen * self.tokens)

    def on_grid(self, values: Array) -> Array:
        """A value a token, laid out as the grid; class tokens have no place."""
        assert self.grid is not None
        return values[self.class_tokens :].reshape(self.grid)

    def query_at(self, place: tuple[float, float]) -> tuple[int, int]:
        """The row and column of the token at a place of the image, given as shares of its height and width."""
        assert self.grid is not None
        rows, columns = self.grid
        return min(int(place[0] * rows), rows - 1), min(int(place[1] * columns), columns - 1)


class Reference(NamedTuple):
    """The image (H, W, 3), 0 to 1, the query's place on it as shares of height and width, and what it is called."""

    pixels: Array
    query: tuple[float, float]
    name: str


class Panel(NamedTuple):
    """One picture's panel: values, and whether they lie on the image; `marked` is a query's row and column."""

    title: str
    values: Array
    marked: tuple[int, int] | None = None


def full_maps(layers: Sequence[Layer], model: str, *, heads: bool) -> Figure:
    """The n x n maps: queries downwards, keys to the right."""
    title = f"Attention of {model}: rows are queries, columns keys"

    def panel(layer: Layer, head: int | None) -> Panel:
        return Panel(layer.title, layer.of(head))

    return _figure(layers, panel, title, None, heads=heads)


def received_maps(layers: Sequence[Layer], model: str, reference: Reference, *, heads: bool) -> Figure:
    """How much attention each token gets, the mean over all queries, on the image."""
    title = f"Attention that each token receives, mean over queries: {model}, {reference.name}"

    def panel(layer: Layer, head: int | None) -> Panel:
        return Panel(layer.title, layer.on_grid(layer.of(head).mean(axis=0)))

    return _figure(layers, panel, title, reference, heads=heads)


def query_maps(layers: Sequence[Layer], model: str, reference: Reference, *, heads: bool) -> Figure:
    """What the token at one place of the image attends to, on the image."""
    title = f"What the token in the white square attends to: {model}, {reference.name}"

    def panel(layer: Layer, head: int | None) -> Panel:
        row, column = layer.query_at(reference.query)
        assert layer.grid is not None
        token = layer.class_tokens + row * layer.grid[1] + column
        return Panel(layer.title, layer.on_grid(layer.of(head)[token]), (row, column))

    return _figure(layers, panel, title, reference, heads=heads)


def _figure(layers: Sequence[Layer], panel: Any, title: str, reference: Reference | None, *, heads: bool) -> Figure:
    """The figure of all layers: a panel each, of the mean over heads, or a line each, a panel a head."""
    of_head = "each head" if heads else "mean over heads"
    lines = [[panel(layer, head) for head in _heads(layer, each=heads)] for layer in layers]
    found = [each.values for line in lines for each in line]
    most = np.percentile(np.concatenate([values.ravel() for values in found]), _SATURATED)
    scale = Normalize(0, max(_LEAST_SCALE, float(most)))
    with matplotlib.rc_context({**STYLE, "axes.grid": False}):
        figure, bar = _of_heads(lines, reference, scale) if heads else _of_layers(lines, reference, scale)
        is_cut = max(float(values.max()) for values in found) > (scale.vmax or 0)
        drawn = figure.colorbar(
            ScalarMappable(scale, _COLORS), cax=bar, orientation="horizontal", extend="max" if is_cut else "neither"
        )
        drawn.set_label(_UNIT, fontsize=8)
        bar.tick_params(labelsize=7)
        finish(figure, f"{title}; {of_head}", legend=False)
    return figure


def _heads(layer: Layer, *, each: bool) -> Sequence[int | None]:
    return range(len(layer.weights)) if each else (None,)


class _Sheet(NamedTuple):
    """Panels of one size in lines, in inches: laid out here, since that is done in no time for hundreds of them."""

    lines: int
    columns: int
    aspect: float
    left: float
    between: float
    widest: float = _WIDTH

    def draw(self) -> tuple[Figure, list[list[Axes]], Axes]:
        """The figure, its panels, and the axes of the colour bar."""
        inner = _WIDTH - self.left - _MARGIN - (self.columns - 1) * _GAP
        side = min(self.widest, inner / self.columns)
        high = side * self.aspect
        width = max(_LEAST_WIDTH, self.left + self.columns * (side + _GAP) - _GAP + _MARGIN)
        height = _TOP + self.lines * (high + self.between) - self.between + _BOTTOM
        figure = Figure(figsize=(width, height))

        def at(line: int, column: int) -> Axes:
            across = self.left + column * (side + _GAP)
            up = height - _TOP - high - line * (high + self.between)
            return figure.add_axes((across / width, up / height, side / width, high / height))

        panels = [[at(line, column) for column in range(self.columns)] for line in range(self.lines)]
        bar = figure.add_axes((0.2, 0.42 / height, 0.6, 0.09 / height))
        return figure, panels, bar


def _of_layers(lines: Sequence[Sequence[Panel]], reference: Reference | None, scale: Normalize) -> tuple[Figure, Axes]:
    panels = [line[0] for line in lines]
    shown = len(panels) + (reference is not None)
    columns = min(_MOST_COLUMNS, shown)
    sheet = _Sheet(-(-shown // columns), columns, _aspect(panels, reference), _MARGIN, 0.36, 2.4)
    figure, grid, bar = sheet.draw()
    free = [at for line in grid for at in line]
    for at in free[shown:]:
        at.remove()
    if reference is not None:
        _show_image(free[0], reference)
    for at, each in zip(free[shown - len(panels) : shown], panels, strict=True):
        _show(at, each, reference, scale)
        at.set_title(printable_lines(each.title), fontsize=_SMALL, loc="left", pad=3)
    return figure, bar


def _of_heads(lines: Sequence[Sequence[Panel]], reference: Reference | None, scale: Normalize) -> tuple[Figure, Axes]:
    columns = max(map(len, lines))
    word = "head " if columns <= _MOST_WORDED else ""
    sheet = _Sheet(len(lines), columns, _aspect([line[0] for line in lines], reference), 1.3, 0.16, 1.2)
    figure, grid, bar = sheet.draw()
    for number, (line, of_line) in enumerate(zip(lines, grid, strict=True)):
        for at in of_line[len(line) :]:
            at.remove()
        for place, (at, each) in enumerate(zip(of_line, line, strict=False)):
            _show(at, each, reference, scale)
            if number == 0 or place >= len(lines[number - 1]):
                at.set_title(f"{word}{place + 1}", fontsize=_SMALL, pad=3)
        title = printable_lines(line[0].title)
        of_line[0].set_ylabel(title, fontsize=_SMALL, rotation=0, ha="right", va="center", labelpad=4)
    return figure, bar


def _aspect(panels: Sequence[Panel], reference: Reference | None) -> float:
    """Height over width of a panel."""
    height, width = panels[0].values.shape if reference is None else reference.pixels.shape[:2]
    return float(height / width)


def _show_image(axes: Axes, reference: Reference) -> None:
    axes.imshow(reference.pixels)
    axes.set_title("image", fontsize=6.5, loc="left", pad=3)
    _bare(axes)


def _show(axes: Axes, panel: Panel, reference: Reference | None, scale: Normalize) -> None:
    if reference is None:
        axes.imshow(panel.values, cmap=_COLORS, norm=scale, interpolation="nearest")
        _bare(axes)
        return
    height, width = reference.pixels.shape[:2]
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    axes.imshow(reference.pixels.mean(axis=2), cmap="gray", vmin=0, vmax=1, extent=extent)
    axes.imshow(panel.values, cmap=_COLORS, norm=scale, interpolation="nearest", extent=extent, alpha=_OVER_IMAGE)
    if panel.marked is not None:
        rows, columns = panel.values.shape
        row, column = panel.marked
        corner = column * width / columns - 0.5, row * height / rows - 0.5
        axes.add_patch(Rectangle(corner, width / columns, height / rows, fill=False, edgecolor="white", linewidth=1.0))
    _bare(axes)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def pictures(layers: Sequence[Layer], model: str, reference: Reference) -> Iterator[tuple[str, Figure]]:
    """Every picture by its name; those on the image are of the layers whose tokens have a place on it."""
    placed = [layer for layer in layers if layer.grid is not None]
    for heads, suffix in ((False, ""), (True, "_heads")):
        yield f"maps{suffix}", full_maps(layers, model, heads=heads)
        if placed:
            yield f"received{suffix}", received_maps(placed, model, reference, heads=heads)
            yield f"query{suffix}", query_maps(placed, model, reference, heads=heads)


PICTURES = tuple(f"{name}{suffix}" for name in ("maps", "received", "query") for suffix in ("", "_heads"))
"""The names of all pictures."""
