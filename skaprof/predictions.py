"""Rows with the time that a calibrated machine will take."""

from __future__ import annotations

from typing import Annotated

from skaprof.answers import SwapRow
from skaprof.own_rows import PartRow
from skaprof.records import Key, Record
from skaprof.results import ScopeRow


class Prediction(Record):
    """The time that a calibrated machine will take, for a row that is of a call or of a part of one.

    None where an op was never timed there, or, in training, of a part: the backward pass is of the whole network.
    `unknown_ops` are those that were never timed, with commas, and `outside_ops` those whose sizes are far from all
    that were; None where there are none.
    """

    hardware: str
    predicted_ms: Annotated[float | None, Key("What the calibrated machine will take; of a kernel, at its rates.", 0)]
    predicted_low_ms: Annotated[float | None, Key("Nine in ten calls took no less, as the calibration saw.", 0)]
    predicted_high_ms: Annotated[float | None, Key("Nine in ten calls took no more, as the calibration saw.", 0)]
    unknown_ops: Annotated[str | None, Key("Ops that were never timed on the machine.")]
    outside_ops: Annotated[str | None, Key("Ops of sizes far from all that were timed: extrapolated.")] = None


class PredictedScope(Prediction, ScopeRow):
    """`skaprof model --hardware`: a scope's row with the time that a calibrated machine will take for it."""


class PredictedPart(Prediction, PartRow):
    """`skaprof model FILE.py:NAME --hardware`: as `PartRow`, with the time that a calibrated machine will take."""


class PredictedSwap(Prediction, SwapRow):
    """`skaprof swap --hardware`: as `SwapRow`, with the times before and after that a calibrated machine will take."""

    predicted_before_ms: Annotated[float | None, Key("What the calibrated machine will take before the swap.", 0)]
