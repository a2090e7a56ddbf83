"""`skaprof model FILE.py:NAME`: a stranger's whole model, counted exactly, part by part, with its memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run
from test_schema import require_valid
from torch.profiler import ProfilerActivity, profile
from user_networks import half

from skaprof.api.networks import model_cost
from skaprof.count.model_parts import count_model
from skaprof.errors import SkaprofError
from skaprof.foreign_model import UserModel, is_path
from skaprof.nn.model_call import ModelCall
from skaprof.nn.user_model import built_model
from skaprof.own_rows import PartRow
from skaprof.results import ScopeRow

TESTS = Path(__file__).parent
VIT = UserModel("user_models:VisionTransformer", shapes=((2, 3, 112, 112),))
RESIDUAL = UserModel("user_networks:Residual", shapes=((2, 3, 32, 32),))
TIED = UserModel("user_networks:Tied", shapes=((2, 7),), input_dtypes=("int64",))
OF_SKAPROF = UserModel("user_networks:of_skaprof", (("name", "vit_cifar"),), ((2, 3, 32, 32),))
SMALL = ("user_networks:Residual", "--shape", "2x3x32x32")


def rows_of(skaprof: Run, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    done = skaprof("model", *arguments, "--format", "json", cwd=TESTS)
    assert done.returncode == code, done.stderr
    document = json.loads(done.stdout)
    require_valid(document)
    rows: list[dict[str, Any]] = document["rows"]
    return rows


def by_scope(user: UserModel, mode: str = "forward", depth: int = 9) -> dict[str, PartRow]:
    return {row.scope: row for row in count_model(user, mode).rows(depth)}


def test_a_strangers_vit_has_the_published_figures_and_both_counters_agree(skaprof: Run) -> None:
    *parts, whole = rows_of(skaprof, "user_networks:vit_base", "--verify")
    assert (whole["scope"], whole["output_shape"], whole["dtype"]) == ("", "1x1000", "float32")
    assert (whole["params"], whole["macs"]) == (86_567_656, 17_563_828_224)
    assert (whole["params_counted"], whole["macs_torch"], whole["verified"]) == (86_567_656, 17_563_828_224, True)
    assert whole["note"] == "fvcore does not know aten::scaled_dot_product_attention"
    blocks = [row for row in parts if row["scope"].startswith("blocks.")]
    assert {row["output_shape"] for row in blocks} == {"1x197x768"}
    assert sum(row["macs"] for row in blocks) == next(row for row in parts if row["scope"] == "blocks")["macs"]


def test_a_row_has_the_keys_of_a_backbones() -> None:
    assert set(ScopeRow.fields) < set(PartRow.fields)


@pytest.mark.parametrize("mode", ["forward", "train"])
def test_it_is_what_the_closed_forms_say_of_a_network_that_has_some(mode: str) -> None:
    found = by_scope(OF_SKAPROF, mode)
    (derived,) = model_cost("vit_cifar", depth="total", mode=mode, batch=2)
    for key in ("params", "macs", "flops", "weight_bytes", "saved_bytes"):
        assert getattr(found[""], key) == getattr(derived, key), key


@pytest.mark.parametrize("mode", ["forward", "train"])
@pytest.mark.parametrize("user", [VIT, RESIDUAL, TIED], ids=lambda user: user.path)
def test_parts_and_what_holds_them_besides_add_up_to_the_whole(user: UserModel, mode: str) -> None:
    counted = count_model(user, mode)
    rows = {row.scope: row for row in counted.rows(9)}
    direct = {"traffic_bytes": "traffic", "saved_bytes": "saved", "peak_bytes": "peak"}
    for key, kept in direct.items():
        own = getattr(counted.memory, kept)
        for scope, row in rows.items():
            inside = [other for name, other in rows.items() if name and name.rpartition(".")[0] == scope]
            assert (getattr(row, key) or 0) == own.get(scope, 0) + sum(getattr(part, key) or 0 for part in inside)
    assert rows[""].macs == sum(op.macs for op in counted.work.ops)
    assert (rows[""].peak_bytes is None) == (mode == "train")
    assert (rows[""].saved_bytes > 0) == (mode == "train")


def allocator_peak(model: Any, call: ModelCall) -> int:
    """Most bytes that PyTorch's allocator held at once beyond what was there, and the input."""
    with torch.no_grad():
        call.run(model)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            call.run(model)
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak + sum(tensor.nbytes for tensor in call.tensors)


@pytest.mark.parametrize("user", [OF_SKAPROF, RESIDUAL, TIED], ids=lambda user: user.path)
def test_the_peak_is_what_pytorchs_allocator_holds(user: UserModel) -> None:
    assert by_scope(user)[""].peak_bytes == allocator_peak(*built_model(user, "cpu", "NAME"))


def test_shared_parameters_count_once_and_idle_parts_are_said(skaprof: Run) -> None:
    rows = by_scope(TIED)
    assert (rows["embedding"].params, rows["head"].params, rows[""].params) == (1600, 1600, 1600 + 32 * 33)
    assert (rows["head"].shared_params, rows["block"].shared_params) == (1600, 0)
    told = skaprof("model", TIED.path, "--inputs", "user_networks:ids_and_mask", cwd=TESTS).stdout
    assert "Up to 1,600 parameters stand in several places (embedding, head): the total has them once." in told
    assert "Not run on this input: spare." in skaprof("model", *SMALL, cwd=TESTS).stdout


def test_inputs_are_tensors_tuples_or_keywords(skaprof: Run) -> None:
    by_keywords = rows_of(skaprof, TIED.path, "--inputs", "user_networks:ids_and_mask")[-1]
    assert (by_keywords["macs"], by_keywords["batch"]) == (by_scope(TIED)[""].macs, 2)
    assert by_keywords["input_shape"] == "user_networks:ids_and_mask"
    two = rows_of(skaprof, "user_networks:TwoInputs", "--shape", "2x8", "--shape", "2x16")[-1]
    assert (two["macs"], two["output_shape"], two["input_shape"]) == (2 * 4 * (8 + 16), "2x4,2x4", "2x8,2x16")


def test_a_half_precision_model_stays_so_unless_it_is_cast(skaprof: Run) -> None:
    arguments = ("user_networks:half", "--shape", "1x3x112x112", "--depth", "total")
    (kept,) = rows_of(skaprof, *arguments)
    assert (kept["dtype"], kept["weight_bytes"]) == ("float16", 2 * kept["params"])
    cast = rows_of(skaprof, *arguments, "--dtype", "float32,bfloat16", "--mode", "forward,train")
    assert [(row["dtype"], row["mode"]) for row in cast] == [
        (dtype, mode) for dtype in ("float32", "bfloat16") for mode in ("forward", "train")
    ]
    assert {row["macs"] for row in cast if row["mode"] == "forward"} == {kept["macs"]}
    assert next(half().parameters()).dtype == torch.float16


def test_what_is_not_known_is_null_with_the_reason_and_exit_1(skaprof: Run) -> None:
    *_, whole = rows_of(skaprof, "user_networks:Leaving", "--shape", "2x8", code=1)
    assert (whole["macs"], whole["flops"], whole["macs_share"]) == (None, None, None)
    assert "numpy" in whole["error"]


def test_the_tree_is_drawn_and_told_in_every_format(skaprof: Run, tmp_path: Path) -> None:
    figure = tmp_path / "parts.png"
    done = skaprof("model", *SMALL, "--mode", "forward,train", "--plot", str(figure), cwd=TESTS)
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert "user_networks:Residual, input 2 x 3 x 32 x 32, float32" in done.stdout
    for chosen in ("csv", "markdown"):
        assert "stem" in skaprof("model", *SMALL, "--format", chosen, cwd=TESTS).stdout


def test_a_change_of_the_model_is_found_by_compare(skaprof: Run, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{name}.json") for name in "ab"]
    for path, words in zip(paths, ("50", "600"), strict=True):  # of unlike sizes: Python knows what it compiled by that
        shape = ("--shape", "2x7", "--input-dtype", "int64", "--output", path)
        source = tmp_path / "net.py"
        source.write_text(f"import user_networks\ndef build(): return user_networks.Tied({words})\n")
        import sys

        sys.modules.pop(next((name for name in sys.modules if name.startswith("net_")), ""), None)
        skaprof("model", f"{source}:build", *shape, cwd=TESTS)
    done = skaprof("compare", *paths, "--fail-on", "macs>0%", "--format", "json")
    assert done.returncode == 1
    changed = {(row["scope"], row["metric"]) for row in json.loads(done.stdout)["rows"]}
    assert {("head", "macs"), ("", "macs"), ("", "params")} <= changed


BAD: list[tuple[Sequence[str], str]] = [
    (("no_file.py:build",), "NAME: 'no_file.py' is not valid: expected a file that exists"),
    (("user_networks:failing",), "cannot be built: KeyError: 'no such checkpoint' (user_networks.py, line "),
    (("user_networks:Textual", "--shape", "2x8"), "returns str without a tensor in it"),
    (
        ("user_networks:TwoInputs", "--shape", "2x9", "--shape", "2x16"),
        "input of shape (2, 9) and (2, 16): RuntimeError",
    ),
    (("user_networks:Tied", "--inputs", "user_networks:no_inputs"), "gives str without a tensor: expected a tensor, a"),
    (("user_networks:Tied", "--inputs", "user_networks:failing_inputs"), "OSError: no images here (user_networks.py, "),
    (("user_networks:Tied", "--inputs", "user_networks:x", "--shape", "2x7"), "--shape: --inputs user_networks:x says"),
    (("user_networks:Tied", "--shape", "2x7", "--input-dtype", "int64,int64"), "one for all, or one for each of 1"),
    (("user_networks:Tied", "--shape", "2x"), "--shape: ''"),
    (("user_networks:Tied", "--stage", "3=ska"), "--stage: '3=ska': expected a backbone"),
    (("user_networks:Tied", "--task", "detection"), "--task: 'detection': expected a backbone"),
    (("user_networks:Tied", "--implementation", "sdpa"), "a model of your own runs as it is written"),
    (("user_networks:Tied", "--model-arg", "size=3"), "TypeError: "),
    (("vit_tiny", "--shape", "1x3x224x224"), "--shape: '1x3x224x224' needs a model of your own"),
    (("vit_tiny", "--depth", "3"), "--depth: '3' is not valid: expected one of block, stage, total"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments)[-60:] for arguments, _ in BAD])
def test_bad_input_gets_one_line_with_the_users_own_error_and_exit_2(
    skaprof_here: Run, arguments: tuple[str, ...], words: str
) -> None:
    done = skaprof_here("model", *arguments, cwd=TESTS)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(("how", "parts"), [("script", ["0"]), ("trace", ["0"]), ("compile", ["0", "0._orig_mod"])])
def test_what_is_in_a_scripted_part_is_not_told_apart_and_never_called_0(how: str, parts: list[str]) -> None:
    inside = (("how", how), ("inside", "True"))
    rows = count_model(UserModel("user_models:fixed", inside, ((2, 16, 48),))).rows(2)
    assert [row.scope for row in rows] == [*parts, ""]
    assert {row.macs for row in rows} == {2 * 16 * 48 * 48}


def test_a_part_that_is_run_by_its_forward_has_its_work() -> None:
    found = by_scope(UserModel("user_models:Direct", shapes=((2, 16, 48),)))
    assert found["attn"].macs == found[""].macs > 0


def test_a_path_is_no_backbone_and_no_toml_file() -> None:
    assert is_path("mine.py:build")
    assert is_path("timm:create_model")
    for name in ("caformer_s18[stage3=ska:query=false]", "vit_tiny", "folder:x/net.toml"):
        assert not is_path(name)


def test_a_model_on_meta_says_nothing_of_a_processor() -> None:
    assert count_model(VIT).call.tensors[0].device.type == "meta"
    with pytest.raises(SkaprofError, match=r"cannot run on an input of shape \(2, 4, 112, 112\)"):
        count_model(VIT._replace(shapes=((2, 4, 112, 112),)))
