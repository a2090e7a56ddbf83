"""How much of a network's accuracy needs maps that follow the image: accuracy with them frozen to their mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from skaprof.errors import SkaprofError, bad_value, named
from skaprof.grids import size_text
from skaprof.map_rows import AttentionRow
from skaprof.maps.frozen import accuracy, batches, frozen_output, mean_maps
from skaprof.maps.source import Source
from skaprof.train.image_files import load_images
from skaprof.train.training import pictures_of

MEAN_OF = 512
"""Training images that maps are averaged over."""
SCORED = 1000
"""Test images that frozen maps are scored on."""


class Labelled:
    """The images of a data set as a network takes them: those that maps are averaged over, and those scored."""

    def __init__(self, text: str, source: Source) -> None:
        """The data set that --data names.

        Raises:
            SkaprofError: as `load_images`; or its images are of another size than the network's.
        """
        folder, size = Path(text), (source.height, source.width)
        is_of_files = folder.is_dir() and not any(folder.glob("*-ubyte*"))
        data = load_images(text, size if is_of_files else None)
        if data.size != size:
            expected = f"images of {size_text(*size)}, as the network takes them, not {size_text(*data.size)}"
            raise bad_value(named("data"), text, expected)
        train, test = pictures_of(data, "cpu")
        self.train = source.takes(train.batch(_evenly(len(train), MEAN_OF))[0])
        images, self.labels = test.batch(_evenly(len(test), SCORED))
        self.images = source.takes(images)


def _evenly(count: int, most: int) -> Tensor:
    """So many places of a range, or all, evenly over it: files are often in the order of their classes."""
    return torch.arange(count)[:: max(1, -(-count // most))]


def frozen_rows(
    source: Source, rows: Sequence[AttentionRow], labelled: Labelled, said: Callable[[float], None]
) -> list[AttentionRow]:
    """The rows with the accuracy of each head's map frozen alone; then a row a layer, and one of all, frozen together.

    `said` is told how far it is, from 0 to 1.

    Raises:
        SkaprofError: the model gives no class for each image; or as `attention_maps`.
    """
    means = mean_maps(source.model, labelled.train)
    heads = [len(mean) for mean in means]
    layers = [row for row in rows if row.head == 1]
    together = [_together(row, row.layer) for row in layers] + [_together(rows[0], None)]
    plain = _accuracy(source, labelled, heads, source.model)

    def frozen(layer: int | None, head: int | None) -> float:
        return _accuracy(source, labelled, heads, lambda batch: frozen_output(source.model, batch, means, layer, head))

    found: list[AttentionRow] = []
    for row in (*rows, *together):
        layer, head = (None if number is None else number - 1 for number in (row.layer, row.head))
        known = {"accuracy": plain, "frozen_accuracy": frozen(layer, head), "test_images": len(labelled.labels)}
        found.append(row.replace(**known))
        said(len(found) / (len(rows) + len(together)))
    return found


def _together(row: AttentionRow, layer: int | None) -> AttentionRow:
    """A row of all heads of a layer, or of all layers: of their accuracy alone."""
    whole = {"scope": "", "mixer": None, "tokens": None, "heads": None} if layer is None else {}
    return row.replace(layer=layer, head=None, entropy=None, variation_between_images=None, score_rank=None, **whole)


def _accuracy(source: Source, labelled: Labelled, heads: Sequence[int], run: Callable[[Tensor], Tensor]) -> float:
    with torch.no_grad():
        outputs = [run(batch) for batch in batches(labelled.images, heads)]
    logits = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    if logits.dim() != 2 or len(logits) != len(labelled.labels):  # images and classes
        raise SkaprofError(f"{named('data')}: {source.name} gives {tuple(logits.shape)}: expected a value a class")
    return accuracy(logits, labelled.labels)
