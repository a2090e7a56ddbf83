"""The scripts for whoever has a GPU for half an hour: here, that they would run there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT, Run

sys.path.insert(0, str(ROOT / "scripts"))

import check_timers
import gpu_session

from skaprof.cli.commands import COMMANDS, PANELS


@pytest.mark.skipif(torch.cuda.is_available(), reason="would measure")
@pytest.mark.parametrize("name", ["stage-56x56-d64", "triton-28x28-d128", "timing-graph-resident", "heads"])
def test_the_steps_of_the_session_are_commands_that_only_lack_a_gpu(skaprof: Run, name: str) -> None:
    (step,) = (step for step in gpu_session.latency_steps(gpu=True) if step.name == name)
    done = skaprof("latency", *step.arguments, "--device", "cuda")
    assert done.returncode == 3, done.stderr
    assert "needs a CUDA GPU" in done.stderr


def test_the_session_covers_the_papers_sizes_and_fits_its_budget_but_for_a_second_run() -> None:
    steps = gpu_session.latency_steps(gpu=True)
    names = [step.name for step in steps]
    assert len(set(names)) == len(names)
    assert gpu_session.TIMER_SECONDS + sum(step.seconds for step in steps[:9]) <= 520
    assert steps[0].rows == 3 * 2 * 3 * 2 * 2
    rows = {step.name: step.rows for step in steps[:9]}
    assert (rows["heads"], rows["triton-28x28-d128"], rows["triton-56x56-d64"]) == (3 * 6, 3 * 4 * 2, 3 * 4 * 2)


def test_without_time_every_step_says_to_run_again(tmp_path: Path) -> None:
    program = [sys.executable, str(ROOT / "scripts" / "gpu_session.py"), "--device", "cpu", "--budget", "0"]
    folders = ("--runs", str(tmp_path / "runs"), "--report", str(tmp_path / "report"))
    done = subprocess.run([*program, *folders], capture_output=True, text=True, check=False)
    said = [line for line in done.stdout.splitlines() if "run the script again" in line]
    assert len(said) == 1 + len(gpu_session.latency_steps(gpu=False)), done.stderr


def test_a_run_that_is_whole_is_left_alone_and_another_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = gpu_session.Step("heads", 10, ("--implementation", "sdpa"))
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(gpu_session, "run", lambda seconds, *arguments: ran.append(arguments) or "")
    session = gpu_session.Session(tmp_path, "cpu", 100)
    row = {"verdict": "faster", "flags": ["stable"]}
    for rows, expected in (
        ([row] * 3, None),
        ([row, row], "--resume"),
        ([row, row, {**row, "flags": ["few-rounds"]}], "--resume"),
        ([], "--output"),
    ):
        text = "".join(json.dumps(line) + "\n" for line in ({"environment": {}}, *rows)) if rows else ""
        (tmp_path / "heads.jsonl").write_text(text)
        ran.clear()
        session.latency(step)
        assert [word for arguments in ran for word in arguments if word in ("--resume", "--output")] == (
            [expected] if expected else []
        )


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"check": "cuda-bench", "ours_ms": 1.0, "other_ms": 1.05, "off": 0.048, "holds": False}, "DOES NOT HOLD"),
        ({"check": "cuda-bench", "ours_ms": 1.0, "other_ms": None, "off": None, "holds": None}, "not measured"),
        ({"check": "two runs", "ours_ms": None, "other_ms": 1.0, "off": None, "holds": None}, "no median of ours"),
        ({"check": "A/A", "found": "same", "flags": ["stable"], "holds": True}, "A/A is same (stable): holds"),
    ],
)
def test_a_check_of_the_timers_says_whether_it_holds(check: dict[str, object], said: str) -> None:
    assert said in check_timers.line({"kernel": "mhsa", **check})


def test_the_command_reference_is_what_the_program_prints() -> None:
    program = [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_command_is_in_a_panel_of_the_help() -> None:
    assert set(PANELS) == set(COMMANDS)
