"""Attention maps in measures, as a table and sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import mean

from skaprof.map_rows import AttentionRow
from skaprof.report.model import Column, table_of
from skaprof.report.numbers import counted, significant
from skaprof.report.plain_table import PlainTable

LEGEND = {
    "entropy": "entropy = of a query's attention, over that of uniform attention",
    "variation_between_images": "variation = total variation of a query's attention from image to image, "
    "0 the same to 1 nothing in common",
    "score_rank": "rank = of the n x n scores before softmax, singular values above n float32 roundings of the largest",
    "frozen_accuracy": "frozen accuracy = with the maps replaced by their mean over images",
}


def attention_table(rows: Sequence[AttentionRow]) -> PlainTable:
    """One line a layer and head."""
    columns = [
        Column(("layer",), "layer", True, lambda row: _whole(row.layer)),
        Column(("scope",), "scope", False, lambda row: str(row.scope)),
        Column(("mixer",), "mixer", False, lambda row: row.mixer or "-"),
        Column(("tokens",), "tokens", True, lambda row: _whole(row.tokens)),
        Column(("head",), "head", True, lambda row: "all" if row.head is None else f"{row.head}"),
        Column(("entropy",), "entropy", True, lambda row: _share(row.entropy)),
    ]
    if any(row.variation_between_images is not None for row in rows):
        columns.append(
            Column(("variation_between_images",), "variation", True, lambda row: _share(row.variation_between_images))
        )
    columns.append(Column(("score_rank",), "rank", True, lambda row: _whole(row.score_rank)))
    if any(row.frozen_accuracy is not None for row in rows):
        columns.append(
            Column(("frozen_accuracy",), "frozen\naccuracy (%)", True, lambda row: _percent(row.frozen_accuracy))
        )
    table = table_of(columns)
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        ends = following is not None and following.layer != row.layer
        table.add_row(*(column.text(row) for column in columns), end_section=ends, of=row)
    return table


def _whole(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def heading(rows: Sequence[AttentionRow]) -> str:
    """What all rows share."""
    first = rows[0]
    weights = "weights as built" if first.checkpoint is None else f"weights of {first.checkpoint}"
    return f"{first.model}, {first.image_height} x {first.image_width}, {weights}, {first.image}"


def sentences(rows: Sequence[AttentionRow]) -> list[str]:
    """What stands out: where attention is most and least even, what varies with the image, what ranks allow."""
    heads = [row for row in rows if row.head is not None]
    told = [*_entropy_sentences(heads), *_variation_sentences(heads)]
    if any(row.score_rank is None for row in heads):
        told.append("No rank (-) where scores are masked, or of more than 1,024 tokens.")
    if rows[0].checkpoint is None:
        told.append("No checkpoint was loaded: these are the maps of the weights that the model is built with.")
    return [*told, *_frozen_sentences(rows)]


def _entropy_sentences(heads: Sequence[AttentionRow]) -> Iterator[str]:
    most = max(heads, key=lambda row: row.entropy or 0)
    least = min(heads, key=lambda row: row.entropy or 0)
    yield (
        f"{counted(len(heads), 'head')}: attention is most even in {_name(most)} (entropy {_share(most.entropy)}) and "
        f"least in {_name(least)} ({_share(least.entropy)})."
    )


def _variation_sentences(heads: Sequence[AttentionRow]) -> Iterator[str]:
    values = [row.variation_between_images for row in heads if row.variation_between_images is not None]
    if not values:
        yield "Variation between images needs more than one: repeat --image."
        return
    yield (
        f"Over {counted(heads[0].images, 'image')}, a query's attention differs by {significant(mean(values), 3)} in "
        f"the mean of all heads, from {significant(min(values), 3)} to {significant(max(values), 3)}."
    )


def _frozen_sentences(rows: Sequence[AttentionRow]) -> Iterator[str]:
    whole = rows[-1]
    if whole.layer is not None or whole.accuracy is None or whole.frozen_accuracy is None:
        return
    lost = 100 * (whole.accuracy - whole.frozen_accuracy)
    yield (
        f"With every map frozen to its mean over training images, accuracy goes from {_percent(whole.accuracy)} % to "
        f"{_percent(whole.frozen_accuracy)} % on {counted(whole.test_images or 0, 'test image')}: maps that follow the "
        f"image are worth {lost:.1f} points here."
    )


def _name(row: AttentionRow) -> str:
    return f"layer {row.layer}, head {row.head}"
