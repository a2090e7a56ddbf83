"""What `report --force` may delete."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from conftest import ROOT, Run

from skaprof.report.folder import FIGURES, _names

REPORTS = ROOT / "reports"


@pytest.mark.parametrize("kind", ["folder", "link", "listed", "odd list", "other results"])
def test_force_deletes_nothing_that_skaprof_cannot_have_written(skaprof: Run, tmp_path: Path, kind: str) -> None:
    folder, mine = tmp_path / "report", tmp_path / "mine"
    mine.write_text("mine")
    config = tmp_path / "small.toml"
    config.write_text('sections = ["sizes"]\nmixers = ["mhsa"]\n[[sizes]]\ntokens = 49\ndim = 64\n')
    arguments = ("report", "--config", str(config), "--output", str(folder), "--force")
    assert skaprof(*arguments).returncode == 0
    results, word = json.loads((folder / "results.json").read_text()), "sizes.csv"
    if kind in ("folder", "link"):
        (folder / "sizes.csv").unlink()
    if kind == "folder":
        (folder / "sizes.csv").mkdir()
        (folder / "sizes.csv" / "thesis.tex").write_text("mine")
    elif kind == "link":
        (folder / "sizes.csv").symlink_to(mine)
    elif kind == "listed":
        word = "thesis.tex"
        (folder / word).write_text("mine")
        results["settings"]["files"].append(word)
    elif kind == "odd list":
        word = "report.md"
        results["settings"]["files"] = {"report.md": 1}
    else:
        word, results["settings"] = "report.md", {}
    (folder / "results.json").write_text(json.dumps(results))
    before = sorted(os.listdir(folder))
    done = skaprof(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"is not written: '{word}' in it is not the report's" in done.stderr
    assert sorted(os.listdir(folder)) == before
    assert sorted(os.listdir(tmp_path)) == ["mine", "report", "small.toml"]


def test_every_file_of_a_report_has_a_name_that_may_be_replaced() -> None:
    written = {path.name for folder in (REPORTS / "analytic", REPORTS / "cpu") for path in folder.iterdir()}
    assert written <= set(_names())
    sources = [path.read_text() for path in (ROOT / "skaprof" / "report").glob("*.py")]
    named = re.findall(r"""\bfigure\(["'](\w+)["']""", "".join(sources))
    assert set(named) == set(FIGURES)
