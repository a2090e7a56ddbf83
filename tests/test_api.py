"""The Python API: sizes in every spelling, and one kind of error for every kind of mistake."""

from __future__ import annotations

import ast
import doctest
import itertools
import json
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from conftest import Run

import skaprof
from skaprof import SkaprofError
from skaprof.analysis.symbolic import formula_rows
from skaprof.model.spec import parse_mixer

PACKAGE = Path(skaprof.__file__).parent


def test_sizes_in_every_spelling_mean_the_same() -> None:
    expected = skaprof.cost("ska", tokens=196, dim=256)
    assert skaprof.cost("ska") == expected
    assert skaprof.cost("ska", size=(14, 14), dim=np.int64(256)) == expected
    assert skaprof.cost("ska", size=np.array([14, 14]), dim=np.array(256)) == expected
    frames = [
        skaprof.sweep("ska", tokens=tokens, dim=(64, 128))
        for tokens in ((16, 32, 64), "16:64:*2", np.array([16, 32, 64]), iter([16, 32, 64]))
    ]
    assert all(frame.equals(frames[0]) for frame in frames)
    assert skaprof.sweep(["ska"], size=(4, 6)).equals(skaprof.sweep("ska", size="4x6"))
    assert skaprof.sweep("ska", size=[(4, 6), (2, 2)]).equals(skaprof.sweep("ska", size="4x6,2x2"))


MISTAKES: dict[str, Callable[[], object]] = {
    "several tokens for one": lambda: skaprof.cost("ska", tokens=[49, 196]),
    "a grid for one": lambda: skaprof.cost("ska", tokens="49,196"),
    "several sizes for one": lambda: skaprof.cost("ska", size=[(14, 20), (7, 7)]),
    "size text for one": lambda: skaprof.cost("ska", size="14x20"),
    "a size that is no pair": lambda: skaprof.cost("ska", size=14),
    "no mixer": lambda: skaprof.cost(None),
    "a number for a mixer": lambda: skaprof.formula(5),
    "no mixers": lambda: skaprof.sweep([]),
    "no dtypes": lambda: skaprof.sweep("ska", dtype=[]),
    "no sizes": lambda: skaprof.sweep("ska", size=[]),
    "a number for a mode": lambda: skaprof.sweep("ska", mode=1),
    "endless sizes": lambda: skaprof.sweep("ska", tokens=itertools.count(1)),
    "bytes for sizes": lambda: skaprof.sweep("ska", dim=b"64"),
    "text for a pair": lambda: skaprof.sweep("ska", size=["14", "20"]),
    "a fraction": lambda: skaprof.cost("ska", dim=2.5),
    "a truth value": lambda: skaprof.cost("ska", dim=True),
    "both grids": lambda: skaprof.cost("ska", tokens=4, size=(2, 2)),
    "an unknown dtype": lambda: skaprof.cost("ska", dtype="int8"),
    "an unknown mode": lambda: skaprof.formula("ska", mode="backward"),
    "a number for a form": lambda: skaprof.formula("ska", implementation=[1]),
    "an array for a mode": lambda: skaprof.cost("ska", mode=np.array(["forward", "train"])),
    "no batch": lambda: skaprof.sweep("ska", batch=None),
    "a number for a backbone": lambda: skaprof.model_cost(3),
    "no backbone": lambda: skaprof.verify_model(None),
    "several backbones": lambda: skaprof.model_cost(["caformer_s18"]),
    "a number for mixers": lambda: skaprof.model_cost("caformer_s18", 3),
    "a number among mixers": lambda: skaprof.model_cost("caformer_s18", ["ska", "ska", 3, "ska"]),
    "bytes for mixers": lambda: skaprof.model_cost("caformer_s18", b"ska"),
    "text for an image": lambda: skaprof.model_cost("caformer_s18", resolution="224"),
    "an array without a size for an image": lambda: skaprof.model_cost("caformer_s18", resolution=np.array("a")),
    "a list for a task": lambda: skaprof.model_cost("caformer_s18", task=["detection"]),
    "mixers twice over": lambda: skaprof.model_cost("caformer_s18[stage3=ska]", "ska"),
    "too few mixers": lambda: skaprof.model_cost("caformer_s18", ["ska", "mhsa"]),
    "an axis that is given": lambda: skaprof.crossover("ska", dim=64, axis="dim"),
    "no axis": lambda: skaprof.crossover("ska", axis="height"),
    "a patch without an axis": lambda: skaprof.crossover("ska", patch=16),
    "the baseline itself": lambda: skaprof.crossover("mhsa"),
    "a number for a crossover's mixer": lambda: skaprof.crossover(3),
    "several sizes for a crossover": lambda: skaprof.crossover("ska", dim=(64, 128)),
    "TF32 of no machine": lambda: skaprof.crossover("ska", tf32=True),
    "an even kernel": lambda: skaprof.crossover("cska", kernel_size=4),
    "an unknown machine": lambda: skaprof.roofline("ska", hardware="h200"),
    "TF32 in float16": lambda: skaprof.roofline("ska", tf32=True, dtype="float16"),
    "sizes of a file": lambda: skaprof.roofline("ska", results="runs.json", dim=64),
    "no such results": lambda: skaprof.roofline("ska", results="runs.json"),
    "an unknown objective": lambda: skaprof.search("caformer_s18", objective="speed"),
    "a limit that is none": lambda: skaprof.search("caformer_s18", limit="fast"),
    "no such stage": lambda: skaprof.search("caformer_s18", stage="9=ska"),
    "kernels for none": lambda: skaprof.search("caformer_s18", "ska", kernel_size=5),
    "a mixer for no stage": lambda: skaprof.search("vit_cifar", "ska", stage="1=ska"),
    "no such file": lambda: skaprof.compare("old.json", "new.json"),
    "a threshold that is none": lambda: skaprof.compare("old.json", "new.json", fail_on="macs"),
    "no such claims": lambda: skaprof.check("claims.toml"),
    "several sizes to audit": lambda: skaprof.audit("ska", tokens=(16, 49)),
    "an unknown counter": lambda: skaprof.audit("ska", counter="mine"),
    "a part of no mode": lambda: skaprof.model_parts("torch.nn:Linear", mode="backward"),
    "a part of no model": lambda: skaprof.model_parts("nowhere:Net"),
    "parts of no depth": lambda: skaprof.model_parts("torch.nn:Linear", depth="deep"),
    "nothing to replace": lambda: skaprof.swap("torch.nn:Linear", {}),
    "text to replace": lambda: skaprof.swap("torch.nn:Linear", "attn=ska"),
    "no such model": lambda: skaprof.swap("nowhere:Net", {"attn": "ska"}),
    "no shape": lambda: skaprof.swap("torch.nn:Linear", {"attn": "ska"}, shape=()),
    "an unknown layout": lambda: skaprof.swap("torch.nn:Linear", {"attn": "ska"}, input="HWBC"),
    "an unknown device": lambda: skaprof.latency("ska", device="tpu"),
    "an unknown timing": lambda: skaprof.latency("ska", timing="warm"),
    "a graph on a processor": lambda: skaprof.latency("ska", device="cpu", timing="graph"),
    "TF32 on a processor": lambda: skaprof.latency("ska", device="cpu", tf32=True),
    "no seconds": lambda: skaprof.latency("ska", max_seconds=0),
    "a tolerance that is no number": lambda: skaprof.latency("ska", tolerance="2%"),
    "a baseline that is not timed": lambda: skaprof.latency("ska", device="cpu", baseline="mhsa"),
    "an unknown runtime": lambda: skaprof.latency("ska", device="cpu", runtime="tensorrt"),
    "an unknown precision": lambda: skaprof.latency("ska", device="cpu", runtime_precision="int4"),
    "an unknown implementation": lambda: skaprof.latency("ska", device="cpu", implementation="flash"),
    "a report of nothing": lambda: skaprof.write_report("out", "nowhere.json"),
    "a form it has not": lambda: skaprof.cost("pooling", implementation="sdpa"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_is_a_skaprof_error(mistake: str) -> None:
    with pytest.raises(SkaprofError) as caught:
        MISTAKES[mistake]()
    assert caught.value.exit_code == 2
    assert "--" not in caught.value.message, "an option of the command line, where arguments have other names"


def test_an_error_names_parameters_as_python_does_and_the_command_line_its_options() -> None:
    with pytest.raises(SkaprofError) as caught:
        skaprof.sweep(dim="64:1000000:1", heads=(3, 7))
    error = caught.value
    assert error.parameters == ("dim", "heads", "head_dim")
    assert str(error).startswith("dim, heads and head_dim: their product has 1,999,874 combinations")
    assert error.in_options().startswith("--dim, --heads and --head-dim: their product")


def test_an_error_of_one_value_has_it_and_what_was_expected() -> None:
    with pytest.raises(SkaprofError) as caught:
        skaprof.cost("ska", head_dim=0)
    error = caught.value
    assert (error.parameters, error.value) == (("head_dim",), 0)
    assert error.expected == "a whole number from 1 to 1,000,000,000"
    assert error.message == "head_dim: '0' is not valid: expected a whole number from 1 to 1,000,000,000"
    assert error.in_options().startswith("--head-dim: '0'")


def test_a_mark_of_the_users_own_is_never_an_option() -> None:
    with pytest.raises(SkaprofError) as caught:
        skaprof.cost("\ue000dim")
    assert "--dim" not in caught.value.in_options()
    assert caught.value.parameters == ("mixer",)


def test_a_backbone_may_be_a_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("resolution = 64\n[[stages]]\ndepth = 2\ndim = 64\nmixer = 'mhsa'\n")
    rows = skaprof.model_cost(path, depth="total")
    assert rows == skaprof.model_cost(str(path), depth="total", resolution=np.int64(64))
    assert skaprof.model_cost(f"{path}[stage1=ska]") == skaprof.model_cost(path, "ska")


def test_public_names_are_there_stay_callable_and_others_are_not() -> None:
    for name in skaprof.__all__:
        assert getattr(skaprof, name) is not None
        assert name in dir(skaprof)
    skaprof.sweep("ska")
    assert callable(skaprof.sweep)
    assert callable(skaprof.verify)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = skaprof.nothing


API = sorted(path.stem for path in (PACKAGE / "api").glob("[!_]*.py"))


@pytest.mark.parametrize("module", API)
def test_examples_in_docstrings_are_true(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _write_results(tmp_path / "old.json", params=10, macs=100)
    _write_results(tmp_path / "new.json", params=11, macs=101)
    (tmp_path / "claims.toml").write_text(
        "[[claim]]\nclaim = 'cska.macs <= mhsa.macs @ tokens=49,dim=512'\nsource = 'here'\n"
    )
    _write_report(tmp_path / "report")
    _write_shards(tmp_path)
    found = doctest.testmod(import_module(f"skaprof.api.{module}"), extraglobs={"skaprof": skaprof})
    assert found.failed == 0, capsys.readouterr().out


def test_the_examples_of_the_documentation_are_true() -> None:
    page = Path(__file__).parent.parent / "docs" / "api.md"
    found = doctest.testfile(str(page), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 3
    assert found.failed == 0


def _write_report(folder: Path) -> None:
    folder.mkdir()
    row = {"section": "formulas", **formula_rows(parse_mixer("ska"))[0].as_dict()}
    results = {
        "command": "skaprof report",
        "environment": {"skaprof": "0"},
        "settings": {"title": "One"},
        "rows": [row],
    }
    (folder / "results.json").write_text(json.dumps({"schema_version": 1, **results}))


def _write_shards(folder: Path) -> None:
    """Two sizes that one mixer was timed beside another at, a file each."""
    head, mhsa, _, ska, *_ = map(json.loads, (Path(__file__).parent / "data/runs.jsonl").read_text().splitlines())
    for number, side in ((1, 7), (2, 14)):
        settings = head["settings"] | {"shard": f"{number}/2"}
        rows = [row | {"height": side, "width": side, "tokens": side**2} for row in (mhsa, ska)]
        lines = map(json.dumps, (head | {"settings": settings}, *rows))
        (folder / f"shard-{number}.jsonl").write_text("".join(f"{line}\n" for line in lines))


def _write_results(path: Path, **changes: int) -> None:
    row = skaprof.cost("ska").replace(**changes).as_dict()
    path.write_text(json.dumps({"schema_version": 1, "command": "skaprof flops", "environment": {}, "rows": [row]}))


def test_every_public_function_has_an_example_and_says_what_it_raises() -> None:
    functions = [getattr(skaprof, name) for name in skaprof.__all__ if name[0].islower()]
    assert len(functions) == 18
    for function in functions:
        assert ">>> " in function.__doc__, function
        assert f"skaprof.{function.__name__}(" in function.__doc__, function
        assert "Raises:\n" in function.__doc__, function


def test_rows_are_a_sequence_that_pandas_takes_and_nobody_changes() -> None:
    rows = skaprof.roofline(("mhsa", "ska"), tokens=(49, 196))
    assert len(rows) == 4
    assert [row.mixer for row in rows[1:3]] == ["ska", "mhsa"]
    assert list(rows.frame().columns) == list(rows[0].as_dict())
    assert rows == skaprof.roofline(("mhsa", "ska"), tokens=(49, 196))
    assert rows.notes == ()
    with pytest.raises(AttributeError, match="is frozen: mixer cannot be set"):
        rows[0].mixer = "ska"


def test_an_answer_is_the_command_lines(tmp_path: Path, skaprof_here: Run) -> None:
    for command, rows in {
        ("crossover", "-m", "cska", "--dim", "320", "--hardware", "l4"): skaprof.crossover(
            "cska", dim=320, hardware="l4"
        ),
        ("roofline", "--implementation", "eager,sdpa", "--per-op"): skaprof.roofline(
            implementation=("eager", "sdpa"), per_op=True
        ),
        ("search", "caformer_s18", "--limit", "params<=26M", "--stage", "1=sepconv", "--kernel-size", "3,5"): (
            skaprof.search("caformer_s18", limit="params<=26M", stage="1=sepconv", kernel_size=(3, 5))
        ),
    }.items():
        path = tmp_path / "rows.json"
        assert skaprof_here(*command, "--output", str(path), cwd=tmp_path).returncode == 0
        assert json.loads(path.read_text())["rows"] == json.loads(json.dumps([row.as_dict() for row in rows])), command


def test_a_search_without_an_answer_says_which_network_comes_nearest() -> None:
    rows = skaprof.search("vit_cifar", limit="params<=1k")
    assert len(rows) == 0
    assert "is within the limits" in rows.notes[0]


def test_latency_leaves_tf32_as_the_callers_process_has_it() -> None:
    torch = pytest.importorskip("torch")
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        rows = skaprof.latency(("ska", "mhsa"), tokens=4, dim=8, device="cpu", max_seconds=0.5)
        assert torch.backends.cuda.matmul.allow_tf32
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    assert {row.device for row in rows} != {None}
    assert len(rows) == 4


def options_named(source: str) -> list[str]:
    """What a source writes as an option of the command line in errors, and where values are named for them."""
    found = []
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and _NAMES_VALUES.match(getattr(call.func, "id", "")):
            texts = [node.value for node in ast.walk(call) if isinstance(node, ast.Constant)]
            found += [text for text in texts if isinstance(text, str) and re.search(r"(?<![\w-])--[a-z]", text)]
    return [text for text in found if "skaprof latency --" not in text]  # a command is one in Python too


_NAMES_VALUES = re.compile(r"SkaprofError|bad_value|check_choice|parse_\w+|read_\w+|require_\w+|find_\w+|open_\w+")


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(PACKAGE.rglob("*.py")) if "cli" not in path.relative_to(PACKAGE).parts],
    ids=lambda path: str(path.relative_to(PACKAGE)),
)
def test_only_the_command_line_knows_options(path: Path) -> None:
    assert options_named(path.read_text()) == []


def test_an_option_in_an_error_is_found() -> None:
    assert options_named("raise SkaprofError(f'{x}: expected another --mixer')") == [": expected another --mixer"]
    assert options_named("parse_count('--dim', text)") == ["--dim"]
