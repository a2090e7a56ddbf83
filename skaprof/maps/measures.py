"""What attention maps are like, in numbers: each a figure a head."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor

MOST_RANKED = 1024
"""Tokens above which no rank is sought: singular values of n x n scores take time as n^3."""
_MASKED = 6e4
"""Scores beyond this are masks: the least number of any dtype, or minus infinity."""


def entropy(weights: Tensor) -> Tensor:
    """The mean entropy of a query's attention over that of uniform attention: 1 is uniform, 0 is one key alone.

    Args:
        weights: (heads, n, n), rows of which sum to 1.

    Returns:
        (heads,), in float64.
    """
    of_queries: Tensor = torch.special.entr(weights.double()).sum(dim=-1)
    return (of_queries.mean(dim=-1) / log(weights.shape[-1])).clamp(0, 1)


def variation(weights: Sequence[Tensor]) -> Tensor:
    """The mean total variation between a query's attention on two images, over all pairs of them.

    Half the sum of absolute differences: 0 where the map is the same for all images, 1 where no two images attend to
    one key in common.

    Args:
        weights: (heads, n, n) of each image, two or more.

    Returns:
        (heads,), in float64.
    """
    stacked = torch.stack(tuple(weights)).double()
    of_pairs = [
        (stacked[place + 1 :] - stacked[place]).abs().sum(dim=-1).mean(dim=-1) / 2 for place in range(len(stacked) - 1)
    ]
    return torch.cat(of_pairs).mean(dim=0).clamp(0, 1)


def score_rank(scores: Tensor) -> list[int | None]:
    """The numerical rank of each head's scores (heads, n, n): how many singular values exceed n float32 roundings of
    the largest. Attention of head_dim e has no more than e; a convolution of k x k queries k * k * e, and 1 for a bias.

    None where scores are masked, and where there are more than `MOST_RANKED` tokens.
    """
    heads, tokens = scores.shape[:2]
    if tokens > MOST_RANKED or not bool((scores.abs() < _MASKED).all()):
        return [None] * heads
    tolerance = tokens * torch.finfo(torch.float32).eps
    ranks: list[int | None] = torch.linalg.matrix_rank(scores.double(), rtol=tolerance).tolist()
    return ranks
