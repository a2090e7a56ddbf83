"""The rows of `skaprof accuracy`: a network that was trained, what its learning rate was chosen by, and a verdict.

Accuracies are shares, 0 to 1; differences of them are in points, 100 to the whole.
"""

from __future__ import annotations

from typing import Annotated, Any

from skaprof.records import Key, Record

TRAINED, DIVERGED = "trained", "diverged"
STATUSES = (TRAINED, DIVERGED)
"""Whether a run came to its end, or to a loss that is no number."""
UNDECIDED = "undecided"
ACCURACY_VERDICTS = ("better", "worse", "equivalent", "non-inferior", UNDECIDED, DIVERGED)
"""How a contender can come out against the baseline."""

DEFAULT_MARGIN = 1.0
"""Points within which two accuracies are as good as equal, where the user does not say."""


class _Run(Record):
    model: str
    mixers: Annotated[str, Key("The mixers of a network's stages, with commas.")]
    data: Annotated[str, Key("The images that a network was trained on, as typed.")]
    seed: Annotated[int, Key("Of initial weights, order of images, flips and dropped paths.", 0)]
    learning_rate: Annotated[float, Key("The highest of a run, behind its warm-up.", 0)]
    recipe_hash: Annotated[str, Key("Of all that a recipe says: the start of its SHA-256.")]
    data_hash: Annotated[str, Key("Of all images and labels used, and how they are split: the start of its SHA-256.")]
    model_hash: Annotated[str, Key("Of a network's description at its image size: the start of its SHA-256.")]
    host: str | None = None
    environment: dict[str, Any] | None = None
    reruns: int | None = None


class TrainedRow(_Run):
    """`skaprof accuracy`: one network trained with one seed, and scored once, on the test images, after its last epoch.

    `accuracy` and `nll` (mean negative log likelihood, in nats) are None of a run that diverged. `hits` has a bit for
    each test image, the first the highest of the first digit: 1 where the network was right.
    """

    status: Annotated[str, Key("Whether training came to its end.", choices=STATUSES)]
    accuracy: Annotated[float | None, Key("Share of test images that are classified rightly, 0 to 1.", 0)]
    nll: Annotated[float | None, Key("Mean negative log likelihood of the test labels, in nats.", 0)]
    params: int
    macs: int
    image_height: int
    image_width: int
    classes: Annotated[int, Key("Classes that the images are told apart by.", 2)]
    epochs: Annotated[int, Key("How often every training image was seen.", 1)]
    train_images: Annotated[int, Key("Training images.", 1)]
    test_images: Annotated[int, Key("Test images.", 1)]
    train_images_per_cpu_s: Annotated[float | None, Key("Training images a second of CPU time, batches included.", 0)]
    is_control: Annotated[bool, Key("Whether it shows what the data can tell apart: identity or pooling.")]
    hits: Annotated[str | None, Key("Which test images were right: bits of hexadecimal digits, the first image first.")]


class TrialRow(_Run):
    """`skaprof accuracy`: one learning rate of a network's grid, scored on images held out of the training ones."""

    validation_accuracy: Annotated[float | None, Key("Share of held-out training images that are right, 0 to 1.", 0)]
    validation_nll: Annotated[float | None, Key("As nll, of the held-out training images.", 0)]


class VerdictRow(Record):
    """`skaprof accuracy`: a contender against the baseline, over the seeds that both were trained with.

    `low` and `high` bound the 95 % interval of the mean difference, a paired t interval over seeds; None with one seed,
    as all that needs a spread. Tests are corrected for the number of contenders (Holm), intervals are not.
    """

    model: str
    mixer: str
    baseline: str
    data: str
    seeds: Annotated[int, Key("Seeds that both networks were trained with.", 0)]
    accuracy: float | None
    baseline_accuracy: Annotated[float | None, Key("The baseline's mean accuracy over the same seeds.", 0)]
    difference: Annotated[float | None, Key("Mean accuracy less the baseline's, in points.")]
    low: Annotated[float | None, Key("Its interval's lower bound, in points.")]
    high: Annotated[float | None, Key("Its interval's upper bound, in points.")]
    verdict: Annotated[str | None, Key("", choices=ACCURACY_VERDICTS)]
    seeds_to_decide: Annotated[int | None, Key("Seeds that would decide an undecided verdict, as things stand.", 2)]
    margin: Annotated[float, Key("Points within which two accuracies are as good as equal.", 0)]
    detectable: Annotated[
        float | None, Key("Points that so many seeds find in 8 of 10 such comparisons, at this spread.", 0)
    ]
    smallest_difference: Annotated[
        float | None, Key("Points that the test images can show: half the 95 % interval over images.", 0)
    ]
    tells_apart: Annotated[bool | None, Key("Whether the data tells mixers apart: identity is beyond the margin.")]
    is_control: bool
    params: int
    macs: int
    baseline_params: Annotated[int, Key("The baseline's parameters.", 0)]
    baseline_macs: Annotated[int, Key("The baseline's MACs.", 0)]
    recipe_hash: str
    data_hash: str
