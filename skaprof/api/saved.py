"""Questions of saved results: what changed between two runs, and whether claims hold."""

from __future__ import annotations

from pathlib import Path as FilePath

from skaprof.analysis.claims.figures import Sources
from skaprof.analysis.claims.file import stated_claims
from skaprof.analysis.claims.outcomes import outcomes_of
from skaprof.analysis.comparison import TIME
from skaprof.analysis.comparison import compare as compare_results
from skaprof.analysis.merging import merged
from skaprof.analysis.thresholds import parse_threshold
from skaprof.answers import ClaimRow
from skaprof.api.arguments import Path, Words, words_of
from skaprof.api.rows import Rows
from skaprof.bench.store import lines_of_results, require_free
from skaprof.changed import ChangeRow
from skaprof.errors import bad_value, named
from skaprof.files import write_whole
from skaprof.records import Record
from skaprof.saved import read_results
from skaprof.schema import row_from
from skaprof.where import processors_of, told_apart


def compare(
    old: Path,
    new: Path,
    fail_on: Words = (),
    *,
    by: str = TIME,
    allow_different_devices: bool = False,
    allow_missing: bool = False,
    show_all: bool = False,
) -> Rows[ChangeRow]:
    """What changed between two saved runs: counts exactly, times by their intervals.

    >>> rows = skaprof.compare("old.json", "new.json", fail_on="macs>0%")
    >>> [(row.metric, row.change, row.failed) for row in rows]
    [('params', 'more', False), ('macs', 'more', True)]

    Args:
        old, new: results files, or folders of reports.
        fail_on: changes that make a row's `failed` true: "macs>0%", "median_ms>5%", "missing", "added". A row of `old`
            that has the figure and no partner in `new` fails, too.
        by: "time", or "ratio": the time over the baseline's, each file's own, alone; of different devices too.
        allow_different_devices: compare times of different devices all the same.
        allow_missing: rows of `old` without a partner fail nothing.
        show_all: also what did not change.

    Returns:
        A row for each figure that changed, with `old` and `new` in the figure's own unit; `notes` has the warnings.

    Raises:
        SkaprofError: files that cannot be read or compared, or a threshold about nothing that is in them.
    """
    texts = dict.fromkeys(map(str, words_of("fail_on", fail_on) if fail_on else []))
    found = compare_results(
        read_results(_results_in(old), named("old")),
        read_results(_results_in(new), named("new")),
        [parse_threshold(named("fail_on"), text) for text in texts],
        by=by,
        allow_different_devices=allow_different_devices,
        allow_missing=allow_missing,
    )
    shown = (each for each in found.changes if show_all or each.is_told or each.broken)
    return Rows((each.as_row() for each in shown), found.warnings)


def merge(
    files: list[Path] | tuple[Path, ...], output: Path | None = None, *, prefer: str | None = None, force: bool = False
) -> Rows[Record]:
    """Results of several processes or machines as one: one row an identity, each with its device.

    >>> rows = skaprof.merge(["shard-1.jsonl", "shard-2.jsonl"], "all.jsonl")
    >>> [(row.mixer, row.tokens) for row in rows]
    [('mhsa', 49), ('ska', 49), ('mhsa', 196), ('ska', 196)]

    Args:
        files: what `skaprof latency`, `accuracy` or `audit` wrote, all of one kind. Shards of one run come out in its
            order, other files one after the other.
        output: the file of JSON lines to write; none where None.
        prefer: where files have different figures of one row: "first" or "last", in the order of `files`, or
            "more-rounds", of times; None refuses that.
        force: replace a file that is there.

    Returns:
        The rows; `notes` says in what the files differ, and which shards are missing.

    Raises:
        SkaprofError: files that cannot be read, are of several kinds or measured with other settings, or contradict
            each other; an `output` that cannot be written, or is there.
    """
    paths = list(map(str, files))
    if output is not None:
        if str(output) in paths:
            raise bad_value(named("output"), str(output), "none of the files that are read")
        require_free(str(output), None, force=force, resumes=False)
    found = merged([read_results(path, named("files")) for path in dict.fromkeys(paths)], prefer)
    if output is not None:
        lines = lines_of_results("skaprof.merge", found.environment, found.settings, found.rows)
        write_whole(named("output"), str(output), lines)
    processors = processors_of(found.rows, found.environment)
    return Rows(filter(None, map(row_from, told_apart(found.rows, found.environment, processors))), found.notices)


def _results_in(path: Path) -> str:
    """The file itself, or that of the report in a folder."""
    return str(FilePath(path) / "results.json") if FilePath(path).is_dir() else str(path)


def check(
    claims: Path | list[Path] | tuple[Path, ...],
    results: Path | list[Path] | tuple[Path, ...] = (),
    *,
    strict: bool = False,
    allow_missing: bool = False,
) -> Rows[ClaimRow]:
    """Whether claims about costs hold, such as `cska.macs <= 0.85 * mhsa.macs @ tokens=49,dim=512`.

    >>> rows = skaprof.check("claims.toml")
    >>> rows[0].outcome, rows[0].failed
    ('holds', False)

    Args:
        claims: TOML files of claims, or claims themselves.
        results: files of `skaprof latency`, for claims about times and measured memory.
        strict: whether a claim that is inconclusive or not testable here counts as failed too.
        allow_missing: whether a claim counts as not failed that results of its device and timing should tell, and lack.

    Returns:
        A row for each claim: its `outcome`, whether it `failed` (came out as the file does not expect), and the two
        sides at the first such size; `notes` has the warnings.

    Raises:
        SkaprofError: a file that cannot be read, or a claim that is none, with its place.
    """
    sources = Sources([read_results(path, named("results")) for path in _texts(results)])
    outcomes = outcomes_of(stated_claims(_texts(claims)), sources, strict=strict, allow_missing=allow_missing)
    return Rows((outcome.as_row() for outcome in outcomes), sources.warnings)


def _texts(given: Path | list[Path] | tuple[Path, ...]) -> list[str]:
    return [str(path) for path in (given if isinstance(given, list | tuple) else [given])]
