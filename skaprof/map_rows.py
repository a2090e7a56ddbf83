"""The rows of `skaprof attention`: a head of a layer, or what is frozen together."""

from __future__ import annotations

from typing import Annotated

from skaprof.records import Key, Record


class AttentionRow(Record):
    """`skaprof attention`: the attention maps of one head of one layer, in measures.

    A map is n x n: each query's weights over the keys, which sum to 1. `score_rank` is None where scores are masked, or
    where there are too many tokens to find it soon; `variation_between_images` where one image was looked at.
    """

    model: str
    checkpoint: Annotated[str | None, Key("The file that weights were loaded from; null where they are as built.")]
    image: Annotated[str, Key("The reference image, which pictures show.")]
    image_height: int
    image_width: int
    layer: Annotated[int | None, Key("Which layer of attention, the first being 1; null for all.", 1)]
    scope: str
    mixer: str | None
    tokens: int | None
    heads: int | None
    head: Annotated[int | None, Key("Which head of the layer, the first being 1; null for all.", 1)]
    images: Annotated[int, Key("How many images the measures are over.", 1)]
    entropy: Annotated[
        float | None, Key("Mean entropy of a query's attention, over that of uniform attention: 0 to 1.", 0)
    ]
    variation_between_images: Annotated[
        float | None,
        Key("Mean total variation between a query's attention on one image and on another: 0 (the same) to 1.", 0),
    ]
    score_rank: Annotated[int | None, Key("Numerical rank of the scores before softmax, of the reference image.", 0)]
    accuracy: float | None = None
    frozen_accuracy: Annotated[
        float | None, Key("Accuracy with the row's maps replaced by their mean over images, 0 to 1.", 0)
    ] = None
    test_images: int | None = None
