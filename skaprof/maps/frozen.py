"""A model whose attention no longer depends on its input: maps replaced by their mean over images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from skaprof.errors import SkaprofError
from skaprof.maps.capture import attention_maps, watched

_BATCH = 64


def batches(images: Tensor, heads: Sequence[int]) -> Iterator[Tensor]:
    """The images some at a time, never as many as a layer has heads: so the two axes of a map are told apart."""
    place = 0
    while place < len(images):
        count = min(_BATCH, len(images) - place)
        while count in heads and count > 1:
            count -= 1
        yield images[place : place + count]
        place += count


def mean_maps(model: nn.Module, images: Tensor) -> list[Tensor]:
    """The mean map over images (N, ...) of every layer, each (heads, n, n).

    Raises:
        SkaprofError: as `attention_maps`.
    """
    heads = [len(layer.weights) for layer in attention_maps(model, images[:1])]
    sums: list[Tensor] = []
    for batch in batches(images, heads):
        for place, weights in enumerate(_maps_of(model, batch, heads)):
            if place == len(sums):
                sums.append(torch.zeros(weights.shape[1:], dtype=torch.float64))
            sums[place] += weights.double().sum(dim=0)
    return [(total / len(images)).float() for total in sums]


def _maps_of(model: nn.Module, batch: Tensor, heads: Sequence[int]) -> list[Tensor]:
    found: list[Tensor] = []

    def look(scope: str, scores: Tensor, weights: Tensor) -> Tensor:
        found.append(_by_image(weights, len(batch), heads[len(found)]).clone())
        return weights

    with watched(model, look):
        model(batch)
    return found


def frozen_output(
    model: nn.Module, batch: Tensor, means: Sequence[Tensor], layer: int | None = None, head: int | None = None
) -> Tensor:
    """What the model gives for a batch where its maps are the `means`: of all layers, of one, or of one head of one.

    Args:
        batch: (B, ...), where B is none of the layers' numbers of heads, or 1.
        means: (heads, n, n) a layer, as `mean_maps` gives them.
        layer, head: counted from 0; None for all.
    """
    seen = 0

    def look(scope: str, scores: Tensor, weights: Tensor) -> Tensor:
        nonlocal seen
        place, seen = seen, seen + 1
        if layer not in (None, place):
            return weights
        mean = means[place].to(weights)
        replaced = weights.clone()
        chosen = slice(None) if head is None else slice(head, head + 1)
        _by_image(replaced, len(batch), len(mean))[:, chosen] = mean[chosen]
        return replaced

    with watched(model, look):
        output: Tensor = model(batch)
    return output


def _by_image(weights: Tensor, batch: int, heads: int) -> Tensor:
    """A batch's maps, laid out in whatever way, seen as (batch, heads, n, n).

    Raises:
        SkaprofError: they are not of so many images and heads.
    """
    match tuple(weights.shape[:-2]):
        case (first, second) if (first, second) == (batch, heads):
            return weights
        case (first, second) if (first, second) == (heads, batch):
            return weights.transpose(0, 1)
        case (both,) if both == batch * heads:  # images before heads, as nn.MultiheadAttention has them
            apart: Tensor = weights.unflatten(0, (batch, heads))
            return apart
        case other:
            raise SkaprofError(
                f"attention of shape {(*other, *weights.shape[-2:])} for {batch} images and {heads} heads: expected "
                "(images, heads, n, n), (heads, images, n, n) or (images * heads, n, n)"
            )


def accuracy(outputs: Tensor, labels: Tensor) -> float:
    """The share of rows (N, classes) whose largest value is the label's."""
    return float((outputs.argmax(dim=-1) == labels).double().mean())
