"""A 3 x 3 convolution's scores by Winograd's F(4, 3): four neighbours in a row of the grid from six products, not 12.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks" (arXiv 1509.09308), at the points 0, 1, -1, 2, -2
and infinity, along one dimension; the three rows of a patch stay side by side in each product.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from skaprof.nn.tiled_scores import PatchScores, Place

WINOGRAD_KERNEL = 3
_OUTPUTS, _POINTS = 4, 6
_INPUT = (
    (4.0, 0.0, -5.0, 0.0, 1.0, 0.0),
    (0.0, -4.0, -4.0, 1.0, 1.0, 0.0),
    (0.0, 4.0, -4.0, -1.0, 1.0, 0.0),
    (0.0, -2.0, -1.0, 2.0, 1.0, 0.0),
    (0.0, 2.0, -1.0, -2.0, 1.0, 0.0),
    (0.0, 4.0, 0.0, -5.0, 0.0, 1.0),
)
_KEY = (
    (1 / 4, 0.0, 0.0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0.0, 0.0, 1.0),
)
_OUTPUT = (
    (1.0, 1.0, 1.0, 1.0, 1.0, 0.0),
    (0.0, 1.0, -1.0, 2.0, -2.0, 0.0),
    (0.0, 1.0, 1.0, 4.0, 4.0, 0.0),
    (0.0, 1.0, -1.0, 8.0, -8.0, 1.0),
)


class WinogradScores(PatchScores):
    """As `PatchScores`, of a 3 x 3 kernel. A tile's rows are (output, row of the grid, four columns), those beyond the
    grid's last column among them."""

    def __init__(self, query: Tensor, key: Tensor, bias: Tensor | None, scale: float) -> None:
        super().__init__(query, key, bias, scale)
        self.columns = -(-self.width // _OUTPUTS)
        self.beyond = self.columns * _OUTPUTS - self.width
        self.to_input, self.to_key, self.to_output = (
            torch.tensor(rows, dtype=query.dtype, device=query.device) for rows in (_INPUT, _KEY, _OUTPUT)
        )
        by_tap = key.permute(3, 0, 1, 2, 4)  # (kx, h, n, ky, e)
        self.point_keys = (self.to_key @ by_tap.flatten(1)).view(_POINTS, *key.shape[:2], -1)

    def begin_gradients(self) -> None:
        super().begin_gradients()
        self.point_key_gradient = torch.zeros_like(self.point_keys)

    def gradients(self) -> tuple[Tensor, Tensor, Tensor | None]:
        by_tap = self.to_key.t() @ self.point_key_gradient.flatten(1)
        heads, keys = self.key.shape[:2]
        of_key = by_tap.view(WINOGRAD_KERNEL, heads, keys, WINOGRAD_KERNEL, -1).permute(1, 2, 3, 0, 4)
        return self.query_gradient, of_key, self.bias_gradient

    def to_rows(self, tokens: Tensor) -> Tensor:
        padded = F.pad(tokens.unflatten(2, (-1, self.width)), (0, 0, 0, self.beyond))
        by_output = padded.unflatten(3, (self.columns, _OUTPUTS)).permute(0, 1, 4, 2, 3, 5)
        return by_output.flatten(2, 4).flatten(0, 1)

    def to_tokens(self, rows: Tensor, shape: torch.Size) -> Tensor:
        by_output = rows.view(*shape[:2], _OUTPUTS, -1, self.columns, shape[-1])
        by_place = by_output.permute(0, 1, 3, 4, 2, 5).flatten(3, 4)
        return by_place[:, :, :, : self.width].flatten(2, 3)

    def left(self, place: Place) -> Tensor:
        """Each point's three rows of transformed queries: (6 * heads, images * rows * columns, 3 * e)."""
        windows = self.padded(place, self.beyond).unfold(3, _POINTS, _OUTPUTS).permute(5, 0, 1, 2, 3, 4)
        points = (self.to_input @ windows.flatten(1)).view(windows.shape)
        three = points.unfold(3, WINOGRAD_KERNEL, 1).permute(0, 1, 2, 3, 4, 6, 5)
        return three.flatten(5).flatten(2, 4).flatten(0, 1)

    def keys(self, place: Place) -> Tensor:
        return self.point_keys[:, place.heads].flatten(0, 1)

    def of_tile(self, place: Place, left: Tensor) -> Tensor:
        products = left @ self.keys(place).transpose(-2, -1)
        items = (place.heads.stop - place.heads.start) * (place.images.stop - place.images.start)
        by_item = products.view(_POINTS, items, -1).transpose(0, 1)
        scores = self.to_output.expand(items, -1, -1) @ by_item
        if self.bias is not None:
            of_heads = scores.view(place.heads.stop - place.heads.start, -1, products.shape[-1])
            of_heads += self.bias[place.heads, None]
        return scores.view(items, -1, products.shape[-1])

    def add_gradients(self, place: Place, left: Tensor, gradient: Tensor) -> None:
        items, _, keys = gradient.shape
        if self.bias_gradient is not None:
            of_heads = gradient.view(place.heads.stop - place.heads.start, -1, keys)
            self.bias_gradient[place.heads] += of_heads.sum(1) * self.scale
        by_item = self.to_output.t().expand(items, -1, -1) @ gradient.view(items, _OUTPUTS, -1)
        products = by_item.transpose(0, 1).reshape(*left.shape[:2], keys)
        self.add_key_gradient(place, products.transpose(-2, -1) @ left)
        self.add_left_gradient(place, products @ self.keys(place))

    def add_key_gradient(self, place: Place, gradient: Tensor) -> None:
        target = self.point_key_gradient[:, place.heads]
        target += gradient.view(target.shape)

    def add_left_gradient(self, place: Place, gradient: Tensor) -> None:
        heads = place.heads.stop - place.heads.start
        shape = (_POINTS, heads, -1, place.row_count, self.columns, WINOGRAD_KERNEL, self.head_dim)
        three = gradient.view(shape)
        points = gradient.new_zeros(*three.shape[:3], place.row_count + 2, self.columns, self.head_dim)
        for down in range(WINOGRAD_KERNEL):
            points = points + F.pad(three[..., down, :], (0, 0, 0, 0, down, 2 - down))
        windows = (self.to_input.t() @ points.flatten(1)).view(points.shape)
        columns = self.columns * _OUTPUTS
        padded = gradient.new_zeros(*points.shape[1:4], columns + 2, self.head_dim)
        for right in range(_POINTS):
            padded[:, :, :, right : right + columns - 3 : _OUTPUTS] += windows[right]
        self.add_padded_gradient(place, padded)
