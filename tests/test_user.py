"""A user's own modules: counted by both counters or not at all, and refused with the user's own error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from conftest import Run

from skaprof.count.user import Tally, UserCount, count_user, holds_no_macs
from skaprof.errors import SkaprofError
from skaprof.model.mixers import MIXERS
from skaprof.model.user import UserModule, parse_arguments
from skaprof.workload import Workload

TESTS = Path(__file__).parent
SIZES = Workload(2, 7, 7, 48)
DIM = (("dim", "{dim}"),)


def counted(name: str, arguments: tuple[tuple[str, str], ...] = (), layout: str = "BNC") -> UserCount:
    return count_user(UserModule(f"user_models:{name}", arguments, layout), SIZES)


def test_two_counters_that_agree_verify_a_module() -> None:
    found = counted("Attention", (*DIM, ("fused", "False")))
    batch, tokens, dim = 2, 49, 48
    macs = batch * (4 * tokens * dim * dim + 2 * tokens * tokens * dim)
    assert (found.params, found.macs) == (4 * dim * dim + 4 * dim, macs)
    assert found.as_dict() == {
        "params_counted": found.params,
        "macs_fvcore": macs,
        "macs_torch": macs,
        "verified": True,
        "error": None,
    }


def test_an_op_that_a_counter_does_not_know_is_named_and_not_counted_as_nothing() -> None:
    """fvcore counts the rest of this module and skips its attention; that rest is no count."""
    fused, plain = counted("Attention", DIM), counted("Attention", (*DIM, ("fused", "False")))
    assert fused.fvcore.total is None
    assert fused.error == "fvcore does not know aten::scaled_dot_product_attention"
    assert (fused.macs, fused.as_dict()["verified"]) == (plain.macs, None)
    neither = counted("Fourier")
    assert neither.macs is None
    assert neither.error == "fvcore does not know aten::fft_fft; FlopCounterMode does not know aten._fft_r2c"


def test_two_counts_that_differ_are_both_shown_and_neither_is_taken() -> None:
    found = UserCount(5, Tally("fvcore", {"": 7}), Tally("FlopCounterMode", {"": 8}))
    assert found.macs is None
    assert found.error == "fvcore counts 7 MACs, FlopCounterMode 8"
    assert (found.as_dict()["macs_fvcore"], found.as_dict()["macs_torch"]) == (7, 8)
    assert found.as_dict()["verified"] is False


def test_grids_and_norms_of_maps_are_counted() -> None:
    assert counted("DepthwiseConvolution", DIM, "BCHW").macs == 2 * 49 * 48 * 9
    assert counted("GridLinear", DIM, "BHWC").macs == 2 * 49 * 48 * 48


def test_code_that_meta_tensors_cannot_run_is_counted_on_the_processor() -> None:
    found = counted("OffMeta", DIM)
    assert found.torch.total == 2 * 49 * 48 * 48


@pytest.mark.parametrize("op", ["aten::mul", "aten.add_", "aten.view", "aten::softmax", "aten.native_layer_norm"])
def test_elementwise_ops_and_views_hold_no_macs(op: str) -> None:
    assert holds_no_macs(op)


@pytest.mark.parametrize(
    "op",
    [
        *("aten::matmul", "aten.bmm", "aten.addmm", "aten._fft_c2c", "aten.convolution", "aten._trilinear"),
        *("aten._scaled_dot_product_flash_attention_for_cpu", "aten._native_multi_head_attention", "aten.cdist"),
        *("mine.op", "prim::PythonOp.Mine", "aten.nothing_of_the_kind", "aten.lstm"),
    ],
)
def test_any_other_op_may_hold_some(op: str) -> None:
    assert not holds_no_macs(op)


def test_arguments_are_python_literals_or_text_and_may_name_sizes() -> None:
    texts = ("dim={dim}", "grid=({height}, {width})", "act=gelu", "sizes=[1, 2]", "bias=True", "name='a=b'")
    user = UserModule("m:C", parse_arguments("--arg", texts))
    assert user.keywords(Workload(1, 2, 3, 4)) == {
        "dim": 4,
        "grid": (2, 3),
        "act": "gelu",
        "sizes": [1, 2],
        "bias": True,
        "name": "a=b",
    }


def test_modules_are_rows_beside_the_mixers(skaprof: Run) -> None:
    own = ("--module", "user_models:Attention", "--arg", "dim={dim}", "--module", "user_models:OffMeta")
    arguments = ("--dim", "32,64", "--tokens", "16", "-m", "mhsa", "-m", "identity")
    done = skaprof("flops", *arguments, *own, "--format", "json", cwd=TESTS)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    names = ["mhsa", "identity", "user_models:Attention", "user_models:OffMeta"]
    assert [(row["dim"], row["mixer"]) for row in rows] == [(dim, name) for dim in (32, 64) for name in names]
    mhsa, _, attention, _ = rows[:4]
    assert attention["macs"] == mhsa["macs"]
    assert attention["params"] == mhsa["params"] + 4 * 32
    assert (attention["traffic_bytes"], attention["verified"]) == (None, None)
    assert {tuple(row) for row in rows} == {tuple(mhsa)}


def test_a_module_without_a_count_fails_the_check_and_says_why(skaprof: Run) -> None:
    done = skaprof("flops", "--module", "user_models:Fourier", "-m", "ska", cwd=TESTS)
    assert done.returncode == 1
    assert "FlopCounterMode does not know aten._fft_r2c" in done.stdout


BAD = [
    (("--module", "nowhere:Class"), "nowhere cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
    (("--module", "broken_module:Class"), "broken_module cannot be imported: ZeroDivisionError: division by zero"),
    (("--module", "user_models:Attentoin"), "did you mean 'user_models:Attention'"),
    (("--module", "user_models"), "expected package.module:Class"),
    (("--module", "user_models:NOT_CALLABLE"), "expected a class or function"),
    (("--module", "user_models:number"), "gives int: expected a torch.nn.Module"),
    (("--module", "user_models:Unbuilt"), "Unbuilt() cannot be built: ValueError: no head count at all"),
    (("--module", "user_models:Attention"), "cannot be built: TypeError: "),
    (("--module", "user_models:Unrun"), "input of shape (1, 196, 256): RuntimeError: shapes cannot be multiplied"),
    (("--module", "user_models:Wider"), "returns a tensor of shape (1, 196, 512): expected its input's, (1, 196, 256)"),
    (("--module", "user_models:Pair"), "returns tuple: expected one tensor"),
    (("--module", "user_models:Wider", "--input", "NBC"), "did you mean 'BNC'"),
    (("--module", "user_models:Wider", "--arg", "dim"), "expected NAME=VALUE"),
    (("--module", "user_models:Wider", "--arg", "a=1", "--arg", "a=2"), "expected a only once"),
    (("--module", "user_models:Wider", "--per-op"), "--module and --per-op cannot be combined"),
    (("--module", "user_models:Wider", "--mode", "train"), "expected --mode forward"),
    (("--arg", "dim=3"), "needs --module"),
    (("--input", "BNC"), "needs --module"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments)[:60] for arguments, _ in BAD])
def test_bad_modules_get_their_own_error_on_one_line_and_exit_2(
    skaprof: Run, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "broken_module.py").write_text("1 / 0")
    (tmp_path / "user_models.py").write_text((TESTS / "user_models.py").read_text())
    done = skaprof("flops", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_built_in_mixers_counted_as_modules_agree_with_their_closed_forms() -> None:
    from skaprof.count.user import count_module
    from skaprof.model.plan import Variant
    from skaprof.model.rows import cost_row
    from skaprof.model.spec import parse_mixer
    from skaprof.nn import build_mixer

    for name in MIXERS:
        spec = parse_mixer(name)
        w = Workload(2, 4, 6, *spec.resolve_channels(64), spec.resolve_kernel_size())
        with torch.device("meta"):
            found = count_module(build_mixer(spec, w), torch.empty(2, 24, 64))
        row = cost_row(Variant(spec), w)
        assert (found.params, found.macs, found.error) == (row.params, row.macs, None), name


def test_a_reason_is_one_line_of_bounded_length() -> None:
    with pytest.raises(SkaprofError) as caught:
        counted("Unbuilt")
    assert caught.value.message == "--module: user_models:Unbuilt() cannot be built: ValueError: no head count at all"
