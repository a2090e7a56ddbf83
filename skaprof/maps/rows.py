"""Attention maps of one model on some images, as rows: what each head of each layer does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from skaprof.errors import SkaprofError, named
from skaprof.foreign_code import attempted
from skaprof.map_rows import AttentionRow
from skaprof.maps.capture import AttentionMap, attention_maps
from skaprof.maps.measures import entropy, score_rank, variation
from skaprof.maps.source import Source

MOST_BYTES = 4 << 30
"""What the maps of all images may take."""


def maps_of_images(source: Source, images: Sequence[Tensor], notes: list[str]) -> list[list[AttentionMap]]:
    """The maps of each image (1, 3, H, W), the first the reference image.

    Raises:
        SkaprofError: as `attention_maps`; the model fails, with its own error; or the maps would take too much memory.
    """
    found: list[list[AttentionMap]] = []
    for image in images:
        found.append(_maps_of(source, image, None if found else notes))
        size = sum(layer.weights.nbytes for layer in found[0]) * len(images)
        if size > MOST_BYTES:
            raise SkaprofError(
                f"{named('image')}: the attention maps of {len(images)} images take {size / 2**30:.1f} GiB: expected "
                f"fewer images, or smaller ones, of at most {MOST_BYTES >> 30} GiB"
            )
    return found


def _maps_of(source: Source, image: Tensor, notes: list[str] | None) -> list[AttentionMap]:
    given = source.takes(image)
    trouble = f"{source.name} cannot run on {tuple(given.shape)}"
    found: list[AttentionMap] = attempted("MODEL", trouble, lambda: attention_maps(source.model, given, notes))
    return found


def attention_rows(
    source: Source, images: Sequence[Sequence[AttentionMap]], image: str, checkpoint: str | None
) -> list[AttentionRow]:
    """A row a layer and head: measures over the images, the rank of the first."""
    rows = []
    for number, layer in enumerate(images[0], start=1):
        of_images = [maps[number - 1].weights for maps in images]
        tokens = layer.weights.shape[-1]
        shared: dict[str, Any] = {
            "model": source.name,
            "checkpoint": checkpoint,
            "image": image,
            "image_height": source.height,
            "image_width": source.width,
            "layer": number,
            "scope": layer.scope,
            "mixer": source.place(layer.scope, tokens).mixer,
            "tokens": tokens,
            "heads": len(layer.weights),
            "images": len(images),
        }
        entropies = torch.stack([entropy(weights) for weights in of_images]).mean(dim=0)
        variations = variation(of_images) if len(images) > 1 else None
        for head, rank in enumerate(score_rank(layer.scores)):
            rows.append(
                AttentionRow(
                    **shared,
                    head=head + 1,
                    entropy=float(entropies[head]),
                    variation_between_images=None if variations is None else float(variations[head]),
                    score_rank=rank,
                )
            )
    return rows
