"""`skaprof swap`: submodules of any model become mixers, and the model still runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run
from test_schema import require_valid
from user_models import Masked, VisionTransformer

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.errors import SkaprofError
from skaprof.model.spec import parse_mixer
from skaprof.nn import swap_mixers
from skaprof.workload import Workload

TESTS = Path(__file__).parent
WIDE = ("user_models:VisionTransformer", "--arg", "tokens=21", "--arg", "prefix=0", "--shape", "1x3x48x112")
VIT = ("user_models:VisionTransformer", "--shape", "2x3x112x112")


def rows_of(skaprof: Run, *arguments: str) -> list[dict[str, Any]]:
    done = skaprof("swap", *arguments, "--format", "json", cwd=TESTS)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    require_valid(document)
    rows: list[dict[str, Any]] = document["rows"]
    return rows


@pytest.mark.parametrize("pattern", ["attn", "Attention", "blocks.*.attn", "Att*"])
def test_a_pattern_is_a_name_its_last_part_or_a_class(skaprof: Run, pattern: str) -> None:
    *sites, total = rows_of(skaprof, *VIT, "--replace", f"{pattern}=ska")
    assert [(row["scope"], row["replaced"]) for row in sites] == [(f"blocks.{n}.attn", "Attention") for n in (0, 1)]
    for row in sites:
        sizes = [row[key] for key in ("batch", "height", "width", "tokens", "dim", "heads", "head_dim")]
        assert sizes == [2, 7, 7, 50, 96, 3, 32]
        derived = cost_row(Variant(parse_mixer("ska")), Workload(2, 7, 7, 96, 3, 32, None, 1))
        assert (row["params"], row["macs"], row["verified"]) == (derived.params, derived.macs, True)
    for key in ("params", "macs"):
        assert total[f"{key}_delta"] == sum(row[f"{key}_delta"] for row in sites)
        assert total[key] == total[f"{key}_before"] + total[f"{key}_delta"]


def test_the_same_attention_put_in_its_own_place_changes_nothing(skaprof: Run) -> None:
    for row in rows_of(skaprof, *VIT, "--replace", "attn=mhsa:bias=true"):
        assert (row["params_delta"], row["macs_delta"]) == (0, 0)


def test_what_a_counter_does_not_know_is_told(skaprof: Run) -> None:
    total = rows_of(skaprof, *VIT, "--replace", "blocks.0.attn=cska")[-1]
    unknown = "fvcore does not know aten::scaled_dot_product_attention"
    assert (total["error"], total["note"]) == (None, f"before: {unknown}; after: {unknown}")
    assert (total["macs_fvcore"], total["verified"]) == (None, True)
    total = rows_of(skaprof, *VIT, "--replace", "attn=cska")[-1]
    assert (total["error"], total["note"], total["verified"]) == (None, f"before: {unknown}", True)


def test_a_model_that_keeps_what_it_made_has_no_count_before_or_after(skaprof_here: Run) -> None:
    arguments = ("user_models:AroundKept", "--shape", "2x16x48", "--replace", "attn=ska", "--format", "json")
    done = skaprof_here("swap", *arguments, cwd=TESTS)
    total = json.loads(done.stdout)["rows"][-1]
    assert done.returncode == 1
    assert (total["macs_before"], total["macs"]) == (None, None)
    assert "the module keeps what it computed" in total["error"]


def test_tokens_that_are_no_square_need_their_grid_where_the_mixer_does(skaprof: Run) -> None:
    assert rows_of(skaprof, *WIDE, "--replace", "attn=ska")[0]["tokens"] == 21
    row = rows_of(skaprof, *WIDE, "--replace", "attn=sepconv", "--size", "3x7")[0]
    assert (row["height"], row["width"], row["heads"]) == (3, 7, None)


def test_maps_with_channels_first_are_mixed_too(skaprof: Run) -> None:
    arguments = ("user_models:Convolutional", "--shape", "1x3x32x48")
    row, total = rows_of(skaprof, *arguments, "--replace", "mixer=sepconv")
    assert (row["height"], row["width"], row["dim"], row["verified"]) == (8, 12, 32, True)
    assert total["error"] is None


def test_the_outermost_of_nested_matches_is_replaced(skaprof: Run) -> None:
    rows = rows_of(skaprof, *VIT, "--replace", "blocks.0.attn*=ska")
    assert [row["scope"] for row in rows] == ["blocks.0.attn", "total"]


def test_in_python_the_model_itself_is_changed_and_trains() -> None:
    model = VisionTransformer().double()
    images = torch.randn(2, 3, 112, 112, dtype=torch.float64)
    changed = swap_mixers(model, {"blocks.1.attn": "ska", "blocks.0.attn": "mhsa"}, images)
    changed(images).sum().backward()
    key = changed.blocks[1].attn.mixer.scores.key
    assert key.shape == (3, 50, 32)
    assert key.grad is not None


def test_a_submodule_that_no_mixer_can_stand_for_is_refused_with_the_reason() -> None:
    x = torch.zeros(1, 16, 48)
    with pytest.raises(SkaprofError, match=r"takes nothing else: attn_mask = another tensor, \(16, 16\)"):
        swap_mixers(Masked(), {"attn": "ska"}, x)
    with pytest.raises(SkaprofError, match="spare: the model does not run it"):
        swap_mixers(Masked(), {"spare": "ska"}, x)
    with pytest.raises(SkaprofError, match="returns a tensor of shape"):
        swap_mixers(VisionTransformer(), {"blocks.*.mlp.0": "ska"}, torch.zeros(1, 3, 112, 112))


BAD = [
    ((*VIT, "--replace", "atn=ska"), "did you mean 'attn'"),
    (("user_models:VisionTransformer", "--replace", "ska"), "expected PATTERN=SPEC"),
    (("user_models:VisionTransformer", "--replace", "attn=skka"), "did you mean 'ska'"),
    ((*VIT, "--replace", "attn=sepconv"), "50 tokens are 1 beside a 7 x 7 grid, and sepconv has no place for a class"),
    ((*VIT, "--replace", "attn=ska", "--size", "8x8"), "50 tokens do not fill a grid of 8 x 8"),
    ((*VIT, "--replace", "attn=ska:heads=7"), "blocks.0.attn: ska:heads=7: heads: '7'"),
    (("user_models:VisionTransformer", "--replace", "attn=ska"), "cannot run on an input of shape (1, 3, 224, 224)"),
    ((*VIT, "--arg", "depth=few", "--replace", "attn=ska"), "TypeError: 'str' object cannot be interpreted"),
    ((*VIT, "--replace", "attn=ska", "--shape", "1x3xtall"), "--shape: 'tall'"),
    (
        (*WIDE, "--replace", "attn=cska"),
        "21 tokens are no square, and cska needs their grid: name it with --size",
    ),
    (("nowhere:Net", "--replace", "attn=ska"), "ModuleNotFoundError"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments)[-60:] for arguments, _ in BAD])
def test_bad_input_gets_one_clear_line_and_exit_2(skaprof_here: Run, arguments: tuple[str, ...], words: str) -> None:
    done = skaprof_here("swap", *arguments, cwd=TESTS)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
