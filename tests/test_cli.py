"""The program as its users meet it: a process, its output, its exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from conftest import ROOT, Run, heed_interrupts, require_golden, wait_for_torch
from typer.core import TyperOption

from skaprof.cli.app import _message_and_exit_code
from skaprof.cli.commands import COMMANDS
from skaprof.cli.options import Sizes
from skaprof.counters import COUNTERS
from skaprof.machine import memory_bytes
from skaprof.model import mixers
from skaprof.model.ops import Op
from skaprof.results import CostRow
from skaprof.workload import Workload


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("default", ("flops",)),
        ("sweep", ("flops", "--tokens", "16:1024:*4", "--baseline", "mhsa")),
        ("per_op", ("flops", "-m", "cska", "--per-op", "--mode", "train")),
        ("forms", ("flops", "--implementation", "eager,sdpa", "--mode", "forward,train", "--dtype", "bfloat16")),
        ("spectrum", ("flops", *(word for m in ("identity", "pooling", "sepconv", "linear") for word in ("-m", m)))),
        ("formula", ("flops", "--formula", "-m", "mhsa", "-m", "ska", "-m", "cska")),
        ("verify", ("flops", "--verify")),
    ],
)
def test_output_is_the_golden_file(skaprof: Run, name: str, arguments: tuple[str, ...]) -> None:
    done = skaprof(*arguments)
    assert done.returncode == 0, done.stderr
    require_golden(name, done.stdout)


def test_json_carries_the_contract(skaprof: Run) -> None:
    done = skaprof("flops", "--dim", "100", "--format", "json")
    document = json.loads(done.stdout)
    assert document["schema_version"] == 1
    assert document["command"] == "skaprof flops --dim 100 --format json"
    assert set(document["environment"]) == {"skaprof", "python", "platform"}
    assert [tuple(row) for row in document["rows"]] == [CostRow.fields] * 3
    assert document["rows"][0] | {"head_dim": 25, "heads": 4, "kernel_size": None} == document["rows"][0]


def test_verified_json_carries_the_counters(skaprof: Run) -> None:
    document = json.loads(skaprof("flops", "--verify", "--format", "json").stdout)
    for row in document["rows"]:
        assert row["params_counted"] == row["params"]
        assert row["macs_fvcore"] == row["macs_torch"] == row["macs"]
        assert row["verified"] is True
    assert {"torch", "fvcore"} <= set(document["environment"])


BAD = [
    (("--dim", "0"), "--dim: '0'"),
    (("--dim", "-4"), "--dim: '-4'"),
    (("--dim", "abc"), "--dim: 'abc'"),
    (("--dim", "9" * 4000), "--dim: '9999"),
    (("--dim", "2.5"), "--dim: '2.5'"),
    (("--dim", ""), "--dim: ''"),
    (("--dim", "25\x1b[31m6"), r"--dim: '25\x1b[31m6'"),
    (("--tokens", "10:1"), "backward"),
    (("--tokens", "1:9:0"), "a step of 1 or more"),
    (("--tokens", "1:9:*1"), "never ends"),
    (("--tokens", "1:1000000000"), "1,000,000,000"),
    (("--tokens", "1:100000", "--dim", "32:32000:32"), "--tokens: '1:100000'"),
    (("--tokens", "1:3000"), "9,000 rows: expected at most 2,000 in a table"),
    (("--heads", "7"), "'7' is not valid: expected a divisor of dim 256"),
    (("--kernel-size", "4"), "--kernel-size: '4' is not valid: expected an odd number"),
    (("--mixer", "skka"), "did you mean 'ska'"),
    (("--mixer", "ska:qery=false"), "did you mean 'ska:query=false'"),
    (("--baseline", "mhas"), "--baseline: 'mhas'"),
    (("--mode", "trian"), "did you mean 'train'"),
    (("--dtype", "float8"), "--dtype: 'float8'"),
    (("--implementation", "flash"), "--implementation: 'flash'"),
    (("--mixer", "sepconv", "--implementation", "sdpa"), "sepconv has no 'sdpa' form"),
    (("--format", "jsn"), "did you mean 'json'"),
    (("--format", "bmf", "--formula"), "--format: 'bmf'"),
    (("--output", "costs.xyz"), ".json, .csv"),
    (("--output", "/nowhere/costs.json"), "'/nowhere' does not"),
    (("--output", "", "--format", "json"), "--output: ''"),
    (("--plot", "costs.gif"), ".png, .svg"),
    (("--tokens", "4", "--size", "2x2"), "--tokens and --size"),
    (("--formula", "--verify"), "cannot be combined"),
    (("--per-op", "--baseline", "mhsa"), "cannot be combined"),
    (("--dmi", "256"), "No such option: --dmi"),
    (("surplus",), "unexpected extra argument"),
]


@pytest.mark.parametrize(("arguments", "words"), BAD, ids=[" ".join(arguments)[:30] for arguments, _ in BAD])
def test_bad_input_gets_one_clear_line_and_exit_2(skaprof: Run, arguments: tuple[str, ...], words: str) -> None:
    done = skaprof("flops", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert words in done.stderr
    assert done.stderr.startswith("skaprof: ")
    assert done.stderr.count("\n") == 1
    assert len(done.stderr) < 400


def test_options_are_taken_as_typed(skaprof_here: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def converted(*_: object) -> None:
        raise AssertionError("typer converts, and from 0.29 on it loads pydantic to do so")

    monkeypatch.setattr(TyperOption, "process_value", converted)
    done = skaprof_here("flops", "--dim", "64", "-m", "ska", "-m", "mhsa", "--per-op", "--format", "csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {line.split(",")[0] for line in done.stdout.splitlines()[1:]} == {"ska", "mhsa"}


def test_options_are_frozen_and_know_which_are_given() -> None:
    sizes = Sizes(dim="64", head_dim="16")
    with pytest.raises(AttributeError, match="dim is not to be set"):
        sizes.dim = "32"  # type: ignore[misc]
    assert sizes.but(dim=None, mixer=["ska"]).given("mixer") == {"--head-dim": "16"}
    assert sizes.given() == {"--dim": "64", "--head-dim": "16"}


def test_an_unknown_command_exits_2(skaprof: Run) -> None:
    done = skaprof("flosp")
    assert (done.returncode, done.stdout) == (2, "")
    assert "flosp" in done.stderr


def test_version_help_and_module_run(skaprof: Run) -> None:
    import skaprof as package

    assert skaprof("--version").stdout == f"skaprof {package.__version__}\n"
    for arguments in (("--help",), *((name, "-h") for name in COMMANDS)):
        done = skaprof(*arguments)
        assert done.returncode == 0
        assert "Usage: skaprof" in done.stdout


def test_env_says_what_is_installed(skaprof: Run) -> None:
    rows = json.loads(skaprof("env", "--format", "json").stdout)["environment"]
    assert {"skaprof", "python", "cpu", "threads", *(counter.package for counter in COUNTERS.values())} <= set(rows)
    assert rows["cpu_cores"] == os.cpu_count()
    assert rows["memory_bytes"] == memory_bytes()
    assert not any(" " in name for name in rows)
    assert "torch" in skaprof("env").stdout


@pytest.mark.parametrize(
    ("format", "name"), [("csv", "x.json"), ("table", "x.MD"), ("json", "x.txt"), ("bmf", "x.csv")]
)
@pytest.mark.parametrize("command", ["flops", "latency"])
def test_a_format_that_the_files_ending_contradicts_is_refused(
    skaprof: Run, tmp_path: Path, command: str, format: str, name: str
) -> None:
    done = skaprof(command, "--output", name, "--format", format, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"skaprof: --format: '{format}' is not what --output '{name}' ends in: expected ")
    assert not list(tmp_path.iterdir())


def test_a_format_may_be_named_beside_an_ending_that_says_the_same_or_nothing(skaprof: Run, tmp_path: Path) -> None:
    for named, path in (("json", "a.json"), ("bmf", "b.json"), ("csv", "c.data"), ("markdown", "d.markdown")):
        assert skaprof("flops", "--output", path, "--format", named, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("ending", [".json", ".csv", ".md", ".txt"])
def test_output_takes_the_format_of_its_ending(skaprof: Run, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"costs{ending}"
    done = skaprof("flops", "--output", str(path))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == f"wrote {path}\n"
    named = {".json": "json", ".csv": "csv", ".md": "markdown", ".txt": "table"}[ending]
    expected = skaprof("flops", "--format", named).stdout
    if ending == ".json":
        assert json.loads(path.read_text())["rows"] == json.loads(expected)["rows"]
    else:
        assert path.read_text() == expected
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(skaprof: Run, tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_text("old")
    done = skaprof("flops", "--dim", "7:1", "--output", str(path))
    assert done.returncode == 2
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_output_to_a_device_is_written_and_the_device_stays(skaprof: Run) -> None:
    done = skaprof("flops", "--format", "json", "--output", "/dev/null")
    assert done.returncode == 0, done.stderr
    assert Path("/dev/null").is_char_device()


def test_a_full_disk_is_one_message(skaprof: Run) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "skaprof", "flops"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert done.stderr == "skaprof: stdout: cannot be written: No space left on device\n"


def test_stdout_is_blamed_for_its_own_errors_only() -> None:
    error = FileNotFoundError(2, "No such file or directory", "weights.bin")
    assert _message_and_exit_code(error) == ("[Errno 2] No such file or directory: 'weights.bin'", 2)


def test_a_reader_that_leaves_early_ends_it_quietly() -> None:
    program = [sys.executable, "-m", "skaprof", "flops", "--tokens", "1:20000", "--format", "csv"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("mixer,")
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_ctrl_c_exits_130_with_one_line_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "proof.json"
    program = [sys.executable, "-m", "skaprof", "flops", "--verify", "--tokens", "1:2000", "--output", str(path)]
    heed_interrupts()
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
        wait_for_torch(process, 1.5)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr == "skaprof: interrupted\n"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_exits_3_and_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "fvcore").mkdir()
    (tmp_path / "fvcore" / "__init__.py").write_text("raise ModuleNotFoundError('no fvcore', name='fvcore')")
    done = subprocess.run(
        [sys.executable, "-m", "skaprof", "flops", "--verify"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr == (
        "skaprof: verification needs the package 'fvcore', which is not installed here; run: pip install fvcore\n"
    )


@pytest.mark.parametrize("place", [0, 1, 3])
def test_an_internal_error_is_one_line_and_exits_70(skaprof: Run, monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug\nof ours")

    monkeypatch.setattr(import_module("skaprof.cli.flops"), "planned_rows", broken)
    done = skaprof("flops", "--dim", "64")
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("skaprof: internal error: RuntimeError: a bug\\nof ours (test_cli.py, line ")
    assert "report it in the project's issue tracker, with what --traceback shows" in done.stderr
    words = ["flops", "--dim", "64"]
    words.insert(place, "--traceback")
    whole = skaprof(*words)
    assert (whole.returncode, whole.stdout) == (70, "")
    assert whole.stderr.startswith("Traceback (most recent call last)")
    assert whole.stderr.endswith(done.stderr)


def test_a_mismatch_is_shown_op_by_op_and_exits_1(skaprof: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault planted in the model, as a user would meet it."""

    def wrong(w: Workload, **options: object) -> list[Op]:
        return [op._replace(macs=op.macs + 1) if op.name == "mix" else op for op in mixers.ska(w)]

    monkeypatch.setitem(mixers.MIXERS, "ska", mixers.MIXERS["ska"]._replace(op_lists={"eager": wrong}))
    done = skaprof("flops", "--verify", "-m", "mhsa", "-m", "ska", "--format", "json")
    assert done.returncode == 1
    assert [row["verified"] for row in json.loads(done.stdout)["rows"]] == [True, False]
    assert done.stderr.splitlines() == [
        "ska, 196 tokens, dim 256, forward: mix: macs: the model says 9,834,497, fvcore 9,834,496",
        "ska, 196 tokens, dim 256, forward: mix: macs: the model says 9,834,497, FlopCounterMode 9,834,496",
    ]


def test_a_long_sweep_is_the_same_rows_by_either_path(skaprof: Run) -> None:
    """Above 5,000 rows numpy computes them; below, one at a time."""
    long = skaprof("flops", "--tokens", "1:2000", "--format", "csv").stdout.splitlines()
    short = skaprof("flops", "--tokens", "1990:2000", "--format", "csv").stdout.splitlines()
    assert len(long) == 6001
    assert long[-33:] == short[1:]


def test_plots_and_figure_4_are_written(skaprof: Run, tmp_path: Path) -> None:
    png, svg = tmp_path / "a.png", tmp_path / "a.svg"
    done = skaprof("flops", "--tokens", "16:256:*2", "--plot", str(png), "--plot", str(svg))
    assert done.returncode == 0, done.stderr
    assert png.read_bytes().startswith(b"\x89PNG")
    assert b"</svg>" in svg.read_bytes()
    figure = tmp_path / "figure4.svg"
    assert skaprof("figure", "4", "--output", str(figure)).returncode == 0
    assert b"</svg>" in figure.read_bytes()
    for arguments, words in ((("figure", "5", "-o", str(figure)), "'5'"), (("figure", "4", "-o", "x.gif"), ".png")):
        done = skaprof(*arguments)
        assert (done.returncode, words in done.stderr) == (2, True)


def test_no_colour_and_no_animation_off_a_terminal(skaprof: Run) -> None:
    done = skaprof("flops", "--verify", "--tokens", "4:100:4")
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stderr == ""


def test_a_terminal_narrower_than_the_table_does_without_columns_and_says_so() -> None:
    """In a pseudo-terminal of 60 columns."""
    import pty

    read, write = pty.openpty()
    environment = {**os.environ, "COLUMNS": "60", "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    program = [sys.executable, "-m", "skaprof", "flops", "--baseline", "mhsa"]
    with subprocess.Popen(program, stdout=write, stderr=write, env=environment) as process:
        os.close(write)
        chunks = []
        try:
            while chunk := os.read(read, 65536):
                chunks.append(chunk)
        except OSError:  # how Linux says that the other side has closed
            pass
        process.wait(timeout=60)
    os.close(read)
    screen = b"".join(chunks).decode()
    assert "\x1b[" in screen
    assert "…" not in screen
    for figure in ("246.8*", "136.88", "0.819x", "Not shown at 60: "):
        assert figure in screen
    assert "weights" not in screen.partition("Not shown")[0]


@pytest.mark.parametrize(
    ("command", "exit_code"),
    [
        ("flops >&-", 0),
        ("--version >&-", 0),
        ("flops --dim 0 2>&-", 2),
        ("--help >/dev/full", 2),
        ("flops --help | head -1; exit ${PIPESTATUS[0]}", 141),
        ("flops --format csv --output /dev/stdout | grep -c mhsa", 0),
        ("flops --format json --output $'x\\xff.json'", 0),
    ],
)
def test_odd_streams_end_it_cleanly(tmp_path: Path, command: str, exit_code: int) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = f"{sys.executable} -m skaprof {command}"
    done = subprocess.run(
        ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == exit_code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") <= 1


def test_help_has_no_colour_off_a_terminal_even_in_ci(skaprof_process: Run) -> None:
    done = skaprof_process("flops", "--help", env={**os.environ, "GITHUB_ACTIONS": "1", "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0
    assert "\x1b" not in done.stdout


def test_bare_skaprof_shows_help(skaprof: Run) -> None:
    done = skaprof()
    assert (done.returncode, done.stderr) == (0, "")
    assert "flops" in done.stdout


def test_formulas_survive_an_ascii_terminal(skaprof_process: Run) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    assert "4 B n d^2 + 2 B n^2 d" in skaprof_process("flops", "--formula", env=environment).stdout


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("sympy", ("flops", "--formula")),
        ("matplotlib", ("figure", "4", "--output", "x.png")),
        ("numpy", ("flops", "--tokens", "1:4000", "--format", "csv")),
    ],
)
def test_any_missing_package_exits_3(tmp_path: Path, package: str, arguments: tuple[str, ...]) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text(f"raise ModuleNotFoundError('no', name={package!r})")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    program = [sys.executable, "-m", "skaprof", *arguments]
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr == (
        f"skaprof: this command needs the package {package!r}, which is not installed here; "
        f"run: pip install {package}\n"
    )
