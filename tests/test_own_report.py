"""A report's configuration names models of the user's own and swaps in them, so that CI guards them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Run

TESTS = Path(__file__).parent
CONFIG = """
sections = ["formulas"]
mixers = ["ska"]
[[models]]
model = "{model}"
arguments = ["dim={dim}"]
shapes = ["2x3x112x112"]
modes = ["forward", "train"]
[[swaps]]
model = "{model}"
arguments = ["dim={dim}"]
shapes = ["2x3x112x112"]
replace = ["attn=ska"]
"""


def reported(skaprof: Run, folder: Path, dim: int) -> Path:
    config = folder / f"{dim}.toml"
    config.write_text(CONFIG.format(model="user_models:VisionTransformer", dim=dim))
    done = skaprof("report", "--analytic-only", "--config", str(config), "--output", str(folder / str(dim)), cwd=TESTS)
    assert done.returncode == 0, done.stderr
    return folder / str(dim)


def test_models_and_swaps_are_in_the_report_and_compare_finds_what_changed(skaprof: Run, tmp_path: Path) -> None:
    one = reported(skaprof, tmp_path, 48)
    page = (one / "report.md").read_text()
    assert "## Your own models" in page
    assert "## Other mixers in your own models" in page
    assert "### user\\_models:VisionTransformer, dim=48, input 2 x 3 x 112 x 112, float32" in page
    rows = json.loads((one / "results.json").read_text())["rows"]
    assert {row["section"] for row in rows} == {"formulas", "models", "swaps"}
    assert {row["mode"] for row in rows if row["section"] == "models"} == {"forward", "train"}
    grown = (one / "results.json").read_text().replace('"macs": ', '"macs": 1')
    (tmp_path / "grown.json").write_text(grown)
    results = str(one / "results.json")
    same = skaprof("compare", results, results, "--fail-on", "macs>0%")
    more = skaprof("compare", results, str(tmp_path / "grown.json"), "--fail-on", "macs>0%")
    assert (same.returncode, more.returncode) == (0, 1)
    again = skaprof("report", "--from", results, "--output", str(tmp_path / "again"))
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again" / "report.md").read_text() == page


BAD = [
    ('[[models]]\nmodel = "vit_tiny"', "model: 'vit_tiny' is not valid: expected a model of your own, FILE.py:NAME"),
    ('[[models]]\nmodel = "a.py:b"\nshape = ["1x3"]', "did you mean 'shapes'"),
    ('[[models]]\nmodel = "a.py:b"\nshapes = ["1xtall"]', "shapes: 'tall'"),
    ('[[models]]\nmodel = "a.py:b"\nmodes = ["backward"]', "modes: 'backward' is not valid"),
    ('[[swaps]]\nmodel = "a.py:b"', "replace: missing: expected a list of texts"),
    ('[[swaps]]\nmodel = "a.py:b"\nreplace = ["ska"]', "replace: 'ska' is not valid: expected PATTERN=SPEC"),
    ('[[models]]\nmodel = "no_file.py:b"', "'no_file.py' is not valid: expected a file that exists"),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=[text[-30:] for text, _ in BAD])
def test_bad_configurations_say_where(skaprof_here: Run, tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "report.toml"
    config.write_text(f'sections = ["formulas"]\n{text}\n')
    done = skaprof_here("report", "--analytic-only", "--config", str(config), "--output", str(tmp_path / "out"))
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
