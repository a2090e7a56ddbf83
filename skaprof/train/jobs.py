"""What a comparison is made of: which networks are trained with what, how much work that is, and the row of each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from skaprof.analysis.accuracy import hits_text
from skaprof.analysis.contenders import Contender
from skaprof.shards import Shard
from skaprof.train.images import Images
from skaprof.train.recipe import Recipe, hash_of
from skaprof.train.training import Score, Training
from skaprof.trained import DIVERGED, TRAINED, TrainedRow, TrialRow

_TRIAL_SEED = 0
_TRAINING_COST = 3
"""Work of a training image over that of an image scored: forward, and twice that backward."""


class Asked(NamedTuple):
    """What is to be trained, and how."""

    contenders: Sequence[Contender]
    data: Images
    data_hash: str
    recipe: Recipe
    seeds: int
    margin: float
    device: str
    weights: Path | None = None
    shard: Shard | None = None
    """Of all networks, those that `contenders` are: with all seeds and trials of each, so that its learning rate is
    chosen once, and is one over its seeds."""

    @property
    def settings(self) -> dict[str, Any]:
        """What two runs of one file have alike."""
        found = {**self.recipe._asdict(), "recipe_hash": self.recipe.hash, "shard": self.shard and str(self.shard)}
        found |= {"data": self.data.name, "data_hash": self.data_hash}
        return cast("dict[str, Any]", json.loads(json.dumps(found)))


class Job(NamedTuple):
    """One training: of a learning rate that is tried, or with a seed and the best of the rates (then it is None)."""

    contender: Contender
    seed: int
    learning_rate: float | None
    is_trial: bool


def missing_jobs(asked: Asked, trials: Sequence[TrialRow], runs: Sequence[TrainedRow]) -> Iterator[Job]:
    """Trials first, as many for each network; then seed by seed, so that whatever ends it leaves whole pairs."""
    rates = asked.recipe.learning_rates
    tried = {(trial.model, trial.learning_rate) for trial in trials}
    for contender in asked.contenders if len(rates) > 1 else ():
        for rate in rates:
            if (contender.name, rate) not in tried:
                yield Job(contender, _TRIAL_SEED, rate, is_trial=True)
    done = {(run.model, run.seed) for run in runs}
    for seed in range(asked.seeds):
        for contender in asked.contenders:
            if (contender.name, seed) not in done:
                yield Job(contender, seed, None, is_trial=False)


def work_of(job: Job, asked: Asked) -> float:
    """About how much a job takes, in multiply-adds."""
    images, held_out = len(asked.data.train_labels), len(asked.data.train_labels) * asked.recipe.validation
    trained, scored = (images - held_out, held_out) if job.is_trial else (images, len(asked.data.test_labels))
    return float(job.contender.cost.macs) * (_TRAINING_COST * asked.recipe.epochs * trained + scored)


def rate_of(job: Job, asked: Asked, trials: Sequence[TrialRow]) -> float:
    """The learning rate of a job: of a run, that with most held-out images right, of several the likeliest labels.

    Where all diverged, the lowest.
    """
    if job.learning_rate is not None:
        return job.learning_rate
    scores = {
        trial.learning_rate: (trial.validation_accuracy, -(trial.validation_nll or 0.0))
        for trial in trials
        if trial.model == job.contender.name and trial.validation_accuracy is not None
    }
    return max(scores, key=lambda rate: (*scores[rate], -rate)) if scores else min(asked.recipe.learning_rates)


def model_hash(contender: Contender) -> str:
    """What tells a network from another of its name."""
    return hash_of({"": contender.description})


def identity_of(job: Job, asked: Asked, trials: Sequence[TrialRow]) -> dict[str, Any]:
    """What tells a job from every other, of this comparison or another."""
    return {
        "model": job.contender.name,
        "seed": job.seed,
        "learning_rate": rate_of(job, asked, trials),
        "is_trial": job.is_trial,
        "model_hash": model_hash(job.contender),
        "recipe_hash": asked.recipe.hash,
        "data_hash": asked.data_hash,
    }


def row_of(job: Job, asked: Asked, identity: Mapping[str, Any], training: Training, score: Score | None) -> Any:
    """The row of a job that is over; `score` is None where it diverged."""
    if score is not None and not math.isfinite(score.nll):
        score = None
    accuracy, nll = (None, None) if score is None else (score.accuracy, score.nll)
    shared = {key: value for key, value in identity.items() if key != "is_trial"}
    shared |= {"mixers": job.contender.mixers, "data": asked.data.name}
    if job.is_trial:
        return TrialRow(**shared, validation_accuracy=accuracy, validation_nll=nll)
    cost, data = job.contender.cost, asked.data
    return TrainedRow(
        **shared,
        status=DIVERGED if score is None else TRAINED,
        accuracy=accuracy,
        nll=nll,
        params=int(cost.params),
        macs=int(cost.macs),
        image_height=data.size[0],
        image_width=data.size[1],
        classes=data.classes,
        epochs=asked.recipe.epochs,
        train_images=len(data.train_labels),
        test_images=len(data.test_labels),
        train_images_per_cpu_s=training.images_per_cpu_s,
        is_control=job.contender.is_control,
        hits=None if score is None else hits_text(score.right),
    )
