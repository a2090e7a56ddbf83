"""`skaprof latency --model FILE.py:NAME`: models of the user's own, timed beside each other and backbones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from test_schema import from_lines, require_valid

from skaprof.bench.configuration import Options, open_device
from skaprof.bench.measuring import measure_configuration
from skaprof.bench.user_models import ModelEntry
from skaprof.cli.latency_own import caption
from skaprof.count.model_parts import count_model
from skaprof.foreign_model import UserModel

pytestmark = pytest.mark.usefixtures("steady_clock")

TESTS = Path(__file__).parent
FAST = ("--device", "cpu", "--max-seconds", "0.5", "--implementation", "eager")
RESIDUAL = UserModel("user_networks:Residual", shapes=((2, 3, 32, 32),))


def timed(*users: UserModel, mode: str = "forward") -> list[dict[str, Any]]:
    entries = [ModelEntry(user, count_model(user, mode).rows(0)[-1], "eager") for user in users]
    device = open_device("cpu")
    return measure_configuration(entries, Options(), device, device.now() + 0.2)


def test_several_models_compare_and_their_rows_are_those_that_were_counted(
    skaprof: Run, tmp_path: Path, tiny_backbone: str
) -> None:
    path = tmp_path / "runs.jsonl"
    models = (
        "--model",
        RESIDUAL.path,
        "--model",
        "user_networks:of_skaprof",
        "--model-arg",
        f"of_skaprof:name={tiny_backbone}",
    )
    done = skaprof("latency", *models, "--shape", "2x3x32x32", *FAST, cwd=TESTS)
    assert done.returncode == 0, done.stderr
    assert "input 2x3x32x32, forward, float32" in done.stdout
    models = ("--model", RESIDUAL.path, "--model", "user_networks:Small")
    done = skaprof("latency", *models, "--shape", "2x3x32x32", *FAST, "--output", str(path), cwd=TESTS)
    document = from_lines(path.read_text())
    require_valid(document)
    first, second = document["rows"]
    assert (first["model"], first["verdict"], first["input_shape"]) == (RESIDUAL.path, "baseline", "2x3x32x32")
    assert (first["macs"], first["params"]) == (count_model(RESIDUAL).rows(0)[-1].macs, 432 + 32 + 2 * 2320 + 12 + 170)
    assert first["time_scopes"] == ["stem", "body", "spare", "head"]
    assert first["time_shares"][1] > 0
    assert second["baseline"] == f"{RESIDUAL.path} (eager)"
    again = skaprof("latency", *models, "--shape", "2x3x32x32", *FAST, "--resume", str(path), cwd=TESTS)
    assert again.returncode == 0
    assert from_lines(path.read_text())["rows"] == document["rows"]


@pytest.mark.parametrize("mode", ["forward", "train"])
@pytest.mark.parametrize(
    "user",
    [
        RESIDUAL,
        UserModel("user_networks:Tied", inputs="user_networks:ids_and_mask"),
        UserModel("user_networks:half", shapes=((1, 3, 112, 112),), dtype="bfloat16"),
    ],
    ids=lambda user: user.path,
)
def test_models_of_every_input_and_dtype_are_timed(user: UserModel, mode: str) -> None:
    (row,) = timed(user, mode=mode)
    assert (row["error"], row["mode"], row["median_ms"] > 0) == (None, mode, True)


def test_a_model_is_checked_by_its_first_output_of_numbers() -> None:
    (row,) = timed(UserModel("user_networks:Lossy", shapes=((2, 8),)))
    assert (row["error"], row["median_ms"] > 0) == (None, True)


def test_a_model_that_keeps_its_answer_is_not_timed() -> None:
    keeping, sound = timed(
        UserModel("user_networks:Keeping", shapes=((2, 8),)), UserModel("user_networks:Sound", shapes=((2, 8),))
    )
    assert (keeping["verdict"], keeping["median_ms"]) == ("wrong-output", None)
    assert sound["median_ms"] > 0


def test_a_model_stands_beside_a_backbone(skaprof: Run, tiny_backbone: str) -> None:
    models = ("--model", tiny_backbone, "--resolution", "32", "--model", RESIDUAL.path, "--shape", "1x3x32x32")
    done = skaprof("latency", *models, *FAST, "--format", "json", cwd=TESTS)
    rows = json.loads(done.stdout)["rows"]
    assert [row["model"] for row in rows] == ["tiny", RESIDUAL.path]
    assert caption(rows) == "input 1x3x32x32, forward, float32"
    assert caption([rows[0], {**rows[1], "input_shape": "mine:inputs"}]).startswith(
        "input 1x3x32x32, input mine:inputs"
    )


BAD = [
    (
        ("--model", RESIDUAL.path, "--shape", "2x4x32x32"),
        "cannot run on an input of shape (2, 4, 32, 32): RuntimeError",
    ),
    (("--model", "user_networks:failing"), "KeyError: 'no such checkpoint' (user_networks.py, line "),
    (("--model", RESIDUAL.path, "--resolution", "32"), "--resolution: '32': expected a backbone; --shape is your own"),
    (("--model", "vit_cifar", "--shape", "2x3x32x32"), "--shape: '2x3x32x32' needs a model of your own"),
    (("--model", "vit_cifar", "--resolution", "16,32", "--model", RESIDUAL.path), "expected one size, dtype and mode"),
    (
        ("--model", "vit_cifar", "--model", RESIDUAL.path, "--shape", "2x3x32x32"),
        f"{RESIDUAL.path} is called with 2x3x32x32 and vit_cifar with 1x3x32x32: expected one input for both",
    ),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments)[-50:] for arguments, _ in BAD])
def test_bad_input_gets_one_line_and_exit_2(skaprof_here: Run, arguments: tuple[str, ...], words: str) -> None:
    done = skaprof_here("latency", *arguments, *FAST, cwd=TESTS)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_model_that_cannot_be_checked_in_float64_says_so() -> None:
    (row,) = timed(UserModel("user_networks:Listed", shapes=((2, 8),)))
    assert row["verdict"] == "unsupported"
    assert row["error"].startswith("it does not run in float64, in which it is checked: ")
