"""Attention some rows of queries at a time: no n x n scores, forward or backward, in plain PyTorch on any device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from skaprof.model.tiles import Tile, tile_of
from skaprof.nn.tiled_scores import KeyScores, PatchScores, Place, Scores
from skaprof.nn.winograd import WinogradScores

SCORES: dict[str, type[Scores]] = {
    "keys": KeyScores,
    "patches": PatchScores,
    "winograd": WinogradScores,
}


def tiled_attention(
    kind: str, query: Tensor, key: Tensor, bias: Tensor | None, value: Tensor, scale: float, tile: int | None
) -> Tensor:
    """softmax(scores) v of each head and image, (h, B, queries, f).

    Queries and keys are as `SCORES[kind]` takes them, values (h, B, keys, f); `tile` is the most rows at a time. The
    backward computes each tile's scores anew: what is saved are the arguments.
    """
    device = query.device.type
    if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
        with torch.autocast(device, enabled=False):
            return tiled_attention(kind, query, key, bias, value, scale, tile)
    key, value = key.to(query.dtype), value.to(query.dtype)  # autocast has cast the queries, and no parameter
    bias = None if bias is None else bias.to(query.dtype)
    tensors = (query, key, bias, value)
    if torch.is_grad_enabled() and any(tensor is not None and tensor.requires_grad for tensor in tensors):
        mixed: Tensor = _Tiled.apply(*tensors, kind, scale, tile)  # type: ignore[no-untyped-call]  # PyTorch types no apply
        return mixed
    return _mixed(SCORES[kind](query, key, bias, scale), value, tile)


class _Tiled(torch.autograd.Function):
    """`_mixed` and its gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        bias: Tensor | None,
        value: Tensor,
        kind: str,
        scale: float,
        tile: int | None,
    ) -> Tensor:
        ctx.save_for_backward(query, key, bias, value)
        ctx.how = kind, scale, tile
        return _mixed(SCORES[kind](query, key, bias, scale), value, tile)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, bias, value = ctx.saved_tensors
        kind, scale, tile = ctx.how
        scores = SCORES[kind](query, key, bias, scale)
        scores.begin_gradients()
        value_gradient = torch.zeros_like(value)
        for place, tokens in _places(scores, value, tile):
            _add_gradients(scores, place, value, gradient[place.heads, place.images, tokens], value_gradient)
        return *scores.gradients(), value_gradient, None, None, None


def _mixed(scores: Scores, value: Tensor, tile: int | None) -> Tensor:
    heads, batch = scores.query.shape[:2]
    tokens = scores.query.shape[2:-1].numel()
    by_token = value.new_empty(batch, tokens, heads, value.shape[-1])
    mixed = by_token.permute(2, 0, 1, 3)
    for place, held in _places(scores, value, tile):
        target = mixed[place.heads, place.images, held]
        target.copy_(scores.to_tokens(_mixed_tile(scores, place, value), target.shape))
    return mixed


def _mixed_tile(scores: Scores, place: Place, value: Tensor) -> Tensor:
    """(items, rows, f); what it holds in between is gone before the next tile."""
    return _weights(scores, place, scores.left(place)) @ value[place.items].flatten(0, 1)


def _weights(scores: Scores, place: Place, left: Tensor) -> Tensor:
    found = scores.of_tile(place, left)
    return torch.softmax(found, -1, out=found)


def _add_gradients(scores: Scores, place: Place, value: Tensor, gradient: Tensor, value_gradient: Tensor) -> None:
    """Add to all gradients what the gradient of one tile's output means."""
    left = scores.left(place)
    weights = _weights(scores, place, left)
    of_rows = scores.to_rows(gradient)
    target = value_gradient[place.items]
    target += (weights.transpose(-2, -1) @ of_rows).view(target.shape)
    into_weights = of_rows @ value[place.items].flatten(0, 1).transpose(-2, -1)
    into_scores = torch.ops.aten._softmax_backward_data(into_weights, weights, -1, weights.dtype)
    del weights, into_weights
    scores.add_gradients(place, left, into_scores)


def _places(scores: Scores, value: Tensor, tile: int | None) -> Iterator[tuple[Place, slice]]:
    """Each tile's place, and which tokens its rows are."""
    heads, batch, rows = map(int, scores.query.shape[:3])
    tokens_a_row = int(scores.query.shape[3:-1].numel())
    step = tile_of(batch, heads, rows, tokens_a_row * int(value.shape[2]), tile)
    if value.is_meta:  # no memory to spare: one tile tells what all do
        step = Tile(heads, batch, rows)
    for of_heads in pieces(heads, step.heads):
        for of_images in pieces(batch, step.images):
            for of_rows in pieces(rows, step.rows):
                tokens = slice(of_rows.start * tokens_a_row, of_rows.stop * tokens_a_row)
                yield Place(of_heads, of_images, of_rows), tokens


def pieces(whole: int, length: int) -> Iterator[slice]:
    """`whole` in pieces of this length, the last one perhaps shorter."""
    for start in range(0, whole, length):
        yield slice(start, min(whole, start + length))
