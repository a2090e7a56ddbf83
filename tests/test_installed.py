"""A mixer that an installed package brings is a mixer like any other; the example package shows how."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run

from skaprof import cost, verify
from skaprof.bench.configuration import Entry, Options, open_device
from skaprof.bench.measuring import measure_configuration
from skaprof.cli.user import say_hidden_mixers
from skaprof.errors import SkaprofError
from skaprof.model.installed import installed_names
from skaprof.model.spec import parse_mixer
from skaprof.nn import build_mixer
from skaprof.workload import Workload

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


@pytest.mark.usefixtures("steady_clock")
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


BROKEN = """
from torch import nn
from skaprof.model.mixers import Mixer, tokens_in
from skaprof.model.ops import linear

def raising(w, **options): raise ValueError("oh no")
def listing(w, **options): return "no list"
def fine(w, **options): return [linear("mix", tokens_in(w), w.dim, bias=False)]

MIXERS = {ops.__name__: Mixer(ops.__name__, "", {"eager": ops}, has_heads=False) for ops in (raising, listing)}
RAISING, LISTING = MIXERS["raising"], MIXERS["listing"]
LYING, UNBUILT, NO_MODULE, STUCK, MHSA = (
    Mixer(name, "", {"eager": fine}, has_heads=False) for name in ("lying", "unbuilt", "no_module", "stuck", "mhsa")
)
class Stuck(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.mix = nn.Linear(dim, dim, bias=False)
    def forward(self, x): raise LookupError("stuck")
def build_stuck(w, implementation, **options): return Stuck(w.dim)
def build_lying(w, implementation, **options): return nn.Sequential(nn.Linear(w.dim, w.dim), nn.Linear(w.dim, w.dim))
def build_unbuilt(w, implementation, **options): raise KeyError("nope")
def build_no_module(w, implementation, **options): return 3
"""
MIXER_POINTS = {
    **{
        name.lower(): f"broken_mixers:{name}"
        for name in ("RAISING", "LISTING", "LYING", "UNBUILT", "NO_MODULE", "STUCK", "MHSA")
    },
    "leaving": "leaving_mixer:X",
}
MODULE_POINTS = {name: f"broken_mixers:build_{name}" for name in ("lying", "unbuilt", "no_module", "stuck")}
SIZES = Workload(1, 3, 3, 16)


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of mixers that are wrong in every way, installed for this process."""
    (tmp_path / "broken_mixers.py").write_text(BROKEN)
    (tmp_path / "leaving_mixer.py").write_text("raise SystemExit(0)")
    install(tmp_path, {"skaprof.mixers": MIXER_POINTS, "skaprof.modules": MODULE_POINTS})
    monkeypatch.syspath_prepend(tmp_path)


def told(run: Callable[[], object]) -> tuple[str, int]:
    """What is said of the error that `run` ends with, the place in the package without its folder; its exit code."""
    with pytest.raises(SkaprofError) as caught:
        run()
    return re.sub(r"\(/.*/", "(", caught.value.message), caught.value.exit_code


@pytest.mark.usefixtures("broken")
def test_an_op_list_that_fails_or_is_none_is_told_by_the_mixers_name() -> None:
    assert told(lambda: cost("raising")) == (
        "mixer 'raising': its op list fails: ValueError: oh no (broken_mixers.py, line 6)",
        2,
    )
    expected = "expected a list of skaprof.model.ops.Op"
    assert told(lambda: cost("listing")) == (f"mixer 'listing': its op list is 'no list': {expected}", 2)
    leaving = "mixer 'leaving': leaving_mixer:X cannot be loaded: SystemExit: 0 (leaving_mixer.py, line 1)"
    assert told(lambda: cost("leaving")) == (leaving, 2)


@pytest.mark.usefixtures("broken")
def test_a_module_that_cannot_be_built_is_told_by_the_mixers_name() -> None:
    unbuilt = "mixer 'unbuilt': its module cannot be built: KeyError: 'nope' (broken_mixers.py, line 22)"
    assert told(lambda: verify("unbuilt")) == (unbuilt, 2)
    assert told(lambda: build_mixer(parse_mixer("no_module"), SIZES))[0].endswith("expected a torch.nn.Module")


@pytest.mark.usefixtures("broken")
def test_a_module_without_a_submodule_that_its_ops_name_fails_the_proof() -> None:
    message, exit_code = told(lambda: verify("lying", tokens=9, dim=16))
    assert message == "lying at 9 tokens: its module has no submodule 'mix', which its ops name"
    assert exit_code == 1


@pytest.mark.usefixtures("broken")
def test_a_module_that_cannot_run_is_told_by_the_mixers_name_and_is_a_row_of_no_time() -> None:
    stuck = "mixer 'stuck': its module cannot run: LookupError: stuck (broken_mixers.py, line 19)"
    assert told(lambda: verify("stuck")) == (stuck, 2)
    entry = Entry("stuck", "forward", "float32", "eager", tuple(SIZES))
    (row,) = measure_configuration([entry], Options(), open_device("cpu"))
    assert (row["verdict"], row["error"]) == ("unsupported", "LookupError: stuck")


@pytest.mark.usefixtures("broken")
def test_a_module_with_other_parameters_than_its_op_list_is_not_timed() -> None:
    entry = Entry("lying", "forward", "float32", "eager", tuple(SIZES))
    message, exit_code = told(lambda: measure_configuration([entry], Options(), open_device("cpu")))
    assert message.startswith("mixer 'lying': its module has 544 parameters, its op list 256")
    assert exit_code == 1


@pytest.mark.usefixtures("broken")
def test_a_mixer_whose_name_is_built_in_is_said_to_be_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    say_hidden_mixers()
    words = "an installed package names a mixer 'mhsa', which is built in: the package's is not used\n"
    assert capsys.readouterr().err == words
    assert "mhsa" not in installed_names()
    assert cost("mhsa").params == 4 * 256 * 256


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
