"""`skaprof search --objective accuracy`: over the networks whose accuracy is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

from skaprof.cli import options as opt
from skaprof.cli.output import say, say_notices
from skaprof.cli.show import Page, View, show
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError, shown_option
from skaprof.grids import parse_choices
from skaprof.model.choice import open_backbone

if TYPE_CHECKING:
    from skaprof.published import TradeOffRow

_ACCURACY = "accuracy"


def is_over_accuracy(objective: str) -> bool:
    """Whether accuracy is among what is sought."""
    return _ACCURACY in (word.strip() for word in objective.split(","))


def show_measured(
    name: str,
    objective: str,
    limits: Sequence[str],
    files: Sequence[str],
    hardware: str | None,
    others: Mapping[str, object],
    to: opt.Drawn,
) -> None:
    """The front of the networks of a backbone in files of accuracies; `others` are options that say nothing here.

    Raises:
        SkaprofError: no file, or one without accuracies; accuracy is not sought; one of the others is given.
        typer.Exit: no network is within the limits.
    """
    if not files:
        raise SkaprofError("--objective: accuracy is measured and not computed: expected --accuracy FILE with it")
    if not is_over_accuracy(objective):
        raise SkaprofError(f"--accuracy: expected accuracy among --objective, not {objective!r} alone")
    for option, given in others.items():
        if given:
            raise SkaprofError(f"{option}: {shown_option(given)}: expected without --accuracy, which has what is known")
    from skaprof.analysis.limits import parse_limit
    from skaprof.analysis.measured_search import SEARCHED_WITH_ACCURACY, measured_front
    from skaprof.api.trade_offs import read_trade_offs

    objectives = parse_choices("--objective", objective, SEARCHED_WITH_ACCURACY)
    parsed = [parse_limit("--limit", text) for text in limits]
    rows, warnings = read_trade_offs(files, "--accuracy", None, [], hardware)
    front = measured_front(rows, open_backbone(name).backbone, objectives, parsed)
    say_notices(warnings)
    view = View(lambda: _page(front, objectives), lambda ending: _figure(front, ending))
    show([row.as_dict() for row in front], to, view)
    if not front:
        say(f"skaprof: no network whose accuracy is known keeps to {' and '.join(limit.text for limit in parsed)}")
        raise typer.Exit(EXIT_CHECK_FAILED)


def _page(rows: Sequence[TradeOffRow], objectives: Sequence[str]) -> Page:
    from skaprof.report import trade_off as report

    if not rows:
        return Page(None)
    heading = f"Best of the networks whose accuracy is known, by {', '.join(objectives)}"
    return Page(report.trade_off_table(rows), heading, report.sentences(rows), report.FRONT_MARK)


def _figure(rows: Sequence[TradeOffRow], ending: str) -> bytes:
    from skaprof.report.canvas import encoded
    from skaprof.report.trade_off import trade_off_figure

    return encoded(trade_off_figure(rows), ending)
