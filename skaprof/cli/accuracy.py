"""`skaprof accuracy`: what a mixer is worth, by networks trained on real images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.analysis.contenders import contenders
from skaprof.bench.store import require_free
from skaprof.cli import options as opt
from skaprof.cli.accuracy_options import Pictured, Saved, Trained
from skaprof.cli.cluster_options import Clustered
from skaprof.cli.latency_options import positive_number
from skaprof.cli.output import draw, say
from skaprof.cli.show import Page, View, command_line, show
from skaprof.cli.watch import Terminal
from skaprof.errors import EXIT_INTERRUPTED, SkaprofError, printable, require_package
from skaprof.records import Record
from skaprof.report.formats import flat
from skaprof.shards import parse_shard
from skaprof.trained import DEFAULT_MARGIN, TrainedRow

if TYPE_CHECKING:
    from skaprof.train.jobs import Asked
    from skaprof.train.session import Session


@opt.with_options
def accuracy(
    *,
    context: typer.Context,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="vit_micro, vit_micro\\[stage1=ska], any backbone of skaprof model, or a TOML file; repeatable, the "
            "first is the baseline.",
        ),
    ] = None,
    mixers: Annotated[
        str | None, typer.Option(metavar="SPEC,...", help="A mixer for each stage of --model, or one for all.")
    ] = None,
    margin: Annotated[
        str, typer.Option(metavar="POINTS", help="Within which two accuracies are as good as equal.")
    ] = f"{DEFAULT_MARGIN:g}",
    pictured: Pictured,
    trained: Trained,
    clustered: Clustered,
    to: Saved,
) -> None:
    """What a mixer is worth: networks trained on real images, over seeds, each judged against the first.

    Networks with one seed share initial weights by name, the order of images and the flips; each gets its own learning
    rate, of equally many trials on held-out training images; the test images are scored once, after the last epoch.
    Controls without attention run always: where identity, which mixes no tokens, is as good, the data tells nothing.
    """
    if context.invoked_subcommand is not None:
        return
    to.require()
    to.require_columns((*TrainedRow.fields, "verdict", "difference", "low", "high"))
    if not model:
        raise SkaprofError("--model: missing: expected two or more, the first the baseline: --model vit_micro, say")
    if pictured.data is None:
        raise SkaprofError("--data: missing: expected mnist, fashion-mnist, digits, a folder or an .npz file")
    require_free(to.lines, to.resume, force=to.force)
    points = positive_number("--margin", margin)
    recipe, seeds, seconds = trained.settings(), trained.runs, trained.seconds
    match, count, cores = trained.matched, pictured.count, trained.cores
    shard = parse_shard("--shard", trained.shard)
    if shard is not None and to.plots:
        raise SkaprofError("--plot: a shard has no verdicts: expected without --shard; skaprof merge draws them")
    clustered.require()
    if clustered.cluster is not None and trained.weights is not None:
        raise SkaprofError("--weights: expected without --cluster, whose machines have folders of their own")
    from skaprof.train.image_files import load_images
    from skaprof.train.images import first_images, held_out

    data = first_images(load_images(pictured.data, pictured.size), count)
    held_out(data, recipe.validation)
    entered = contenders(model, data.size, data.classes, recipe.position_std, match, mixers)
    if shard is not None:
        entered = list(shard.of(entered, "--shard", "networks, controls among them"))
    require_package("torch", "skaprof accuracy")
    from skaprof.train.checkpoint import require_folder
    from skaprof.train.jobs import Asked

    folder = None if trained.weights is None else require_folder(trained.weights)
    asked = Asked(entered, data, data.hash, recipe, seeds, points, "", folder, shard)
    given = {"data": pictured.data, "size": pictured.size, "count": count, "models": model, "mixers": mixers}
    with _session(asked, seconds, trained, clustered, {**given, "match": match, "threads": cores}) as session:
        session.prepare(to.lines, to.resume, command_line(), force=to.force)
        _run(session, to)


@contextmanager
def _session(
    asked: Asked, seconds: float, trained: Trained, clustered: Clustered, given: dict[str, Any]
) -> Iterator[Session]:
    """What trains here, or on a cluster, which is told of networks and images what is `given`.

    Raises:
        SkaprofError: there is no such device or cluster, or one of its workers will not do.
    """
    from skaprof.bench.environment import put_tf32, resolve_device, threads_put
    from skaprof.train.session import Session

    watcher = Terminal("training")
    if clustered.cluster is None:
        asked = asked._replace(device=resolve_device(trained.device))
        put_tf32(False)
        with threads_put(given["threads"]):
            yield Session(asked, seconds, watcher)
        return
    from skaprof.cluster.tasks import ClusterTasks
    from skaprof.cluster.timing import versions
    from skaprof.train.code import code_hash
    from skaprof.train.elsewhere import MACHINE, SessionElsewhere, told_of

    told = {**given, **told_of(asked), "folder": os.getcwd(), "device": trained.device}
    ours = {**versions(()), "training_code": code_hash()}
    with clustered.joined(MACHINE, told, ours, trained.device) as pool:
        there = ClusterTasks(pool, anonymous=clustered.anonymous)
        yield SessionElsewhere(asked._replace(device=there.device), seconds, watcher, there, told)


def _run(session: Session, to: Saved) -> None:
    cut: str | None = None
    try:
        cut = session.run()
    finally:  # whatever ended it, what was trained is shown
        if session.runs or session.trials:
            if (kept := to.lines or to.resume) is not None:
                say(f"wrote {printable(kept)}")
            _show(session, to)
    _end(session, cut, to)


def _show(session: Session, to: Saved) -> None:
    rows = session.rows
    show(rows, to, View(lambda: _page(session), environment=session.environment, cells=lambda: _cells(rows)))
    draw(to.plots, lambda ending: _figure(session, ending))


def _figure(session: Session, ending: str) -> bytes:
    from skaprof.report.accuracy_plot import accuracy_plot

    return accuracy_plot(session.verdicts, _caption(session), ending)


def _caption(session: Session) -> str:
    from skaprof.report.accuracy import caption

    return caption(session.runs[0], len({run.seed for run in session.runs})) if session.runs else ""


def _cells(rows: list[Record]) -> list[dict[str, object]]:
    """Rows of all kinds with every key that one of them has."""
    keys = dict.fromkeys(key for row in rows for key in row.fields)
    return [dict.fromkeys(keys) | flat(row) for row in rows]


def _page(session: Session) -> Page:
    from skaprof.report import accuracy as report

    if not session.runs:
        return Page(None, words=["No network is trained to its end yet."])
    runs, verdicts = session.in_order, session.verdicts
    words = report.sentences(runs, session.trials, verdicts, session.asked.settings)
    if session.asked.shard is not None:
        words += [f"Shard {session.asked.shard}: skaprof merge draws the verdicts, of all networks."]
    table = report.accuracy_table(runs, verdicts, judged=session.asked.shard is None)
    return Page(table, _caption(session), words)


def _end(session: Session, cut: str | None, to: Saved) -> None:
    """Say what ended the run before its end, and exit with it where that was the user."""
    if cut is None:
        return
    from skaprof.train.session import INTERRUPTED

    goes_on = "; --resume goes on" if to.lines or to.resume else ""
    why = "interrupted" if cut == INTERRUPTED else "--budget: time ran out"
    say(f"skaprof: {why} after {len(session.runs):,} of {session.wanted:,} runs{goes_on}")
    if cut == INTERRUPTED:
        raise SystemExit(EXIT_INTERRUPTED)
