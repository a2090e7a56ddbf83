"""`skaprof latency` on this processor: what noise and load cannot break. No test here asserts a time."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import Run, heed_interrupts
from row_examples import measured_row

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import SizeGrid, Variant, make_plan
from skaprof.bench import store, worker
from skaprof.bench.configuration import Entry, Options, configurations
from skaprof.bench.cpu import CpuDevice
from skaprof.bench.environment import resolve_device
from skaprof.bench.measured_rows import MEASURED_KEYS
from skaprof.bench.measuring import measure_configuration
from skaprof.bench.worker import measure_isolated
from skaprof.errors import SkaprofError
from skaprof.flags import FLAGS as RAISED
from skaprof.flags import STABLE
from skaprof.implementations import IMPLEMENTATIONS
from skaprof.measured import result_row
from skaprof.model.spec import parse_mixer
from skaprof.report.latency import pair_sentences as latency_sentences
from skaprof.report.latency import sparkline
from skaprof.results import CostRow
from skaprof.subprocesses import run_python
from skaprof.workload import Workload

FAST = ("--device", "cpu", "--tokens", "9", "--dim", "16", "--max-seconds", "1")
FLAGS = {STABLE, *RAISED}
H100 = '{"schema_version": 1, "command": "", "settings": {"timing": "hot"}, "environment": {"device": "H100"}}\n'
VERDICTS = {"baseline", "faster", "slower", "same", "inconclusive"}


def rows_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, object]] = json.loads(done.stdout)["rows"]
    return rows


def test_json_rows_carry_the_keys_and_the_vocabulary(skaprof: Run) -> None:
    done = skaprof("latency", *FAST, "--format", "json")
    rows = rows_of(done)
    assert len(rows) == 3 * 2
    for row in rows:
        assert set(row) == {*CostRow.fields, *MEASURED_KEYS}
        assert row["verdict"] in VERDICTS
        assert set(row["flags"]) <= FLAGS
        assert row["ci_low_ms"] is None or row["ci_low_ms"] <= row["median_ms"] <= row["ci_high_ms"]
        assert ("few-rounds" in row["flags"]) == (row["rounds"] < 8)
        if "few-rounds" in row["flags"]:
            assert [row[key] for key in ("ci_low_ms", "ratio_low", "ratio_high", "aa_low", "aa_high")] == [None] * 5
        else:
            assert row["aa_low"] <= 1 <= row["aa_high"] or "aa-failed" in row["flags"]
        assert row["samples_ms"]
        assert row["checked_tokens"] == row["tokens"]
        assert row["error"] is None
        assert row["device"] == "cpu"
    assert [row["verdict"] for row in rows].count("baseline") == 1
    environment = json.loads(done.stdout)["environment"]
    assert {"torch", "cpu", "threads", "load", "tf32", "device"} <= set(environment)


class CpuTime(CpuDevice):
    """The processor by the time that it gave this process, whatever else it has to do."""

    def now(self) -> float:
        return time.process_time()


def test_four_times_the_work_takes_longer() -> None:
    device = CpuTime()
    medians = []
    for tokens in (64, 1024):
        entry = Entry("mhsa", "forward", "float32", "eager", (1, 1, tokens, 64, 2, 32, None))
        medians.append(measure_configuration([entry], Options(), device, device.now() + 1)[0]["median_ms"])
    assert medians[1] > medians[0]


@pytest.mark.usefixtures("steady_clock")
def test_every_implementation_and_mode_runs_or_says_why(skaprof: Run) -> None:
    arguments = ("--implementation", "eager,sdpa,sdpa-flash,sdpa-math,sdpa-cudnn", "--mode", "forward,train")
    mixers = ("-m", "mhsa", "-m", "cska", "-m", "pooling")
    rows = rows_of(skaprof("latency", *FAST[:-1], "14", *arguments, *mixers, "--format", "json"))
    assert len(rows) == 3 * 5 * 2
    for row in rows:
        if row["mixer"] in ("sepconv", "pooling") and row["implementation"] != "eager":
            assert (row["verdict"], row["median_ms"]) == ("unsupported", None)
            assert "no attention in it" in str(row["error"])
        elif row["implementation"] in ("eager", "sdpa", "sdpa-math"):
            assert row["error"] is None, row
        else:
            assert row["error"] is None or row["verdict"] == "unsupported"


@pytest.mark.usefixtures("steady_clock")
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_other_dtypes_pass_the_gate(skaprof: Run, dtype: str) -> None:
    for row in rows_of(skaprof("latency", *FAST, "--dtype", dtype, "--format", "json")):
        assert row["verdict"] != "wrong-output", row["error"]


@pytest.mark.usefixtures("steady_clock")
def test_what_does_not_fit_in_memory_is_a_row_and_the_sweep_goes_on(skaprof: Run) -> None:
    arguments = ("--device", "cpu", "--dim", "32", "--max-seconds", "2", "-m", "mhsa", "--format", "json")
    rows = rows_of(skaprof("latency", *arguments, "--tokens", "10000000,9", "--implementation", "eager"))
    assert [row["verdict"] for row in rows] == ["out-of-memory", "baseline"]
    assert "GiB are free" in str(rows[0]["error"])


@pytest.mark.usefixtures("steady_clock")
def test_formats_and_sentences(skaprof: Run) -> None:
    done = skaprof("latency", *FAST, "-m", "mhsa", "-m", "ska", "--implementation", "eager")
    assert done.returncode == 0, done.stderr
    assert "ska (eager)" in done.stdout
    assert "hot timing on cpu" in done.stdout
    text = skaprof("latency", *FAST, "-m", "mhsa", "--format", "csv").stdout
    (first, *_) = csv.DictReader(io.StringIO(text))
    assert first["mixer"] == "mhsa"
    assert skaprof("latency", *FAST, "-m", "mhsa", "--format", "markdown").stdout.count("| mhsa |") == 2


@pytest.mark.usefixtures("steady_clock")
def test_a_sweep_is_drawn_and_too_many_lines_are_refused_before_any_time_is_spent(skaprof: Run, tmp_path: Path) -> None:
    png, svg = tmp_path / "times.png", tmp_path / "times.svg"
    done = skaprof("latency", *FAST, "--batch", "1,2", "--plot", str(png), "--plot", str(svg))
    assert done.returncode == 0, done.stderr
    assert png.read_bytes().startswith(b"\x89PNG")
    assert svg.read_bytes().startswith(b"<?xml")
    many = ("--device", "cpu", "--tokens", "4:400:4", "--dim", "32:640:32", "--plot", str(tmp_path / "more.svg"))
    done = skaprof("latency", *many)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("skaprof: --plot: 20 panels of at most 8 lines: expected at most 12; sweep fewer values\n")


def test_sentences_say_what_the_interval_says() -> None:
    costs = cost_row(Variant(parse_mixer("ska")), Workload(1, 1, 1, 1, 1, 1))
    row = measured_row(costs, 1.0, tolerance=0.05, rounds_to_decide=90, ratio=0.8, ratio_low=0.75, ratio_high=0.9)
    row |= {"flags": []}

    def pair_sentences(rows: list[dict[str, object]]) -> list[str]:
        return latency_sentences(list(map(result_row, rows)))

    said = {verdict: pair_sentences([row | {"verdict": verdict}])[0] for verdict in ("faster", "inconclusive")}
    assert said["faster"] == "ska (eager) is 1.25x faster than mhsa (eager), 95 % CI 1.11 to 1.33."
    assert said["inconclusive"].endswith(
        "where a difference must exceed 5.0 %; some 90 rounds would decide: --rounds 90."
    )
    cut = row | {"verdict": "inconclusive", "ratio_low": None, "ratio_high": None, "flags": ["few-rounds"]}
    assert pair_sentences([cut])[0].endswith("no verdict, since time ran out; ratio so far 0.800.")
    slow = row | {"verdict": "slower", "ratio": 1.2, "ratio_low": 1.1, "ratio_high": 1.3}
    assert pair_sentences([slow]) == ["ska (eager) is 1.20x slower than mhsa (eager), 95 % CI 1.10 to 1.30."]
    unsound = row | {"verdict": "inconclusive", "flags": ["warm-leak", "drift"]}
    assert pair_sentences([unsound])[0].endswith("no verdict, since the run was not sound (warm-leak).")
    twice = [row | {"verdict": "faster"}, row | {"verdict": "same", "mode": "train"}]
    assert [text.partition(" is ")[0] for text in pair_sentences(twice)] == [
        "ska (eager) at mode forward",
        "ska (eager) at mode train",
    ]
    models = [
        row | {"model": model, "verdict": "faster", "image_height": side} for model, side in (("a", 32), ("b", 64))
    ]
    assert [text.partition(" is ")[0] for text in pair_sentences(models)] == [
        "a ska (eager) at image height 32",
        "b ska (eager) at image height 64",
    ]
    assert sparkline([1.0, 2.0, 3.0, 4.0]) == "▁▃▆█"
    assert sparkline([]) == ""


@pytest.mark.usefixtures("steady_clock")
def test_lines_are_saved_resumed_and_the_same_rows(skaprof: Run, tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    files = ("--output", str(path), "--output", str(tmp_path / "runs.csv"))
    done = skaprof("latency", *FAST[:3], "16", *FAST[4:], "-m", "mhsa", *files)
    assert done.returncode == 0
    assert done.stdout.splitlines()[2].split()[:3] == ["median", "95", "%"]  # the table, wherever else rows go
    assert f"wrote {path}\nwrote {tmp_path / 'runs.csv'}\n" in done.stderr
    assert (tmp_path / "runs.csv").read_text().count("\n") == 3
    head, rows, size, damaged = store.read(path)
    assert (len(rows), size, damaged) == (2, path.stat().st_size, False)
    assert head["schema_version"] == 1
    path.write_bytes(path.read_bytes()[:-20])  # the last line cut, as a crash leaves it
    resumed = skaprof(
        "latency", "--device", "cpu", "--tokens", "9,16", "--dim", "16", "-m", "mhsa", "--max-seconds", "2",
        "--resume", str(path), "--format", "json",
    )  # fmt: skip
    assert "was cut off; its 1 good rows are kept" in resumed.stderr
    assert len(rows_of(resumed)) == 4
    _, saved, _, damaged = store.read(path)
    assert not damaged
    assert len({(row["tokens"], row["implementation"]) for row in saved}) == 4


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("not json\n", "damaged in line 1"),
        ('{"schema_version": 1, "settings": {}, "environment": {}}\nbroken\n{}\n', "damaged in line 2"),
        ('{"schema_version": 7, "settings": {}, "environment": {}}\n', "schema version 7: expected 1"),
        (
            '{"schema_version": 1, "command": "", "settings": {}, "environment": {}}\n',
            "no JSON lines file of skaprof",
        ),
        (H100, "measured with device 'H100'"),
        ("[1]\n", "has no rows"),
    ],
)
def test_a_file_that_is_foreign_or_damaged_is_refused_and_kept(
    skaprof: Run, tmp_path: Path, content: str, words: str
) -> None:
    path = tmp_path / "runs.jsonl"
    path.write_text(content)
    done = skaprof("latency", *FAST, "--resume", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert path.read_text() == content


@pytest.mark.usefixtures("steady_clock")
def test_another_setting_does_not_resume(skaprof: Run, tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    assert skaprof("latency", *FAST, "-m", "mhsa", "--output", str(path)).returncode == 0
    done = skaprof("latency", *FAST, "-m", "mhsa", "--timing", "wall", "--resume", str(path))
    assert done.returncode == 2
    assert "measured with timing 'hot': expected 'wall'" in done.stderr


def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    program = [sys.executable, "-m", "skaprof", "latency", "--device", "cpu", "--tokens", "4:400:4", "-m", "mhsa"]
    program += ["--dim", "32", "--output", str(path)]
    heed_interrupts()
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (path.exists() and path.read_bytes().count(b"\n") >= 3):
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted after" in stderr
    _, rows, _, damaged = store.read(path)
    assert len(rows) >= 2
    assert not damaged


def test_a_file_that_vanishes_ends_the_run_with_the_rows_on_stdout(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    path = folder / "runs.jsonl"
    program = [sys.executable, "-m", "skaprof", "latency", "--device", "cpu", "--tokens", "4:400:4", "-m", "mhsa"]
    program += ["--dim", "32", "--output", str(path)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (path.exists() and path.read_bytes().count(b"\n") >= 3):
            time.sleep(0.1)
        path.unlink()
        folder.rmdir()
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "cannot be written" in stderr
    assert "Traceback" not in stderr
    assert len([json.loads(line) for line in stdout.splitlines()]) >= 2


def test_isolated_sizes_give_the_same_kind_of_rows(skaprof: Run) -> None:
    rows = rows_of(skaprof("latency", *FAST, "-m", "mhsa", "--isolate", "--format", "json"))
    assert rows[0]["verdict"] == "baseline"
    assert all(row["samples_ms"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--device", "tpu"), "--device: 'tpu'"),
        (("--device", "cuda:x"), "--device: 'cuda:x'"),
        (("--device", "cpu", "--timing", "graph"), "graphs are CUDA's"),
        (("--device", "cpu", "--timing", "warm"), "--timing: 'warm'"),
        (("--max-seconds", "0"), "--max-seconds: '0'"),
        (("--max-seconds", "soon"), "--max-seconds: 'soon'"),
        (("--max-seconds", "nan"), "--max-seconds: 'nan'"),
        (("--tolerance", "-1"), "--tolerance: '-1'"),
        (("--implementation", "flash"), "--implementation: 'flash'"),
        (("--baseline", "linear", "--device", "cpu"), "one of those timed: mhsa"),
        (("--baseline", "mhsa/compile", "--device", "cpu"), "one of the implementations that it is timed in"),
        (("--resume", "/nowhere/runs.jsonl", "--device", "cpu"), "cannot be read"),
        (("--output", "/nowhere/runs.jsonl"), "'/nowhere' does not"),
        (("--output", "runs.xyz"), ".jsonl"),
        (("--tf32", "--device", "cpu"), "a processor has no TF32"),
        (("--device", "cpu", "--timing", "graph-resident"), "graphs are CUDA's"),
    ],
)
def test_bad_input_gets_one_clear_line(skaprof: Run, arguments: tuple[str, ...], words: str) -> None:
    done = skaprof("latency", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what the message misses")
def test_no_cuda_exits_3_and_says_what_to_run_instead(skaprof: Run) -> None:
    done = skaprof("latency", "--device", "cuda")
    assert (done.returncode, done.stdout) == (3, "")
    assert "--device cpu" in done.stderr
    assert resolve_device("auto") == "cpu"


def test_mixers_of_one_size_are_timed_together_and_headless_ones_join() -> None:
    specs = [parse_mixer(text) for text in ("mhsa", "sepconv", "cska")]
    groups = configurations(make_plan(specs, SizeGrid(dims=(32, 64), heads=(2, 4))), ("eager", "sdpa"))
    assert [len(group) for group in groups] == [6, 4, 6, 4]
    assert {entry.mixer for entry in groups[0]} == {"mhsa", "sepconv", "cska"}


def test_a_store_says_what_differs(tmp_path: Path) -> None:
    head = {"environment": {"device": "a"}, "settings": {"timing": "hot"}}
    store.require_same(tmp_path, head, head, ("device",))
    with pytest.raises(SkaprofError, match="device 'a': expected 'b'"):
        store.require_same(tmp_path, head, {**head, "environment": {"device": "b"}}, ("device",))


def test_a_worker_that_dies_is_a_row_and_no_file_of_the_users_stands_in_for_a_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "random.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    entry = Entry("mhsa", "forward", "float32", "eager", (1, 1, 4, 8, 1, 8, None))
    (row,) = measure_isolated([entry], Options(), "cpu", 1.0)
    assert row["verdict"] == "baseline", row["error"]
    monkeypatch.setattr(worker, "run_python", lambda *_: run_python("ctypes", "string_at", 0, 60.0))
    (row,) = measure_isolated([entry], Options(), "cpu", 1.0)
    assert (row["verdict"], row["median_ms"], row["mixer"]) == ("crashed", None, "mhsa")
    assert "its process ended with code -11" in row["error"]


def test_a_worker_that_stops_answering_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_GRACE_SECONDS", 0.0)
    entry = Entry("mhsa", "forward", "float32", "eager", (1, 1, 4, 8, 1, 8, None))
    (row,) = measure_isolated([entry], Options(), "cpu", 0.1)  # PyTorch alone takes longer to load
    assert (row["verdict"], row["error"]) == ("crashed", "it gave no answer within 0.1 s")


@pytest.mark.usefixtures("steady_clock")
def test_a_size_measured_again_replaces_its_rows(skaprof: Run, tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    arguments = ("latency", *FAST, "-m", "mhsa", "-m", "ska", "--implementation", "eager")
    assert skaprof(*arguments, "--output", str(path)).returncode == 0
    head, *rows = path.read_text().splitlines(keepends=True)
    path.write_text(head + rows[0])  # as a crash between two rows of one size leaves it
    assert skaprof(*arguments, "--resume", str(path)).returncode == 0
    head_after, *rows_after = path.read_text().splitlines()
    assert head_after == head.strip()
    assert [json.loads(row)["mixer"] for row in rows_after] == ["mhsa", "ska"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["runs.jsonl"]


@pytest.mark.usefixtures("steady_clock")
def test_lines_go_to_the_file_and_another_format_to_stdout(skaprof: Run, tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    done = skaprof("latency", *FAST, "-m", "mhsa", "--output", str(path), "--format", "json")
    assert len(rows_of(done)) == len(store.read(path)[1]) == 2


@pytest.mark.usefixtures("steady_clock")
def test_all_is_every_implementation_that_is_a_processors(skaprof: Run) -> None:
    arguments = ("--implementation", "all", "-m", "cska", "-m", "pooling", "--format", "json")
    rows = rows_of(skaprof("latency", *FAST[:-1], "6", *arguments))
    by_name = {(row["mixer"], row["implementation"]): row for row in rows}
    assert len(by_name) == 2 * 5
    assert by_name["cska", "channels-last"]["error"] is None
    assert by_name["pooling", "channels-last"]["verdict"] == "unsupported"
    assert {name for _, name in by_name} == {name for name, how in IMPLEMENTATIONS.items() if not how.needs_gpu}
