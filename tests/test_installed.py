"""A mixer that an installed package brings is a mixer like any other; the example package shows how."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run

EXAMPLE = ROOT / "examples" / "skaprof-example-mixer"


def install(folder: Path, entry_points: dict[str, dict[str, str]]) -> dict[str, Any]:
    """A dist-info with these entry points in `folder`, as pip writes it; the environment that finds it."""
    info = folder / "example-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 0.1.0\n")
    lines = [line for group, points in entry_points.items() for line in (f"[{group}]", *_settings(points))]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return {"env": {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(folder))), "COLUMNS": "200"}}


def _settings(points: dict[str, str]) -> list[str]:
    return [f"{name} = {value}" for name, value in points.items()]


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, Any]:
    """The example package, with the entry points that its own pyproject.toml names."""
    shutil.copytree(EXAMPLE / "skaprof_example_mixer", tmp_path / "skaprof_example_mixer")
    return install(tmp_path, tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]["entry-points"])


def test_an_installed_mixer_is_proved_alone(skaprof: Run, installed: dict[str, Any]) -> None:
    mixers = ("-m", "patch_linear", "-m", "patch_linear:bias=true")
    sizes = ("--tokens", "12,49", "--dim", "24", "--mode", "forward,train")
    done = skaprof("flops", *mixers, *sizes, "--verify", "--format", "json", **installed)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert len(rows) == 8
    assert all(row["verified"] for row in rows)
    assert (rows[0]["params"], rows[0]["macs"]) == (12 * 12, 12 * 12 * 24)


def test_an_installed_mixer_is_proved_in_a_backbone(skaprof: Run, installed: dict[str, Any]) -> None:
    for model, mixers in (
        ("caformer_s18", "sepconv,sepconv,patch_linear,mhsa"),
        ("vit_tiny", "patch_linear:bias=true"),
    ):
        arguments = ("--mixers", mixers, "--depth", "total", "--verify", "--format", "json")
        done = skaprof("model", model, *arguments, **installed)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["rows"][0]["mixer"] == mixers


def test_an_installed_mixer_is_swept_searched_and_timed(skaprof: Run, installed: dict[str, Any]) -> None:
    swept = skaprof("flops", "-m", "patch_linear", "--tokens", "1:6000", "--format", "csv", **installed)
    assert swept.stdout.splitlines()[-1].split(",")[12] == str(6000**2)
    searched = skaprof("search", "caformer_s18", "-m", "patch_linear", "-m", "mhsa", "--format", "json", **installed)
    assert json.loads(searched.stdout)["rows"]
    fast = ("--device", "cpu", "--tokens", "9", "--dim", "16", "--max-seconds", "1", "--implementation", "eager")
    timed = skaprof("latency", "-m", "patch_linear", *fast, "--format", "json", **installed)
    assert json.loads(timed.stdout)["rows"][0]["median_ms"] > 0


def test_an_unknown_mixer_is_told_the_installed_ones(skaprof: Run, installed: dict[str, Any]) -> None:
    done = skaprof("flops", "-m", "patch_liner", **installed)
    assert done.returncode == 2
    assert "identity, patch_linear; did you mean 'patch_linear'?" in done.stderr


@pytest.mark.parametrize(
    ("points", "arguments", "words"),
    [
        ({"skaprof.mixers": {"odd": "nowhere:MIXER"}}, (), "nowhere:MIXER cannot be loaded: ModuleNotFoundError"),
        (
            {"skaprof.mixers": {"odd": "json:dumps"}},
            (),
            "expected a Mixer of that name, got an object of type function",
        ),
        ({"skaprof.mixers": {"odd": "own:MIXER"}}, (), "expected a Mixer of that name, got one named 'other'"),
        ({"skaprof.mixers": {"other": "own:MIXER"}}, ("--verify",), "its package has no module for it"),
    ],
)
def test_a_package_that_brings_no_mixer_is_told_so(
    skaprof: Run, tmp_path: Path, points: dict[str, dict[str, str]], arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "own.py").write_text(
        "from skaprof.model.mixers import Mixer, pooling\n"
        "MIXER = Mixer('other', '', {'eager': pooling}, has_heads=False, kernel_size=3)\n"
    )
    name = next(iter(points["skaprof.mixers"]))
    done = skaprof("flops", "-m", name, *arguments, **install(tmp_path, points))
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def scans(mixer: str) -> bool:
    """Whether parsing a spec of this mixer loads what finds installed packages."""
    probe = (
        "import sys\nfrom skaprof.errors import SkaprofError\nfrom skaprof.model.spec import parse_mixer\n"
        f"try: parse_mixer({mixer!r})\nexcept SkaprofError: pass\nprint('importlib.metadata' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip() == "True"


def test_installed_packages_are_looked_through_only_for_a_name_that_is_not_built_in() -> None:
    assert not scans("cska:kernel_size=5")
    assert scans("nothing_of_the_kind")
