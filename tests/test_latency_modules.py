"""`skaprof latency` of whole backbones and of modules of the user's own: the same protocol, gate and rows."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run, thorough
from test_schema import from_lines, require_valid
from torch import Tensor, nn

from skaprof.analysis import row_trust
from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.analysis.user_rows import counted_row
from skaprof.bench.configuration import (
    Entry,
    Options,
    identity,
    open_device,
    unmeasured,
)
from skaprof.bench.measured_rows import MEASURED_KEYS
from skaprof.bench.measuring import measure_configuration
from skaprof.bench.modules import NetworkEntry, UserEntry, time_shares
from skaprof.bench.session import Session, with_modules
from skaprof.bench.store import require_same_sources
from skaprof.cli.latency_networks import Wanted, parse, swept
from skaprof.cli.watch import Terminal
from skaprof.count.user import count_user
from skaprof.errors import SkaprofError
from skaprof.foreign_code import SOURCE_KEYS, UserModule
from skaprof.measured import result_row
from skaprof.model.spec import parse_mixer
from skaprof.report.formats import to_bmf
from skaprof.report.latency import latency_table
from skaprof.report.table import size_columns
from skaprof.report.timing import latency_section
from skaprof.results import ResultRow
from skaprof.workload import Workload

pytestmark = pytest.mark.usefixtures("steady_clock")

TESTS = Path(__file__).parent
FAST = ("--device", "cpu", "--max-seconds", "1")
EAGER = ("--implementation", "eager")
SMALL = ("--model", "poolformerv2_s12", "--model", "poolformerv2_s12[stage3=ska]", "--resolution", "32")


def rows_of(skaprof: Run, *arguments: str) -> list[dict[str, Any]]:
    done = skaprof("latency", *FAST, *arguments, "--format", "json", cwd=TESTS)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    require_valid(document)
    rows: list[dict[str, Any]] = document["rows"]
    return rows


@thorough
def test_backbones_are_contenders_and_their_rows_those_of_skaprof_model(skaprof: Run) -> None:
    rows = rows_of(skaprof, *SMALL, "--batch", "2", "--implementation", "eager,sdpa")
    mixers = ["pooling,pooling,pooling,pooling"] * 2 + ["pooling,pooling,ska,pooling"] * 2
    assert [(row["batch"], row["mixer"]) for row in rows] == [(2, text) for text in mixers]
    assert [row["verdict"] == "baseline" for row in rows] == [True, False, False, False]
    arguments = ("--stage", "3=ska", "--resolution", "32", "--batch", "2", "--depth", "total", "--format", "json")
    (costs,) = json.loads(skaprof("model", "poolformerv2_s12", *arguments).stdout)["rows"]
    assert {key: rows[2][key] for key in costs} == costs
    assert set(MEASURED_KEYS) < set(rows[2])


@thorough
def test_time_is_shared_among_the_stages(skaprof: Run) -> None:
    (row,) = rows_of(skaprof, *SMALL[:2], "--resolution", "64", "--implementation", "eager")
    assert row["time_scopes"] == ["stem", "stage1", "stage2", "stage3", "stage4", "head"]
    assert sum(row["time_shares"]) == pytest.approx(1)
    assert all(share > 0 for share in row["time_shares"])


def test_shares_are_of_the_time_that_parts_take() -> None:
    class Work(nn.Module):
        def __init__(self, times: int) -> None:
            super().__init__()
            self.times = times

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(self.times):
                x = x @ x
            return x

    names, shares = time_shares(nn.Sequential(Work(1), Work(20)), torch.zeros(200, 200), "cpu")
    assert names == ["0", "1"]
    assert shares[1] > 5 * shares[0] > 0


def test_a_run_goes_on_with_the_images_that_are_missing(skaprof: Run, tmp_path: Path) -> None:
    groups = [[NetworkEntry("vit_cifar", None, (side, side), 1, "forward", "float32", "eager")] for side in (8, 12)]
    done = {identity(groups[0][0].head())}
    assert list(unmeasured(groups, done)) == [groups[1]]
    path = tmp_path / "runs.jsonl"
    arguments = ("--model", "vit_cifar", "--resolution", "8", "--implementation", "eager", *FAST)
    assert skaprof("latency", *arguments, "--output", str(path)).returncode == 0
    document = from_lines(path.read_text())
    require_valid(document)
    assert [identity(row) for row in document["rows"]] == [identity(groups[0][0])]


def test_a_users_module_is_timed_beside_the_mixers_that_it_is_counted_beside(skaprof: Run) -> None:
    own = ("--module", "user_models:Attention", "--arg", "dim={dim}")
    rows = rows_of(skaprof, "-m", "mhsa", *own, "--tokens", "9", "--dim", "32", "--implementation", "eager,sdpa")
    names = [("mhsa", "eager"), ("mhsa", "sdpa"), ("user_models:Attention", "eager")]
    assert [(row["mixer"], row["implementation"]) for row in rows] == names
    assert rows[2]["macs"] == rows[0]["macs"]
    assert rows[2]["median_ms"] > 0
    assert rows[2]["tflops"] > 0


def timed(*users: UserModule, mode: str = "forward", timeout: float = 1.0) -> list[dict[str, Any]]:
    """The rows of mhsa, of a user's modules, and of ska, in one group."""
    sizes = (1, 3, 3, 16, 1, 16, None)
    own = [
        UserEntry(user, counted_row(user, Workload(*sizes[:4]), "float32", mode, count_user), "eager", mode)
        for user in users
    ]
    mixers = [Entry(name, mode, "float32", "eager", sizes) for name in ("mhsa", "ska")]
    device = open_device("cpu")
    return measure_configuration([mixers[0], *own, mixers[1]], Options(), device, device.now() + timeout)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("runtime", "no more"),
        ("value", "ValueError: no more"),
        ("file", "FileNotFoundError: [Errno 2] No such file or directory: 'weights.bin'"),
        ("exit", "SystemExit: bye"),
        ("quiet exit", "SystemExit: 0"),
    ],
)
def test_a_module_that_fails_late_is_dropped_and_the_others_are_timed(error: str, told: str) -> None:
    late = UserModule("user_models:Late", (("dim", "{dim}"), ("error", error)))
    mhsa, own, ska = timed(late, timeout=0.2)
    assert (own["verdict"], own["error"], own["median_ms"]) == ("unsupported", told, None)
    assert mhsa["verdict"] == "baseline"
    assert min(mhsa["median_ms"], ska["median_ms"]) > 0


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ("nothing", "another input gives the same output: it keeps its answer, or reads no input"),
        ("address", "it keeps its answers: a second call on an input runs "),
        ("values", "it keeps its answers: a second call on an input runs "),
    ],
)
def test_a_module_that_keeps_its_answers_is_not_timed(by: str, told: str) -> None:
    mhsa, own, _ = timed(UserModule("user_models:Keeping", (("dim", "{dim}"), ("by", by))), timeout=0.2)
    assert (own["verdict"], own["median_ms"]) == ("wrong-output", None)
    assert own["error"].startswith(told)
    assert mhsa["median_ms"] > 0


@pytest.mark.parametrize("name", ["Lazy", "Complex"])
def test_a_module_is_timed_as_it_is_built(name: str) -> None:
    _, own, _ = timed(UserModule(f"user_models:{name}", (("dim", "{dim}"),)), timeout=0.2)
    assert (own["error"], own["median_ms"] > 0) == (None, True)


def test_a_module_that_runs_on_other_threads_than_the_others_is_not_timed() -> None:
    threads = torch.get_num_threads()
    unruly = UserModule("user_models:Unruly", (("dim", "{dim}"), ("when", "run")))
    mhsa, own, _ = timed(unruly, timeout=0.2)
    assert own["verdict"] == "unsupported"
    assert own["error"].startswith("it sets PyTorch's threads to ")
    assert mhsa["median_ms"] > 0
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("when", ["build", "run"])
def test_a_module_that_forbids_gradients_forbids_them_to_no_other(when: str) -> None:
    unruly = UserModule("user_models:Unruly", (("dim", "{dim}"), ("when", when)))
    mhsa, own, ska = timed(unruly, mode="train", timeout=0.2)
    assert (own["median_ms"] is None) == (when == "run")
    assert min(mhsa["median_ms"], ska["median_ms"]) > 0


def test_what_a_timed_module_prints_is_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    _, own, _ = timed(UserModule("user_models:Loud", (("dim", "{dim}"),)), timeout=0.2)
    assert own["median_ms"] > 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "run\n" in said.err


def test_a_module_asked_for_in_a_fused_form_alone_is_a_row_that_says_why() -> None:
    user = UserModule("user_models:Attention", (("dim", "{dim}"),))
    counted = {
        ((1, 3, 3, 16), "float32", "forward", user): counted_row(
            user, Workload(1, 3, 3, 16), "float32", "forward", count_user
        )
    }
    mixers = [Entry("mhsa", "forward", "float32", name, (1, 3, 3, 16, 1, 16, None)) for name in ("eager", "sdpa")]
    for group, names in (([mixers[1]], ["sdpa"]), (mixers, ["eager"])):
        ((*_, own),) = with_modules([group], [user], counted)
        assert isinstance(own, UserEntry)
        assert [own.implementation] == names
    (row,) = measure_configuration([replace(own, implementation="sdpa")], Options(), open_device("cpu"))
    assert row["error"] == "a module of your own has one form: eager, channels-last or compile"


def test_a_run_that_measures_nothing_exits_1(skaprof: Run) -> None:
    done = skaprof("latency", *FAST, "-m", "pooling", "--implementation", "sdpa", "--tokens", "9", "--dim", "16")
    assert done.returncode == 1
    assert "Nothing could be measured." in done.stdout


def test_a_saved_run_goes_on_with_the_same_code_only(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("from torch import nn\nclass Own(nn.Identity): pass\n")
    user = UserModule(f"{file}:Own", (("a", "2"),))
    row = counted_row(user, Workload(1, 3, 3, 16), "float32", "forward", count_user)
    assert {key: row[key] for key in SOURCE_KEYS} == user.identity()
    path = tmp_path / "runs.jsonl"
    require_same_sources(path, [row], [row])
    for other, words in (
        (row | {"arguments": "a=64"}, "with the arguments 'a=2': expected 'a=64', as this run has"),
        (row | {"layout": "BHWC"}, "with the layout 'BNC': expected 'BHWC'"),
        (row | {"source_hash": "0"}, "own.py:Own, whose file has changed since"),
    ):
        assert identity(other) != identity(row)
        with pytest.raises(SkaprofError, match=re.escape(words)):
            require_same_sources(path, [row], [other])


def test_a_resumed_run_refuses_the_times_of_other_arguments(tmp_path: Path) -> None:
    users = [UserModule("user_models:Attention", (("dim", "{dim}"), ("num_heads", heads))) for heads in ("2", "16")]
    counted = [counted_row(user, Workload(1, 3, 3, 16), "float32", "forward", count_user) for user in users]
    entries = [UserEntry(*each, "eager", "forward") for each in zip(users, counted, strict=True)]
    path = tmp_path / "runs.jsonl"
    for resume in (None, str(path)):
        session = Session(Options(), open_device("cpu"), 0.1, Terminal("timing"), isolate=False)
        session.prepare(str(path), resume, "skaprof latency")
        session.run([[entries[0]]])
    require_valid(from_lines(path.read_text()))
    with pytest.raises(SkaprofError, match=re.escape("'dim={dim}, num_heads=2': expected 'dim={dim}, num_heads=16'")):
        session.run([[entries[1]]])
    assert session.rows == [], "what is not of this run is not shown for it"


def test_a_backbone_of_a_file_is_known_by_what_the_file_holds(tmp_path: Path) -> None:
    text = "resolution = 8\nclasses = 2\n[stem]\nkernel_size = 4\nstride = 4\npadding = 0\n"
    text += '[[stages]]\ndepth = 1\ndim = 8\nmixer = "mhsa"\n'
    paths = [tmp_path / folder / "net.toml" for folder in ("a", "b")]
    for path, held in zip(paths, (text, text.replace("depth = 1", "depth = 2")), strict=True):
        path.parent.mkdir()
        path.write_text(held)
    heads = [NetworkEntry(str(path), None, (8, 8), 1, "forward", "float32", "eager").head() for path in paths]
    assert [head["model"] for head in heads] == ["net", "net"]
    assert identity(heads[0]) != identity(heads[1])
    with pytest.raises(SkaprofError, match="has times of net, whose file has changed since"):
        require_same_sources(tmp_path / "runs.jsonl", heads[:1], heads[1:])
    with pytest.raises(SkaprofError, match="are both called 'net' in results"):
        parse([str(path) for path in paths], None, None, None, "float32", "forward")


def test_a_module_of_other_arguments_is_another_row_to_compare() -> None:
    costs = cost_row(Variant(parse_mixer("ska")), Workload(1, 1, 1, 8, 1, 8))
    row = ResultRow.read(costs.as_dict() | {"mixer": "m:C", "arguments": "a=1", "layout": "BNC", "source_hash": "0"})
    other = row.replace(arguments="a=2")
    assert row_trust.identity(row) != row_trust.identity(other)
    assert row_trust.identity(row) == row_trust.identity(row.replace(source_hash="1")), "before and after a change"
    assert [column.key for column in size_columns([row, other])] == ["mixer", "arguments"]
    assert [column.key for column in size_columns([row, row.replace(arguments=None)])] == ["mixer"]


def test_a_module_that_computes_something_else_when_compiled_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    user = UserModule("user_models:Attention", (("dim", "{dim}"),))
    row = counted_row(user, Workload(2, 3, 3, 32), "float32", "forward", count_user)
    entry = UserEntry(user, row, "compile", "forward")
    monkeypatch.setattr("skaprof.bench.calls._compiled", lambda module: lambda x: 1.001 * module(x))
    (found,) = measure_configuration([entry], Options(), open_device("cpu"))
    assert (found["verdict"], found["median_ms"]) == ("wrong-output", None)


def test_a_network_that_computes_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = NetworkEntry("vit_cifar", None, (8, 8), 2, "train", "float32", "compile")
    monkeypatch.setattr("skaprof.bench.calls._compiled", lambda module: lambda x: 1.001 * module(x))
    (found,) = measure_configuration([entry], Options(), open_device("cpu"))
    assert found["verdict"] == "wrong-output"
    assert identity(found) == identity(entry)


def test_a_network_without_attention_has_no_fused_form() -> None:
    entry = NetworkEntry("poolformerv2_s12", None, (32, 32), 1, "forward", "float32", "sdpa")
    (found,) = measure_configuration([entry], Options(), open_device("cpu"))
    assert (found["verdict"], found["error"]) == ("unsupported", "no attention in it to be fused")


def test_backbones_are_drawn_over_their_images_each_under_its_name(
    skaprof: Run, tmp_path: Path, tiny_backbone: str
) -> None:
    path = tmp_path / "times.svg"
    rows_of(skaprof, "--model", tiny_backbone, "--resolution", "32,64", *EAGER, "--plot", str(path))
    assert path.read_bytes().startswith(b"<?xml")
    wanted = [Wanted(("a",), None, image, 1, "float32", "forward") for image in ((8, 8), (8, 12))]
    assert swept(wanted) == ("image_width",)
    assert swept([each._replace(image=(side, side)) for side, each in enumerate(wanted, 7)]) == ("image_height",)
    assert swept([wanted[0], wanted[0]._replace(batch=2)]) == ("batch",)


def test_backbones_have_a_place_in_the_report_and_names_of_their_own() -> None:
    head = NetworkEntry("vit_cifar", None, (8, 8), 1, "forward", "float32", "eager").head()
    measured = dict.fromkeys(MEASURED_KEYS) | {"device": "cpu", "timing": "hot", "flags": [], "verdict": "baseline"}
    row = head | measured | {"median_ms": 2.0, "ratio": 1.0, "rounds": 9, "tolerance": 0.02, "images_per_s": 500.0}
    row |= {"kernels": [], "samples_ms": [], "off_clock_samples_ms": []}
    called = {"a": "a.toml", "b": "b[stage1=mhsa]"}
    rows = [
        row | {"given": called[model], "model": model, "mixer": "mhsa", "baseline": "a.toml (eager)"}
        for model in ("a", "b")
    ]
    rows[1] |= {"verdict": "faster", "ratio": 0.5, "ratio_low": 0.4, "ratio_high": 0.6}
    page, findings, figures = latency_section(list(map(result_row, rows)), lambda name, alt: "")
    assert "### Images of 8 x 8\n" in page
    pair = "b[stage1=mhsa] (eager) against a.toml (eager), forward, float32"
    assert findings[0] == f"{pair}: 1 faster of 1 case; time ratio 0.50."
    assert set(figures) == {"promise"}
    (legend,) = figures["promise"]().legends
    assert [text.get_text() for text in legend.get_texts()] == ["b[stage1=mhsa]", "eager"]
    table = latency_table(list(map(result_row, rows)))
    assert [str(column.header) for column in table.columns][:2] == ["model", "median\n(ms)"]
    assert list(table.columns[0].cells) == list(called.values())
    names = list(json.loads("".join(to_bmf(rows))))
    assert names == [f"{model}/image=8x8/mhsa/eager/forward/batch=1/float32/total/cpu/hot" for model in ("a", "b")]


BAD = [
    (("--model", "caformr_s18"), "did you mean 'caformer_s18'"),
    (("--model", "caformer_s18", "--mixers", "ska,mhsa"), "names 2 mixers: expected 4"),
    (("--model", "vit_cifar", "--resolution", "33"), "patch size 4"),
    (("--model", "vit_cifar", "--tokens", "49"), "--tokens: '49': expected without --model"),
    (("--model", "vit_cifar", "--module", "a:B"), "--module"),
    (("--mixers", "ska"), "needs --model"),
    (("--model", "vit_cifar", "--isolate"), "--isolate: expected without --model"),
    (("--module", "user_models:Unrun", "-m", "ska"), "RuntimeError: shapes cannot be multiplied"),
    (("--module", "user_models:Wider", "-m", "ska"), "expected its input's"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments)[:50] for arguments, _ in BAD])
def test_bad_input_gets_one_clear_line_and_exit_2(skaprof_here: Run, arguments: tuple[str, ...], words: str) -> None:
    done = skaprof_here("latency", "--device", "cpu", *arguments, cwd=TESTS)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
