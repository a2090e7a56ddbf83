"""`skaprof latency` of whole backbones and of modules of the user's own: the same protocol, gate and rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run, thorough
from test_schema import from_lines, require_valid
from torch import Tensor, nn

from skaprof.bench.configuration import MEASURED_KEYS, Options, identity, measure_configuration, open_device, unmeasured
from skaprof.bench.modules import NetworkEntry, UserEntry, time_shares
from skaprof.cli.latency_networks import Wanted, swept
from skaprof.cli.user import _counted_row
from skaprof.model.user import UserModule
from skaprof.report.formats import to_bmf
from skaprof.report.timing import latency_section
from skaprof.workload import Workload

TESTS = Path(__file__).parent
FAST = ("--device", "cpu", "--max-seconds", "1")
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


def test_a_module_that_computes_something_else_when_compiled_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    user = UserModule("user_models:Attention", (("dim", "{dim}"),))
    row = _counted_row(user, Workload(2, 3, 3, 32), "float32")
    entry = UserEntry(user, row, "compile", "forward")
    monkeypatch.setattr("skaprof.bench.contenders._compiled", lambda module: lambda x: 1.001 * module(x))
    (found,) = measure_configuration([entry], Options(), open_device("cpu"))
    assert (found["verdict"], found["median_ms"]) == ("wrong-output", None)


def test_a_network_that_computes_something_else_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = NetworkEntry("vit_cifar", None, (8, 8), 2, "train", "float32", "compile")
    monkeypatch.setattr("skaprof.bench.contenders._compiled", lambda module: lambda x: 1.001 * module(x))
    (found,) = measure_configuration([entry], Options(), open_device("cpu"))
    assert found["verdict"] == "wrong-output"
    assert identity(found) == identity(entry)


def test_a_network_without_attention_has_no_fused_form() -> None:
    entry = NetworkEntry("poolformerv2_s12", None, (32, 32), 1, "forward", "float32", "sdpa")
    (found,) = measure_configuration([entry], Options(), open_device("cpu"))
    assert (found["verdict"], found["error"]) == ("unsupported", "no attention in it to be fused")


def test_backbones_are_drawn_over_their_images_each_under_its_name(skaprof: Run, tmp_path: Path) -> None:
    path = tmp_path / "times.svg"
    rows_of(skaprof, "--model", "vit_cifar", "--resolution", "8,12", "--implementation", "eager", "--plot", str(path))
    assert path.read_bytes().startswith(b"<?xml")
    wanted = [Wanted(("a",), None, image, 1, "float32", "forward") for image in ((8, 8), (8, 12))]
    assert swept(wanted) == ("image_width",)
    assert swept([each._replace(image=(side, side)) for side, each in enumerate(wanted, 7)]) == ("image_height",)
    assert swept([wanted[0], wanted[0]._replace(batch=2)]) == ("batch",)


def test_backbones_have_a_place_in_the_report_and_names_of_their_own() -> None:
    head = NetworkEntry("vit_cifar", None, (8, 8), 1, "forward", "float32", "eager").head()
    measured = dict.fromkeys(MEASURED_KEYS) | {"device": "cpu", "timing": "hot", "flags": [], "verdict": "baseline"}
    row = head | measured | {"median_ms": 2.0, "ratio": 1.0, "rounds": 9, "tolerance": 0.02}
    rows = [row | {"model": model, "mixer": "mhsa", "baseline": "a mhsa (eager)"} for model in ("a", "b")]
    rows[1] |= {"verdict": "faster", "ratio": 0.5, "ratio_low": 0.4, "ratio_high": 0.6}
    page, findings, figures = latency_section(rows, lambda name, alt: "")
    assert "### Images of 8 x 8\n" in page
    assert findings[0] == "b mhsa (eager) against a mhsa (eager): 1 faster of 1 case; time ratio 0.50."
    assert set(figures) == {"promise"}
    assert figures["promise"]().axes[0].get_legend_handles_labels()[1] == ["b mhsa, eager"]
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
def test_bad_input_gets_one_clear_line_and_exit_2(skaprof: Run, arguments: tuple[str, ...], words: str) -> None:
    done = skaprof("latency", "--device", "cpu", *arguments, cwd=TESTS)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
