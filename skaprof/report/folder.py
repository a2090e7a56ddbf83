"""A report's folder: its files from saved results, and what may be replaced by it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, TypeGuard

from skaprof.errors import SkaprofError, named, shown, shown_path
from skaprof.saved import read_results

Results = dict[str, Any]

FIGURES = ("accuracy", "figure3", "figure4", "fleet", "heads", "pareto", "prediction", "promise", "roofline", "scaling")
"""The figures that the sections of a report draw."""
FIGURE_ENDINGS = (".png", ".svg")
_NUMBER = re.compile(r"-\d{1,3}(?=\.(png|svg)$)")
"""Of a figure that is drawn for each of several devices."""


def saved_report(path: str, name: str) -> Results:
    """The results of a report, from its results.json; `name` is what the user knows the path by.

    Raises:
        SkaprofError: it cannot be read, or is of something else.
    """
    saved = read_results(path, name)
    settings = {key: value for key, value in (saved.settings or {}).items() if key != "files"}
    if not isinstance(settings.get("title"), str) or not all("section" in row for row in saved.rows):
        raise SkaprofError(f"{name}: {shown_path(path)} is no report's results: expected results.json of a report")
    for key in ("notes", "commands"):
        if not _are_texts(settings.get(key, [])):
            raise SkaprofError(f"{name}: {shown_path(path)}, settings.{key}: expected a list of strings")
    return {
        "command": saved.command,
        "environment": saved.environment,
        "settings": settings,
        "rows": list(map(dict, saved.rows)),
    }


def report_files(results: Results, source: str | None = None) -> dict[str, bytes]:
    """The folder's files; results.json names them all, so that a later report knows which it may replace.

    `source` says where results come from that a file holds.

    Raises:
        SkaprofError: its rows make no report.
    """
    from skaprof.report.document import files_of, results_file

    files = dict(files_of(results, source))
    settings = {**results["settings"], "files": [*files, "results.json"]}
    return {**files, "results.json": results_file({**results, "settings": settings})}


def why_not_replaced(folder: Path) -> str | None:
    """Why a folder may not be replaced; None where it holds a report and nothing else.

    What its results.json says of itself is not enough: only regular files go, under names that a report's files have.
    """
    try:
        settings = read_results(folder / "results.json", named("output")).settings or {}
    except SkaprofError:
        return "it is no report of skaprof"
    listed = settings.get("files")
    names = _names()
    known = {name for name in map(str, listed if isinstance(listed, list) else ()) if _NUMBER.sub("", name) in names}
    with os.scandir(folder) as entries:
        foreign = sorted(
            entry.name for entry in entries if entry.name not in known or not entry.is_file(follow_symlinks=False)
        )
    return f"{shown(foreign[0])} in it is not the report's" if foreign else None


def _names() -> tuple[str, ...]:
    """Every name that `report_files` gives a file."""
    from skaprof.report.sections import SECTIONS

    drawn = [f"{name}{ending}" for name in FIGURES for ending in FIGURE_ENDINGS]
    return ("report.md", "results.json", *(f"{name}.csv" for name in SECTIONS), *drawn)


def _are_texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
