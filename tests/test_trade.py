"""`--latency` of `skaprof model` and `skaprof swap`: what it costs, holds and takes, before and after, in one table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from test_schema import require_valid

from skaprof.api.networks import model_cost

pytestmark = pytest.mark.usefixtures("steady_clock")

TESTS = Path(__file__).parent
FAST = ("--latency", "--max-seconds", "0.5")
FIGURES = ["params", "macs", "weight_bytes", "traffic_bytes", "peak_bytes", "saved_bytes", "median_ms"]
VIT = ("user_models:VisionTransformer", "--shape", "2x3x112x112", "--replace", "attn=ska")


def trades(skaprof: Run, *arguments: str) -> dict[str, dict[str, Any]]:
    done = skaprof(*arguments, "--format", "json", cwd=TESTS)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    require_valid(document)
    return {row["trade"]: row for row in document["rows"] if "trade" in row}


def test_a_swap_is_told_with_what_it_costs_and_takes(skaprof: Run) -> None:
    found = trades(skaprof, "swap", *VIT, *FAST, "--threads", "1")
    assert list(found) == FIGURES
    total = json.loads(skaprof("swap", *VIT, "--format", "json", cwd=TESTS).stdout)["rows"][-1]
    for key in ("params", "macs"):
        assert (found[key]["before"], found[key]["after"]) == (total[f"{key}_before"], total[key])
    assert found["median_ms"]["verdict"] in ("faster", "slower", "same", "inconclusive")
    assert (found["median_ms"]["threads"], found["params"]["threads"]) == (1, None)
    assert min(found["median_ms"]["before"], found["median_ms"]["after"]) > 0
    assert all(row["mixer"] == "attn=ska" for row in found.values())


def test_a_backbones_stage_is_told_with_what_it_costs_and_takes(skaprof: Run, tiny_backbone: str) -> None:
    arguments = ("model", tiny_backbone, "--stage", "3=ska", "--resolution", "64")
    found = trades(skaprof, *arguments, *FAST)
    for mode, keys in (("forward", ("params", "macs", "traffic_bytes", "peak_bytes")), ("train", ("saved_bytes",))):
        (before,) = model_cost(tiny_backbone, resolution=64, depth="total", mode=mode)
        (after,) = model_cost(f"{tiny_backbone}[stage3=ska]", resolution=64, depth="total", mode=mode)
        for key in keys:
            assert (found[key]["before"], found[key]["after"]) == (getattr(before, key), getattr(after, key))
    told = skaprof(*arguments, *FAST, "--threads", "1").stdout
    assert "Timed on cpu, 1 thread, by " in told
    assert "latency, eager" in told
    assert "saved, in training" in told


BAD = [
    (("model", "vit_cifar", "--latency"), "--latency: the mixers are the backbone's own"),
    (("model", "vit_cifar", "--stage", "1=ska", "--resolution", "16,32", "--latency"), "--latency: expected one size"),
    (("model", "vit_cifar", "--stage", "1=ska", "--latency", "--verify"), "--latency: expected no --verify"),
    (("model", "vit_cifar", "--max-seconds", "3"), "--max-seconds: '3' needs --latency"),
    (("model", "vit_cifar", "--threads", "1"), "--threads: '1' needs --latency"),
    (("model", "vit_cifar", "--stage", "1=ska", "--latency", "--threads", "0"), "--threads: '0' is not valid"),
    (("model", "user_models:VisionTransformer", "--latency"), "--latency: a model of your own has other mixers by"),
    (("swap", *VIT, "--latency", "--max-seconds", "soon"), "--max-seconds: 'soon' is not valid"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments)[-40:] for arguments, _ in BAD])
def test_bad_input_gets_one_line_and_exit_2(skaprof_here: Run, arguments: tuple[str, ...], words: str) -> None:
    done = skaprof_here(*arguments, cwd=TESTS)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
