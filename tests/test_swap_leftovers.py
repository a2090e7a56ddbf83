"""`skaprof swap` says what it drops and what it skips, and takes inputs of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import Run
from test_swap import rows_of
from user_models import Mixed, scaled_inputs

import skaprof as library
from skaprof.errors import SkaprofError
from skaprof.nn import swap_mixers
from skaprof.nn.dropped import dropped_by
from skaprof.report.swap import common_pattern

TESTS = Path(__file__).parent
MIXED = ("user_models:Mixed", "--shape", "2x16x48")


def test_tables_rotary_embeddings_masks_and_norms_that_are_dropped_are_said(skaprof: Run) -> None:
    row, *_ = rows_of(skaprof, *MIXED, "--replace", "plain.*=ska")
    assert row["dropped"] == ["relative_position_bias_table", "inv_freq", "causal (mask)", "q_norm.weight"]
    assert row["dropped_params"] == 49 * 4 + 48
    told = skaprof("swap", *MIXED, "--replace", "plain.*=ska", cwd=TESTS).stdout
    assert "2 mixers: ska has nothing of the kind of Positioned's relative_position_bias_table, inv_freq, " in told
    assert "244 parameters each and 488 in all." in told


def test_what_no_mixer_can_stand_for_may_be_skipped_with_its_reason(skaprof: Run) -> None:
    arguments = (*MIXED, "--replace", "plain.*=ska", "--replace", "causal=ska", "--replace", "odd=ska")
    refused = skaprof("swap", *arguments, cwd=TESTS)
    assert refused.returncode == 2
    assert "causal: it is called with more than its input" in refused.stderr
    *sites, total = rows_of(skaprof, *arguments, "--skip-unsupported")
    assert [row["scope"] for row in sites] == ["plain.0", "plain.1"]
    assert total["skipped"] == [
        "causal: it is called with more than its input, and a token mixer takes nothing else: its attention is causal",
        "odd: its 5 heads cannot be kept in 48 channels: name others, such as ska:heads=2",
    ]
    told = skaprof("swap", *arguments, "--skip-unsupported", cwd=TESTS).stdout
    assert "Skipped 1 submodule (odd picks it alone): its 5 heads cannot be kept" in told
    kept = skaprof("swap", *MIXED, "--replace", "odd=ska:heads=2", cwd=TESTS)
    assert kept.returncode == 0
    none = skaprof("swap", *MIXED, "--replace", "odd=ska", "--skip-unsupported", cwd=TESTS)
    assert (none.returncode, "nothing is left to replace: odd: its 5 heads" in none.stderr) == (2, True)


def test_a_pattern_of_names_is_what_they_have_alike() -> None:
    assert common_pattern(["a.1.attn"]) == "a.1.attn"
    assert common_pattern(["a.1.attn", "a.3.attn"]) == "a.*.attn"
    assert common_pattern(["a.1", "a.1.b"]) == "a.1"


def test_inputs_are_tuples_or_keywords_in_the_terminal_and_in_python(skaprof: Run) -> None:
    by_shapes = rows_of(skaprof, "user_models:Mixed", "--shape", "2x16x48", "--shape", "2", "--replace", "plain.*=ska")
    by_function = rows_of(
        skaprof, "user_models:Mixed", "--inputs", "user_models:scaled_inputs", "--replace", "plain.*=ska"
    )
    assert by_shapes == by_function
    rows = library.swap("user_models:Mixed", {"plain.*": "ska"}, inputs="user_models:scaled_inputs")
    assert [row.macs for row in rows] == [row["macs"] for row in by_function]
    model = swap_mixers(Mixed(), {"plain.*": "ska"}, scaled_inputs())
    assert model(**scaled_inputs()).shape == (2, 16, 48)
    assert swap_mixers(Mixed(), {"plain.*": "ska"}, (torch.zeros(2, 16, 48), torch.ones(2)))


def test_attention_that_is_causal_is_refused() -> None:
    with pytest.raises(SkaprofError, match=r"causal: .* its attention is causal"):
        swap_mixers(Mixed(), {"causal": "ska"}, torch.zeros(2, 16, 48))


def test_hooks_that_are_dropped_are_said() -> None:
    attention = torch.nn.MultiheadAttention(48, 4, batch_first=True)
    attention.out_proj.register_forward_hook(lambda *_: None)
    attention.register_forward_pre_hook(lambda *_: None)
    assert [each.name for each in dropped_by(attention, 48)] == ["forward_pre_hooks", "out_proj.forward_hooks"]
