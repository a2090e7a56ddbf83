"""How much of an attention's scores is computed at a time where they are never all held, and what that takes."""

from collections.abc import Callable
from typing import NamedTuple

from skaprof.workload import Size, Workload, larger

TILE_SCORES = 1024 * 1024
"""Scores of a tile, about: 4 MiB in float32.

Measured on a processor with 1 MiB of second-level cache, one thread, CSKA at 196 tokens of 320 channels and at 784 of
128, batch 1 and 8: half of it costs up to 6 % more (each product has fewer rows), a quarter 10 %, twice it nothing.
"""


class Tile(NamedTuple):
    """Heads, images and rows of queries whose scores are computed at a time."""

    heads: int
    images: int
    rows: int


def tile_of(
    batch: int,
    heads: int,
    rows: int,
    scores_a_row: int,
    most_rows: int | None = None,
    most_scores: int | None = None,
) -> Tile:
    """The tile for `rows` rows of queries an image, each with so many scores a head: at least one row.

    Rows of one head and image are taken together first, then images, which share a static key, then heads. `most_rows`
    is the most of them in a tile, where somebody chose it; `most_scores` other than TILE_SCORES.
    """
    scores = TILE_SCORES if most_scores is None else most_scores
    fitting = larger(1, scores // scores_a_row) if most_rows is None else most_rows
    if fitting < rows:
        return Tile(1, 1, _even(rows, fitting))
    images = _even(batch, larger(1, scores // (rows * scores_a_row)))
    if images < batch:
        return Tile(1, images, rows)
    return Tile(_even(heads, larger(1, scores // (batch * rows * scores_a_row))), images, rows)


def _even(whole: int, most: int) -> int:
    """The length of the pieces that `whole` falls into: as few as pieces of `most` are, and as even as can be."""
    pieces = -(-whole // most)
    return -(-whole // pieces)


def key_tile_elements(w: Workload) -> Size:
    """Most elements that a tile of queries against keys holds beside queries, keys and values."""

    return of_numbers(_key_tile, w.batch, w.heads, w.tokens, w.tokens, w.head_dim)


def _key_tile(batch: int, heads: int, queries: int, keys: int, head_dim: int) -> int:
    tile = tile_of(batch, heads, queries, keys)
    return tile.heads * tile.images * tile.rows * (keys + head_dim) + _copied(tile, keys * head_dim)


def patch_tile_elements(w: Workload, *, bias: bool) -> Size:
    """Most elements that a tile of k x k patches of queries against a static key holds beside queries and values."""

    def held(batch: int, heads: int, height: int, width: int, keys: int, head_dim: int, kernel: int) -> int:
        class_tokens = keys - height * width
        tile = tile_of(batch, heads, height, width * keys)
        items, tokens = tile.heads * tile.images, tile.rows * width
        padded = items * (tile.rows + kernel - 1) * (width + kernel - 1) * head_dim
        patches, scores = items * tokens * kernel * kernel * head_dim, items * tokens * keys
        mixed = scores + _copied(tile, keys * head_dim) + items * tokens * head_dim
        of_grid: int = int(bias) * heads * keys + larger(larger(padded + patches, patches + scores), mixed)
        if not class_tokens:
            return of_grid
        of_classes = _key_tile(batch, heads, class_tokens, keys, head_dim)
        joined = batch * keys * heads * head_dim  # the outputs of both, and then one
        most: int = larger(larger(of_grid - batch * class_tokens * heads * head_dim, of_classes), joined)
        return most

    return of_numbers(held, w.batch, w.heads, w.height, w.width, w.tokens, w.head_dim, w.kernel_size)


def _copied(tile: Tile, elements: int) -> int:
    """Elements of the values, so many an item, where they are copied: heads and images are no single dimension then."""
    return tile.heads * tile.images * elements if tile.heads > 1 and tile.images > 1 else 0


def of_numbers(function: Callable[..., int], *sizes: Size) -> Size:
    """`function` of the sizes, and of each set of them where some are arrays; 0 where a size is.

    Of symbols it is 0 too: what holds most has no polynomial, and nothing else is asked of this. Of sizes that are
    traced (`skaprof.analysis.traced`) it is what each way through the function gives.
    """

    def of_one(*numbers: int) -> int:
        return function(*numbers) if all(numbers) else 0

    whole = sum(size * 0 for size in sizes)
    if hasattr(whole, "branched"):
        return whole.branched(of_one, *sizes)
    if hasattr(whole, "flat"):
        found = whole.copy()
        each = zip(*((whole + size).flat for size in sizes), strict=True)
        found.flat = [of_one(*map(int, numbers)) for numbers in each]
        return found
    return 0 if hasattr(whole, "free_symbols") else of_one(*sizes)
