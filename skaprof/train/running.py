"""One training of a comparison: begun, and its row once it is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skaprof.train.images import Array, held_out
from skaprof.train.jobs import Asked, Job, row_of
from skaprof.train.training import Pictures, Score, Training
from skaprof.trained import TrainedRow, TrialRow

Both = tuple[Pictures, Pictures]
"""The training images, and those to score on."""


def begun(job: Job, rate: float, asked: Asked, pictures: Both) -> tuple[Training, Array]:
    """A job's training before its first step, and the places of the training images that a trial is scored on."""
    data, recipe = asked.data, asked.recipe
    everything = np.arange(len(data.train_labels))
    places, out = held_out(data, recipe.validation) if job.is_trial else (everything, everything)
    return Training(job.contender.network, recipe, job.seed, rate, pictures[0], places), out


def ended(
    job: Job, asked: Asked, identity: Mapping[str, Any], training: Training, pictures: Both, out: Array
) -> tuple[TrialRow | TrainedRow, Score | None]:
    """The row of a job that is over, and its score, None where it diverged."""
    score = None
    if not training.diverged:
        score = training.score(pictures[0], out) if job.is_trial else training.score(pictures[1])
    return row_of(job, asked, identity, training, score), score
