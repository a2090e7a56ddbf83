"""What trained networks are worth, as a table and sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skaprof.report.model import scaled
from skaprof.report.numbers import counted, significant
from skaprof.report.plain_table import PlainTable
from skaprof.trained import DIVERGED, UNDECIDED, TrainedRow, TrialRow, VerdictRow

_BASELINE = "baseline"
_MOST_POINTS = 100
_INTERVALS = (
    "Intervals are of 95 %, paired by seed (t), and hold for these training and test images; verdicts are corrected "
    "for the number of contenders (Holm)."
)


def accuracy_table(runs: Sequence[TrainedRow], verdicts: Sequence[VerdictRow], *, judged: bool = True) -> PlainTable:
    """A line a network: its size, mean accuracy, and where they are `judged`, how it comes out against the first."""
    firsts = list({run.model: run for run in reversed(runs)}.values())[::-1]
    by_model = {row.model: row for row in verdicts}
    table = PlainTable()
    sizes = [scaled(firsts, "params", "params", ""), scaled(firsts, "macs", "MACs", "")]
    table.add("model")
    for rank, column in zip((2, 1), sizes, strict=True):
        table.add(*column.keys, words=column.words, number=True, rank=rank)
    table.add("learning_rate", words="learning\nrate", number=True, rank=4)
    table.add("train_images_per_cpu_s", words="images/s\n(CPU)", number=True, rank=3)
    table.add("accuracy", words="accuracy\n(%)", number=True)
    table.add("difference", words="difference\n(points)", number=True)
    table.add("low", "high", words="95 %\ninterval", number=True)
    table.add("verdict")
    for first in firsts:
        own = [run for run in runs if run.model == first.model]
        verdict = by_model.get(first.model)
        cells = [first.model, *(column.text(first) for column in sizes), f"{first.learning_rate:g}"]
        cells += [_mean_text(own, "train_images_per_cpu_s", 1), _mean_text(own, "accuracy", 100)]
        table.add_row(*cells, *_verdict_cells(verdict, is_first=judged and first is firsts[0]), of=first)
    return table


def _mean_text(runs: Sequence[TrainedRow], key: str, scale: float) -> str:
    values = [getattr(run, key) for run in runs]
    known = [scale * value for value in values if value is not None]
    if not known or len(known) < len(values):
        return "-"
    mean = sum(known) / len(known)
    return f"{mean:.2f}" if scale > 1 else f"{mean:,.0f}"


def _verdict_cells(verdict: VerdictRow | None, *, is_first: bool) -> list[str]:
    if verdict is None:
        return ["", "", _BASELINE if is_first else ""]
    word = str(verdict.verdict)
    if verdict.seeds_to_decide is not None:
        word += f" ({counted(verdict.seeds_to_decide, 'seed')} would)"
    difference = "-" if verdict.difference is None else f"{verdict.difference:+.2f}"
    return [difference, _interval(verdict) or "-", word]


def _interval(verdict: VerdictRow) -> str:
    return "" if verdict.low is None or verdict.high is None else f"{verdict.low:+.2f} to {verdict.high:+.2f}"


def caption(run: TrainedRow, seeds: int) -> str:
    """`mnist, 28 x 28, 10 classes, 4,000 training and 1,000 test images, 15 epochs, 5 seeds`."""
    images = f"{run.train_images:,} training and {run.test_images:,} test images"
    return (
        f"{run.data}, {run.image_height} x {run.image_width}, {run.classes:,} classes, {images}, "
        f"{counted(run.epochs, 'epoch')}, {counted(seeds, 'seed')}"
    )


def sentences(
    runs: Sequence[TrainedRow], trials: Sequence[TrialRow], verdicts: Sequence[VerdictRow], recipe: Mapping[str, Any]
) -> list[str]:
    """What the data can tell, what each contender's verdict rests on, what was too little, and the recipe."""
    told = [*_apart_sentences(verdicts), *map(_verdict_sentence, verdicts)]
    told += [*_power_sentences(verdicts), *_rate_sentences(trials, recipe)]
    return [*told, *([_INTERVALS] if any(row.low is not None for row in verdicts) else []), _recipe_sentence(recipe)]


def _apart_sentences(verdicts: Sequence[VerdictRow]) -> list[str]:
    """The answer where the data has none."""
    if not verdicts or verdicts[0].tells_apart is not False:
        return []
    margin = _points(verdicts[0].margin)
    return [
        f"This data cannot tell mixers apart: identity, which mixes no tokens at all, comes within {margin} of the "
        "best. No verdict below says what a mixer is worth elsewhere."
    ]


def _verdict_sentence(row: VerdictRow) -> str:
    if row.verdict == DIVERGED:
        return f"{row.model}: diverged, or the baseline did: a loss was no number, and there is no accuracy to compare."
    if row.difference is None:
        return f"{row.model}: undecided: no seed that every network was trained with."
    amount = f"{_points(abs(row.difference))} {'above' if row.difference >= 0 else 'below'} {row.baseline}"
    interval = f" [{row.low:+.2f}, {row.high:+.2f}]" if row.low is not None and row.high is not None else ""
    return f"{row.model}: {row.verdict}: {amount}{interval}{_reason(row)}."


def _reason(row: VerdictRow) -> str:
    """Why the verdict is what it is."""
    margin = _points(row.margin)
    if row.verdict == "equivalent":
        return f", within {margin} either way"
    if row.verdict == "non-inferior":
        return f"; not worse by {margin}, and neither better nor equivalent is shown"
    if row.verdict != UNDECIDED:
        return ""
    if row.seeds < 2:
        return "; one seed has no spread: two or more make an interval"
    if row.seeds_to_decide is None:
        return "; more seeds than a thousand would be needed"
    return f"; about {row.seeds_to_decide:,} seeds would decide, if mean and spread stay"


def _points(value: float) -> str:
    return f"{significant(value, 2)} {'point' if value == 1 else 'points'}"


def _power_sentences(verdicts: Sequence[VerdictRow]) -> list[str]:
    """The differences that the seeds, and the test images, are enough for."""
    told = []
    found = [row.detectable for row in verdicts if row.detectable is not None]
    if found:
        seeds = counted(verdicts[0].seeds, "seed")
        told.append(
            f"{seeds} find {_range(found)} in 8 of 10 such comparisons; what is smaller is easily missed."
            if min(found) <= _MOST_POINTS
            else f"{seeds} at this spread find no difference that there can be in 8 of 10 such comparisons."
        )
    shown = [row.smallest_difference for row in verdicts if row.smallest_difference is not None]
    if shown:
        told.append(
            f"The test images can show {_range(shown)}: a smaller difference may be of these images alone, however "
            "many the seeds."
        )
    return told


def _range(values: Sequence[float]) -> str:
    low, high = (significant(value, 2) for value in (min(values), max(values)))
    return f"differences of {low} points" if low == high else f"differences of {low} to {high} points (by contender)"


def _rate_sentences(trials: Sequence[TrialRow], recipe: Mapping[str, Any]) -> list[str]:
    """Whose learning rate is at an end of the grid."""
    rates = sorted(recipe["learning_rates"])
    best: dict[str, TrialRow] = {}
    for trial in trials:
        score = trial.validation_accuracy
        if score is not None and score > (getattr(best.get(trial.model), "validation_accuracy", None) or -1):
            best[trial.model] = trial
    told = []
    for end, words in ((rates[0], "lowest"), (rates[-1], "highest")):
        names = [model for model, trial in best.items() if trial.learning_rate == end]
        if names and len(rates) > 1:
            whose = "every network" if len(names) == len(best) else ", ".join(names)
            told.append(
                f"The best learning rate of {whose} is the {words} that was tried, {end:g}: others may be better."
            )
    return told


def _recipe_sentence(recipe: Mapping[str, Any]) -> str:
    rates = ", ".join(f"{rate:g}" for rate in recipe["learning_rates"])
    parts = [
        f"batch {recipe['batch']}",
        f"learning rate of {rates} by held-out images"
        if len(recipe["learning_rates"]) > 1
        else f"learning rate {rates}",
        f"weight decay {recipe['weight_decay']:g}",
        f"initialisation {recipe['initialisation']}",
        *(f"{key.replace('_', ' ')} {recipe[key]:g}" for key in ("label_smoothing", "drop_path") if recipe[key]),
        *(["flips"] if recipe["flips"] else []),
        *([f"positions of std {recipe['position_std']:g}"] if recipe["position_std"] is not None else []),
    ]
    return f"Recipe {recipe['recipe_hash']}: AdamW, {', '.join(parts)}; scored after the last epoch."
