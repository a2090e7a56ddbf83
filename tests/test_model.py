"""`skaprof model` as its users meet it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import Run

import skaprof as package  # the fixture is named skaprof
from skaprof.report.model import caption
from skaprof.report.model_plot import scope_figure
from skaprof.results import ScopeRow

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("model", ("caformer_s18",)),
        ("model_swapped", ("caformer_s18", "--stage", "3=ska", "--resolution", "224,800x1280")),
        ("model_forms", ("vit_small", "--mixers", "cska", "--implementation", "eager,sdpa", "--depth", "total")),
        ("model_block", ("poolformerv2_s12", "--depth", "block", "--task", "detection", "--mode", "train")),
        ("model_verify", ("vit_tiny", "--mixers", "sepconv", "--verify", "--mode", "forward,train")),
    ],
)
def test_output_is_the_golden_file(skaprof: Run, name: str, arguments: tuple[str, ...]) -> None:
    done = skaprof("model", *arguments)
    assert done.returncode == 0, done.stderr
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("SKAPROF_WRITE_GOLDEN"):
        path.write_text(done.stdout)
    assert done.stdout == path.read_text()


def test_json_carries_the_contract(skaprof: Run) -> None:
    document = json.loads(skaprof("model", "caformer_s18", "--mixers", "ska", "--format", "json").stdout)
    assert document["schema_version"] == 1
    assert [tuple(row) for row in document["rows"]] == [ScopeRow.fields] * 6
    assert [row["scope"] for row in document["rows"]] == ["stem", "stage1", "stage2", "stage3", "stage4", "head"]
    proved = json.loads(skaprof("model", "vit_cifar", "--verify", "--depth", "total", "--format", "json").stdout)
    (row,) = proved["rows"]
    assert row["scope"] == "total"
    assert (row["params_counted"], row["macs_fvcore"], row["macs_torch"]) == (row["params"], row["macs"], row["macs"])
    assert row["verified"] is True
    assert {"torch", "fvcore"} <= set(proved["environment"])


@pytest.mark.parametrize(("depth", "count"), [("block", 1 + 18 + 3 + 1), ("stage", 6), ("total", 1)])
def test_rows_of_every_depth_add_up(skaprof: Run, depth: str, count: int) -> None:
    rows = json.loads(skaprof("model", "caformer_s18", "--depth", depth, "--format", "json").stdout)["rows"]
    assert len(rows) == count
    assert sum(row["params"] for row in rows) == 26_341_656
    assert sum(row["macs"] for row in rows) == 4_106_941_440


@pytest.mark.parametrize(
    ("task", "size", "has_head"),
    [("classification", (224, 224), True), ("detection", (800, 1280), False), ("segmentation", (512, 2048), False)],
)
def test_a_task_sets_the_size_and_the_head(skaprof: Run, task: str, size: tuple[int, int], has_head: bool) -> None:
    rows = json.loads(skaprof("model", "caformer_s18", "--task", task, "--format", "json").stdout)["rows"]
    assert {(row["image_height"], row["image_width"]) for row in rows} == {size}
    assert any(row["scope"] == "head" for row in rows) == has_head


BAD = [
    (("caformr_s18",), "did you mean 'caformer_s18'"),
    (("caformer_s18", "--mixers", "ska,mhsa"), "names 2 mixers: expected 4"),
    (("caformer_s18", "--mixers", "skka"), "--mixers: 'skka'"),
    (("caformer_s18", "--stage", "5=ska"), "--stage: '5=ska'"),
    (("caformer_s18", "--stage", "3=skka"), "did you mean 'ska'"),
    (("caformer_s18", "--stage", "ska"), "1=SPEC to 4=SPEC"),
    (("caformer_s18[stage3=ska]", "--mixers", "ska"), "names mixers already"),
    (("caformer_s18", "--resolution", "2"), "--resolution: '2' is not valid: expected larger sides"),
    (("caformer_s18", "--resolution", "2x3"), "--resolution: '2x3' is not valid: expected larger sides"),
    (("caformer_s18", "--resolution", "224x"), "expected a side such as 14, HEIGHTxWIDTH such as 14x20 or a range"),
    (("caformer_s18", "--resolution", "224:448x448"), "expected a range START:STOP:STEP, each a whole number"),
    (("caformer_s18", "--resolution", "0"), "--resolution: '0'"),
    (("vit_small", "--resolution", "225"), "patch size 16"),
    (("caformer_s18", "--task", "detect"), "did you mean 'detection'"),
    (("caformer_s18", "--depth", "op"), "--depth: 'op'"),
    (("caformer_s18", "--batch", "1:5000"), "5,000 networks: expected at most 1,000"),
    (("caformer_s18", "--implementation", "flash"), "--implementation: 'flash'"),
    (("caformer_s18", "--plot", "a.gif"), ".png, .svg"),
    (("caformer_s36", "--depth", "block", "--resolution", "224,256,320", "--plot", "a.png"), "bars: expected at most"),
    (("nowhere.toml",), "No such file"),
    ((), "Missing argument 'NAME'"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments)[:40] for arguments, _ in BAD])
def test_bad_input_gets_one_clear_line_and_exit_2(
    skaprof: Run, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = skaprof("model", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.startswith("skaprof: ")
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 400


def test_a_file_of_your_own_is_a_backbone(skaprof: Run, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[[stages]]\ndepth = 2\ndim = 64\nmixer = 'pooling'\n")
    rows = json.loads(skaprof("model", str(path), "--stage", "1=ska", "--format", "json").stdout)["rows"]
    assert [(row["model"], row["scope"], row["mixer"]) for row in rows][1] == ("mine", "stage1", "ska")
    path.write_text("[[stages]]\ndepth = 2\ndim = 64\nmixr = 'pooling'\n")
    done = skaprof("model", str(path))
    assert done.returncode == 2
    assert "line 4: stages.mixr: 'mixr' is not valid" in done.stderr
    assert done.stderr.count("\n") == 1


def test_stages_are_drawn(skaprof: Run, tmp_path: Path) -> None:
    png, svg, again = (tmp_path / name for name in ("a.png", "a.svg", "b.svg"))
    arguments = ("model", "caformer_s18", "--resolution", "224,384", "--stage", "3=cska")
    done = skaprof(*arguments, "--plot", str(png), "--plot", str(svg), "--plot", str(again), "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"</svg>" in svg.read_bytes()
    assert svg.read_bytes() == again.read_bytes()
    assert len(done.stdout.splitlines()) == 1 + 2 * 6


def _bar_labels(*networks: tuple[str, int], depth: str = "stage") -> list[str]:
    rows = [row for name, side in networks for row in package.model_cost(name, resolution=side, depth=depth)]
    return [label.get_text() for label in scope_figure(rows, caption(rows)).axes[0].get_yticklabels()]


def test_every_bar_says_which_mixer_it_draws() -> None:
    assert _bar_labels(("vit_small[stage1=ska]", 224)) == ["stem", "stage1 ska", "head"]
    assert _bar_labels(("vit_small", 224)) == ["stem", "stage1 mhsa:bias=true", "head"]
    assert _bar_labels(("caformer_s18[stage3=cska]", 224), depth="total") == ["total sepconv, sepconv, cska, mhsa"]


def test_the_bars_of_each_size_stand_apart_under_its_name() -> None:
    labels = _bar_labels(("vit_small", 224), ("vit_small", 384))
    one = ["stem", "stage1 mhsa:bias=true", "head"]
    assert labels == ["224 x 224", *one, "", "384 x 384", *one]


def test_bars_fill_the_height_of_their_figure() -> None:
    rows = package.model_cost("caformer_s18", depth="block")
    bottom, top = scope_figure(rows, "").axes[0].get_ylim()
    assert (bottom - (len(rows) - 1), -top) == pytest.approx((0.6, 0.6))


def test_a_backbones_mixers_are_in_the_rows_of_its_stages_alone(skaprof: Run) -> None:
    table = skaprof("model", "caformer_s18").stdout.split("\n\n")[1]
    assert table.splitlines()[-1].split()[:2] == ["total", "-"]
