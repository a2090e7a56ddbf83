"""A user's own modules: counted by both counters or not at all, and refused with the user's own error."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import torch
import user_models
from conftest import Run
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import SizeGrid, Variant, make_plan
from skaprof.analysis.planned_rows import proved_rows
from skaprof.count.learned import Learned, learned
from skaprof.count.matmul_formulas import einsum_macs, spelled_out
from skaprof.count.user import UserCount, count_module, count_user
from skaprof.count.verify import verify
from skaprof.count.without_macs import holds_no_macs
from skaprof.count.witnesses import Tally
from skaprof.errors import SkaprofError
from skaprof.foreign_code import UserModule, file_hash, parse_arguments
from skaprof.model.mixers import MIXERS
from skaprof.model.spec import parse_mixer
from skaprof.report.cost_sentences import counted_sentences
from skaprof.report.table import caption
from skaprof.results import ResultRow
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
    assert (fused.macs, fused.as_dict()["verified"]) == (plain.macs, True)
    nobody = counted("Fourier")
    assert nobody.macs is None
    assert nobody.error == "aten._fft_r2c: whether it has multiply-adds is not known"


def test_weights_that_are_no_parameters_are_not_counted_as_none() -> None:
    found = counted("Unregistered", DIM)
    assert (found.params, found.learned.bytes, found.macs) == (None, None, DENSE)
    numbers = "2,304 numbers that are neither parameters nor real buffers"
    assert found.error == f"it multiplies by {numbers}: how many it learns is not known"
    packed = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(8, 4)), {nn.LSTM}, dtype=torch.qint8)
    assert learned(packed).params == sum(parameter.numel() for parameter in nn.LSTM(8, 4).parameters())
    assert learned(torch.jit.script(nn.Linear(8, 4))).params == 36


def test_counts_that_differ_are_all_shown_and_none_is_taken() -> None:
    found = UserCount(Learned(5, 20), *(Tally(name, {"": macs}) for name, macs in (("a", 7), ("b", 7), ("c", 8))))
    assert found.macs is None
    assert found.error == "a counts 7 MACs, b counts 7 MACs, c counts 8 MACs"
    assert (found.as_dict()["macs_fvcore"], found.as_dict()["macs_torch"]) == (7, 8)
    assert found.as_dict()["verified"] is False


def test_grids_and_norms_of_maps_are_counted() -> None:
    assert counted("DepthwiseConvolution", DIM, "BCHW").macs == 2 * 49 * 48 * 9
    assert counted("GridLinear", DIM, "BHWC").macs == 2 * 49 * 48 * 48


def test_code_that_meta_tensors_cannot_run_is_counted_on_the_processor() -> None:
    found = counted("OffMeta", DIM)
    assert found.torch.total == 2 * 49 * 48 * 48


DENSE = 2 * 49 * 48 * 48
ATTENTION = 2 * (4 * 49 * 48 * 48 + 2 * 49 * 49 * 48)


@pytest.mark.parametrize(
    ("name", "layout", "macs"),
    [
        ("Einsum", "BNC", DENSE),
        ("ByVector", "BNC", 2 * 49 * 48),
        ("Broadcast", "BNC", 0),
        ("OverTokens", "BNC", 3 * DENSE),
        ("CalledConvolution", "BCHW", 2 * 49 * 48 * 9 + 4 * DENSE + 49 * 48 * 9),
        ("DownAndUp", "BCHW", 2 * (2 * 9 * 4 * 48 * 48)),
        ("PartlyFrozen", "BNC", DENSE),
    ],
)
def test_ordinary_modules_are_counted_alike_by_both(name: str, layout: str, macs: int) -> None:
    found = counted(name, DIM, layout)
    assert (found.fvcore.total, found.torch.total, found.error) == (macs, macs, None)


def test_moves_of_data_and_random_numbers_are_no_macs() -> None:
    found = counted("Shuffled")
    assert (found.macs, found.error) == (0, None)


@pytest.mark.parametrize("name", ["OffMetaAttention", "OffMetaTorchAttention"])
def test_attention_on_the_processor_is_counted_as_the_matrix_products_that_it_fuses(name: str) -> None:
    assert counted(name, DIM).torch.total == ATTENTION


@pytest.mark.parametrize(
    ("equation", "shapes", "macs"),
    [
        ("ij,jk->ik", [[2, 3], [3, 5]], 30),
        ("ij,jk", [[2, 3], [3, 5]], 30),
        ("bqhd,bkhd->bhqk", [[2, 7, 3, 5], [2, 11, 3, 5]], 2 * 7 * 11 * 3 * 5),
        ("bnc,c->bnc", [[2, 3, 5], [5]], 0),
        ("bnc,d->bnd", [[2, 3, 5], [7]], 0),
        ("bnc,bc->n", [[2, 3, 5], [2, 5]], 2 * 3 * 5),
        ("ij,jk->ik", [[2, 1], [1, 5]], 0),
        ("...c,cd->...d", [[2, 3, 5], [5, 7]], 2 * 3 * 5 * 7),
        ("...ij,...jk", [[3, 5, 7], [2, 3, 7, 11]], 2 * 3 * 5 * 7 * 11),
    ],
)
def test_an_einsum_has_the_macs_that_pytorch_runs_it_with(equation: str, shapes: list[list[int]], macs: int) -> None:
    assert einsum_macs(spelled_out(equation, shapes), shapes) == macs
    with FlopCounterMode(display=False) as counter:
        torch.einsum(equation, *(torch.zeros(shape) for shape in shapes))
    assert counter.get_total_flops() == 2 * macs


def test_counting_leaves_a_module_as_it_was() -> None:
    module = user_models.PartlyFrozen(48)
    before = [parameter.requires_grad for parameter in module.parameters()]
    count_module(module, torch.zeros(1, 4, 48))
    assert [parameter.requires_grad for parameter in module.parameters()] == before
    assert len(set(before)) == 2


def shared_state() -> tuple[object, ...]:
    return torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads(), torch.get_rng_state().tolist()


@pytest.mark.parametrize("when", ["build", "run"])
def test_what_a_module_sets_of_pytorch_is_put_back(when: str) -> None:
    before = shared_state()
    counted("Unruly", (*DIM, ("when", when)))
    assert shared_state() == before


def test_what_a_module_prints_is_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    counted("Loud", DIM)
    said = capsys.readouterr()
    assert said.out == ""
    assert {"built", "run"} == set(said.err.split())


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("user_models:Exiting", "user_models:Exiting cannot run on an input of shape (2, 49, 48): SystemExit: 0"),
        ("nowhere.py:Class", "'nowhere.py' is not valid: expected a file that exists"),
        ("user_models.py", "expected package.module:Class or FILE.py:Class"),
        (f"{TESTS}/user_models.py:Pair", "returns tuple: expected one tensor"),
    ],
)
def test_an_error_of_the_users_code_names_the_module(path: str, words: str) -> None:
    with pytest.raises(SkaprofError) as caught:
        count_user(UserModule(path), SIZES)
    assert words in caught.value.message


def test_a_file_may_be_named_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text("from siblings import Linear\nclass Own(Linear): pass\n")
    (tmp_path / "siblings.py").write_text("from torch.nn import Linear\n")
    user = UserModule(f"{tmp_path}/layers.py:Own", (("in_features", "{dim}"), ("out_features", "{dim}")))
    assert count_user(user, SIZES).macs == DENSE


def test_a_module_that_fails_to_look_a_name_up_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "moody.py").write_text("def __getattr__(name): raise ValueError(name)\n")
    with pytest.raises(SkaprofError, match=re.escape("moody.py:Own cannot be found: ValueError: Own")):
        count_user(UserModule(f"{tmp_path}/moody.py:Own"), SIZES)


def test_a_files_tensors_are_made_on_no_other_device(tmp_path: Path) -> None:
    (tmp_path / "with_table.py").write_text("import torch\nTABLE = torch.arange(3.0)\nOwn = torch.nn.Identity\n")
    called = UserModule(f"{tmp_path}/with_table.py:Own")
    count_user(called, SIZES)
    (table,) = [module.TABLE for name, module in sys.modules.items() if name.startswith("with_table")]
    assert table.device.type == "cpu"


def test_a_row_says_which_module_it_is_of(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("from torch import nn\nclass Own(nn.Identity): pass\n")
    named = UserModule(f"{file}:Own", parse_arguments("--arg", ("a={dim}", "b=2")), "BHWC").identity()
    assert named == {"arguments": "a={dim}, b=2", "layout": "BHWC", "source_hash": file_hash(file)}
    file.write_text("other")
    assert file_hash(file) != named["source_hash"]


def _shown(mixer: str) -> ResultRow:
    costs = cost_row(Variant(parse_mixer("mhsa")), Workload(1, 2, 2, 64, 2, 32))
    return ResultRow.read(costs.as_dict() | {"mixer": mixer})


def test_the_sentences_name_the_counter_that_counted() -> None:
    row = _shown("a").replace(traffic_bytes=None, macs_torch=5, macs=5, error="why")
    rows = [row, row.replace(mixer="b", macs_fvcore=0, macs_torch=0, macs=0, error=None)]
    rows.append(row.replace(mixer="c", macs_torch=None, macs=None))
    counted, unknown = "counted op by op, not derived, and", "elementwise FLOPs and traffic are not known."
    assert counted_sentences(rows) == [
        f"a: {counted} FlopCounterMode agrees; {unknown}",
        f"b: {counted} fvcore and FlopCounterMode agree; {unknown}",
        f"c: no exact count; {unknown}",
        "b: no multiply-adds in matrix products or convolutions: elementwise work only.",
        "a: why.",
        "c: why.",
    ]


def test_heads_of_the_mixers_are_not_said_to_be_a_modules() -> None:
    mixer = _shown("mhsa")
    module = mixer.replace(mixer="m:C", heads=None, head_dim=None, layout="BNC")
    assert "2 heads of 32, float32" in caption([mixer])
    assert "2 heads of 32 (not m:C), float32" in caption([mixer, module])


def test_a_mixer_beyond_the_counters_stands_unproved_beside_a_module() -> None:
    grid = SizeGrid((1,), ((10_000, 10_000),), (256,), (), (), ())
    plan = make_plan([parse_mixer("cska"), parse_mixer("mhsa")], grid, ["eager"], ["forward"], ["float32"])
    said: list[str] = []
    rows = list(proved_rows(plan.rows(), verify, said.append, [], asked=False))
    assert [row["verified"] for row in rows] == [None, True]
    assert rows[0]["macs"] > 2**63
    (words,) = said
    assert words.startswith("not proved: cska at 100,000,000 tokens has more MACs")
    with pytest.raises(SkaprofError, match=r"^verify: cska at"):
        list(proved_rows(plan.rows(), verify, said.append, []))


@pytest.mark.parametrize(
    "op",
    [
        *("aten::mul", "aten.add_", "aten.view", "aten::softmax", "aten.native_layer_norm"),
        *("aten.randn", "aten::randperm", "aten.diag", "aten.unsafe_split", "aten.index_put_", "aten.grid_sampler_2d"),
    ],
)
def test_elementwise_ops_and_views_hold_no_macs(op: str) -> None:
    assert holds_no_macs(op)


@pytest.mark.parametrize(
    "op",
    [
        *("aten::matmul", "aten.bmm", "aten.addmm", "aten._fft_c2c", "aten.convolution", "aten._trilinear"),
        *("aten._scaled_dot_product_flash_attention_for_cpu", "aten._native_multi_head_attention", "aten.cdist"),
        *("mine.op", "prim::PythonOp.Mine", "prim::CallFunction", "aten.nothing_of_the_kind", "aten.lstm"),
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
    assert (attention["traffic_bytes"], attention["verified"]) == (None, True)
    assert {tuple(row) for row in rows} == {tuple(mhsa)}


def test_several_modules_have_arguments_of_their_own(skaprof: Run) -> None:
    own = ("--module", "user_models:Attention", "--module", "user_models:Einsum", "--arg", "dim={dim}")
    arguments = ("--dim", "64", "--tokens", "16", "-m", "ska", "--arg", "Attention:num_heads=2", "--format", "json")
    rows = json.loads(skaprof("flops", *own, *arguments, cwd=TESTS).stdout)["rows"]
    assert [row["arguments"] for row in rows[1:]] == ["dim={dim}, num_heads=2", "dim={dim}"]


def test_a_module_without_a_count_fails_the_check_and_says_why(skaprof: Run) -> None:
    done = skaprof("flops", "--module", "user_models:Fourier", "-m", "ska", cwd=TESTS)
    assert done.returncode == 1
    assert "aten._fft_r2c: whether it has multiply-adds is not known" in done.stdout


BAD = [
    (("--module", "nowhere:Class"), "nowhere cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
    (("--module", "broken_module:Class"), "broken_module cannot be imported: ZeroDivisionError: division by zero"),
    (("--module", "user_models:Attentoin"), "did you mean 'user_models:Attention'"),
    (("--module", "user_models"), "expected package.module:Class or FILE.py:Class"),
    (("--module", "user_models:Wider", "--arg", "dim={dmi}"), "did you mean 'dim={dim}'"),
    (("--arg", "dim=3", "--arg", "a=4"), "--arg: 'dim=3', 'a=4' needs --module"),
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
    (("--arg", "dim=3"), "needs --module"),
    (("--module", "user_models:Wider", "--arg", "Widr:a=1"), "did you mean 'Wider'"),
    (("--input", "BNC"), "needs --module"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments)[:60] for arguments, _ in BAD])
def test_bad_modules_get_their_own_error_on_one_line_and_exit_2(
    skaprof_here: Run, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "broken_module.py").write_text("1 / 0")
    (tmp_path / "user_models.py").write_text((TESTS / "user_models.py").read_text())
    done = skaprof_here("flops", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_built_in_mixers_counted_as_modules_agree_with_their_closed_forms() -> None:
    from skaprof.analysis.costs import cost_row
    from skaprof.analysis.plan import Variant
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
    said = caught.value.in_options()
    assert said.startswith(
        "--module: user_models:Unbuilt() cannot be built: ValueError: no head count at all (tests/user_models.py, line "
    )
