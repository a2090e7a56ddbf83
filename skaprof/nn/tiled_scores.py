"""The scores of a tile of queries, and what a gradient of theirs means for queries and keys.

Heads come before images, (heads, images, ...), so that all images meet a static key in one matrix product.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Place(NamedTuple):
    """Where a tile lies: which heads, images and rows of queries."""

    heads: slice
    images: slice
    rows: slice

    @property
    def items(self) -> tuple[slice, slice]:
        """Its heads and images."""
        return self.heads, self.images

    @property
    def row_count(self) -> int:
        """Its number of rows."""
        return int(self.rows.stop - self.rows.start)


class Scores:
    """Scores of queries (h, B, rows, ..., e) against keys, tile by tile; scaled queries, so that no score is.

    Its gradients are sums over the tiles that `add_gradients` was called for, since `begin_gradients`.
    """

    def __init__(self, query: Tensor, key: Tensor, bias: Tensor | None, scale: float) -> None:
        self.query = query
        self.key = key
        self.bias = None if bias is None else bias * scale
        self.scale = scale

    def begin_gradients(self) -> None:
        """All gradients at zero."""
        self.query_gradient = torch.zeros_like(self.query)
        self.key_gradient = torch.zeros_like(self.key)
        self.bias_gradient = None if self.bias is None else torch.zeros_like(self.bias)

    def gradients(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """Those of queries, keys and bias."""
        return self.query_gradient, self.key_gradient, self.bias_gradient

    def to_rows(self, tokens: Tensor) -> Tensor:
        """A tile's tokens (h, B, tokens, f) as rows of its scores: (items, rows, f)."""
        return tokens.flatten(0, 1)

    def to_tokens(self, rows: Tensor, shape: torch.Size) -> Tensor:
        """(items, rows, f) as the tile's tokens, which have that shape."""
        return rows.view(shape)

    def left(self, place: Place) -> Tensor:
        """What is multiplied by the keys: (batch of the product, rows, width)."""
        raise NotImplementedError  # each kind's own

    def keys(self, place: Place) -> Tensor:
        """(batch of the product, keys, width)."""
        raise NotImplementedError  # each kind's own

    def of_tile(self, place: Place, left: Tensor) -> Tensor:
        """(items, rows, keys), for what `left` gave."""
        scores = left @ self.keys(place).transpose(-2, -1)
        if self.bias is not None:
            scores += self.bias[place.heads, None]
        items = (place.heads.stop - place.heads.start) * (place.images.stop - place.images.start)
        return scores.view(items, -1, scores.shape[-1])

    def add_gradients(self, place: Place, left: Tensor, gradient: Tensor) -> None:
        """Add what the gradient of the tile's scores (items, rows, keys) means for queries, keys and bias."""
        gradient = gradient.view(*left.shape[:2], -1)
        self.add_key_gradient(place, gradient.transpose(-2, -1) @ left)
        if self.bias_gradient is not None:
            self.bias_gradient[place.heads] += gradient.sum(1) * self.scale
        self.add_left_gradient(place, gradient @ self.keys(place))

    def add_key_gradient(self, place: Place, gradient: Tensor) -> None:
        """Add the gradient of `keys`."""
        raise NotImplementedError  # each kind's own

    def add_left_gradient(self, place: Place, gradient: Tensor) -> None:
        """Add the gradient of `left` to that of the queries."""
        raise NotImplementedError  # each kind's own


class KeyScores(Scores):
    """Tokens (h, B, n, e) against keys (h, B, n, e), or static ones (h, 1, n, e). A row is a token."""

    def left(self, place: Place) -> Tensor:
        part = self.query[place.heads, place.images, place.rows]
        scaled = part.clone(memory_format=torch.contiguous_format).mul_(self.scale)
        return scaled.flatten(1, 2) if self._is_static else scaled.flatten(0, 1)

    def keys(self, place: Place) -> Tensor:
        return self.key[place.heads, 0] if self._is_static else self.key[place.items].flatten(0, 1)

    def add_key_gradient(self, place: Place, gradient: Tensor) -> None:
        target = self.key_gradient[place.heads if self._is_static else place.items]
        target += gradient.view(target.shape)

    def add_left_gradient(self, place: Place, gradient: Tensor) -> None:
        target = self.query_gradient[place.heads, place.images, place.rows]
        target += gradient.mul_(self.scale).view(target.shape)

    @property
    def _is_static(self) -> bool:
        return self.key.shape[1] == 1


class PatchScores(Scores):
    """A convolution: k x k patches of maps (h, B, H, W, e) against static keys (h, n, k, k, e). A row is the grid's."""

    def __init__(self, query: Tensor, key: Tensor, bias: Tensor | None, scale: float) -> None:
        super().__init__(query, key, bias, scale)
        self.height, self.width, self.head_dim = map(int, query.shape[2:])
        self.kernel_size = int(key.shape[2])
        self.margin = self.kernel_size // 2

    def left(self, place: Place) -> Tensor:
        windows = self.padded(place).unfold(2, self.kernel_size, 1).unfold(3, self.kernel_size, 1)
        by_place = windows.permute(0, 1, 2, 3, 5, 6, 4).clone(memory_format=torch.contiguous_format)
        return by_place.flatten(4).flatten(1, 3)

    def keys(self, place: Place) -> Tensor:
        return self.key[place.heads].flatten(2)

    def add_key_gradient(self, place: Place, gradient: Tensor) -> None:
        target = self.key_gradient[place.heads]
        target += gradient.view(target.shape)

    def add_left_gradient(self, place: Place, gradient: Tensor) -> None:
        rows, size = place.row_count, self.kernel_size
        patches = gradient.view(gradient.shape[0], -1, rows, self.width, size, size, self.head_dim)
        padded = gradient.new_zeros(*patches.shape[:2], rows + size - 1, self.width + size - 1, self.head_dim)
        for down in range(size):
            for right in range(size):
                sides = (0, 0, right, size - 1 - right, down, size - 1 - down)
                padded = padded + F.pad(patches[:, :, :, :, down, right], sides)
        self.add_padded_gradient(place, padded)

    def add_padded_gradient(self, place: Place, padded: Tensor) -> None:
        """Add the gradient of `padded` to that of the queries."""
        first, last, above, _ = self._span(place.rows)
        inside = padded[:, :, above : above + last - first, self.margin : self.margin + self.width]
        self.query_gradient[place.heads, place.images, first:last] += inside * self.scale

    def padded(self, place: Place, more: int = 0) -> Tensor:
        """The tile's scaled maps with the margins that its patches need, and `more` columns on the right."""
        first, last, above, below = self._span(place.rows)
        part = self.query[place.heads, place.images, first:last]
        return F.pad(part, (0, 0, self.margin, self.margin + more, above, below)).mul_(self.scale)

    def _span(self, rows: slice) -> tuple[int, int, int, int]:
        """The grid's rows that patches around these touch, from and to, and how many above and below are not there."""
        first, last = max(0, rows.start - self.margin), min(self.height, rows.stop + self.margin)
        return first, last, self.margin - (rows.start - first), self.margin - (last - rows.stop)
