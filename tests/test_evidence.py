"""What a row of `skaprof latency` rests on: the allocator, a processor's kernels, forms compared alike, sentences."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import row_examples
import torch
from conftest import ROOT, Run
from torch import Tensor, nn

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.bench import allocator, protocol
from skaprof.bench.best_forms import best_forms
from skaprof.bench.configuration import Entry, Options, open_device
from skaprof.bench.kernels import attention_backend, processor_kernels
from skaprof.bench.measuring import measure_configuration
from skaprof.bench.record import Record, Settings
from skaprof.cli.output import say
from skaprof.measured import MeasuredRow
from skaprof.model.spec import parse_mixer
from skaprof.report.latency_evidence import evidence_sentences
from skaprof.workload import Workload

FAULTS = """
import resource, sys
from skaprof.bench.allocator import held, malloc_name, put_allocator
put_allocator(sys.argv[1])
import torch
torch.set_num_threads(1)
x = torch.randn(12 * 2**20)  # 48 MiB, beyond what glibc's threshold for blocks mapped apart can be set to
for _ in range(12):
    y = x * 0.5
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    y = x * 0.5
print(held(), malloc_name().split()[0], resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
needs_glibc = pytest.mark.skipif(not allocator.malloc_name().startswith("glibc"), reason="another malloc")


def faults(choice: str) -> list[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FAULTS, choice]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split()


@needs_glibc
def test_memory_that_is_kept_is_not_faulted_in_again_and_as_is_is() -> None:
    held, name, kept = faults("keep")
    assert (held, name) == ("keep", "glibc")
    held, _, fresh = faults("as-is")
    assert (held, int(fresh) > 10_000) == ("as-is", True)
    assert int(kept) < int(fresh) / 2  # mostly 0; a system that reclaims what is idle takes some meanwhile


def test_another_malloc_is_named_and_left_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.write_text("7f00 r-xp /usr/lib/libjemalloc.so.2\n")
    monkeypatch.setattr(allocator, "Path", lambda _: maps)
    monkeypatch.setattr(allocator, "_kept", False)
    assert allocator.malloc_name() == "jemalloc"
    assert allocator.put_allocator("keep") == "as-is"


def test_an_allocator_that_cannot_be_put_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(protocol, "put_allocator", lambda choice: "as-is")
    monkeypatch.setattr(protocol, "malloc_name", lambda: "jemalloc")
    assert protocol.Protocol().hold(say)["allocator"] == "as-is"
    assert "--allocator keep: jemalloc cannot be told to; measured as-is" in capsys.readouterr().err


class Convolved(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * self.conv(x)


def test_kernels_are_what_ran_and_not_what_was_asked_for() -> None:
    x = torch.randn(1, 4, 8, 8)
    run = Convolved()
    found = processor_kernels(lambda: run(x))
    assert "aten::conv2d" not in found
    assert "aten::mul" in found
    assert any("convolution" in name or "conv2d_forward" in name for name in found)
    assert "aten::copy_" not in found  # that of 0.5 to a tensor
    assert "aten::copy_" in processor_kernels(lambda: x.transpose(1, 2).contiguous())
    assert processor_kernels(lambda: x.transpose(1, 2).unflatten(1, (2, 4)).permute(0, 2, 1, 3, 4)) == ()


def test_attention_on_a_processor_is_flash_or_math() -> None:
    q = torch.randn(1, 2, 16, 8)
    backends = []
    for value in (q, torch.randn(1, 2, 16, 4)):  # flash wants one width
        call = lambda value=value: nn.functional.scaled_dot_product_attention(q, q, value)  # noqa: E731
        backends.append(attention_backend(processor_kernels(call)))
    assert backends == ["flash", "math"]


def test_backward_kernels_are_found_too() -> None:
    layer, x = nn.Linear(8, 8), torch.randn(4, 8)
    forward = processor_kernels(lambda: layer(x))
    assert set(forward) < set(processor_kernels(lambda: layer(x).sum().backward()))


def record(label: str, seconds: float, against: int = 0) -> Record:
    rounds = [[[seconds * (1 + 1e-3 * number)] * 3] * 2 for number in range(8)]
    return Record(label, rounds, against=against)


def test_best_is_compared_with_best() -> None:
    records = [record(*each) for each in (("a (x)", 4.0), ("a (y)", 2.0), ("b (x)", 1.0), ("b (y)", 3.0))]
    found = best_forms([("a", ""), ("a", ""), ("b", ""), ("b", "")], records, Settings())
    assert [(each.label, each.baseline) for each in found] == [("a (y)", "a (y)")] * 2 + [("b (x)", "a (y)")] * 2
    assert [each.ratio is None for each in found] == [True, True, False, False]
    assert found[2].ratio is not None
    assert found[2].ratio.mean == pytest.approx(torch.tensor(0.5).log().item())


def rows(same_form: bool) -> list[dict[str, Any]]:
    entries = [
        Entry(mixer, "forward", "float32", form, (1, 3, 3, 16, *own))
        for mixer, own in (("mhsa", (2, 8, None)), ("ska", (2, 8, None)), ("pooling", (None, None, 3)))
        for form in ("eager", "sdpa")
    ]
    device = open_device("cpu")
    options = Options(baseline="mhsa (eager)", same_form=same_form, rounds=2, min_rounds=2)
    return measure_configuration(entries, options, device, device.now() + 20)


def test_each_form_is_compared_with_the_same_form_of_the_baselines_mixer() -> None:
    found = {(row["mixer"], row["implementation"]): row["baseline"] for row in rows(same_form=True)}
    assert found["ska", "eager"] == found["mhsa", "sdpa"] == found["mhsa", "eager"] == "mhsa (eager)"
    assert found["ska", "sdpa"] == "mhsa (sdpa)"
    assert found["pooling", "sdpa"] is None  # it has none
    fixed = {row["baseline"] for row in rows(same_form=False)}
    assert fixed == {"mhsa (eager)", None}


def test_rows_say_whose_time_decides_and_what_was_counted() -> None:
    row = rows(same_form=True)[0]
    assert row["median_ms"] == row[f"{row['clock']}_ms"]
    assert row["samples_ms"] == row[f"{row['clock']}_samples_ms"]
    assert len(row["wall_samples_ms"]) == len(row["samples_ms"])
    assert row["allocator"] == allocator.held()
    if row["faults"] is not None:
        assert len(row["sample_faults"]) == len(row["sample_preemptions"]) == len(row["samples_ms"])


ROW = {
    "mixer": "ska", "implementation": "sdpa", "mode": "forward", "dtype": "float32", "batch": 1, "height": 14,
    "width": 14, "tokens": 196, "dim": 384, "median_ms": 4.0, "baseline": "mhsa (sdpa)", "verdict": "inconclusive",
    "verdict_by_cpu": None, "flags": ["stable"], "clock": "cpu", "allocator": "keep", "backend": "flash",
    "best": "ska (sdpa)", "best_baseline": "mhsa (sdpa)", "ratio_best": 0.9, "ratio_best_low": 0.8,
    "ratio_best_high": 1.0, "faults": 0.0, "faults_ms": 0.0,
}  # fmt: skip
OTHER = ROW | {"mixer": "mhsa", "verdict": "baseline", "best": "mhsa (sdpa)"}


def said(*measured: dict[str, Any]) -> str:
    costs = cost_row(Variant(parse_mixer("ska")), Workload(1, 14, 14, 384, 12, 32))
    rows = [MeasuredRow.read(row_examples.measured_row(costs, 4.0) | row) for row in measured]
    return " ".join(evidence_sentences(rows))


def test_sentences_say_what_the_times_rest_on() -> None:
    assert said(OTHER, ROW) == (
        "CPU time of the one thread that works decides; ratios are of the fastest quarter of the samples; "
        "malloc keeps freed memory for later calls."
    )
    eager = OTHER | {"implementation": "eager", "baseline": "mhsa (eager)"}
    best = "Best against best at 196 tokens, dim 384, batch 1: ska (sdpa) over mhsa (sdpa), ratio 0.900, 95 % CI 0.800"
    assert said(eager, OTHER, ROW).count(best) == 1
    assert "ratio so far 0.900" in said(eager, OTHER, ROW | {"ratio_best_low": None})
    by_cpu = said(OTHER, ROW | {"verdict_by_cpu": "faster", "clock": "wall"})
    assert "CPU time would decide where the wall clock does not (ska (sdpa) faster): measure with --threads 1" in by_cpu
    assert "ran math attention and mhsa (sdpa) flash" in said(OTHER, ROW | {"backend": "math"})
    costly = ROW | {"flags": ["page-faults"], "faults": 3572.0, "faults_ms": 1.5}
    assert "3,572 page faults a call, about 1.5 of its 4.000 ms" in said(OTHER, costly)


def test_rows_from_before_these_keys_are_read() -> None:
    path = ROOT / "tests" / "data" / "latency.json"
    old = json.loads(path.read_text())["rows"]
    assert evidence_sentences(list(map(MeasuredRow.read, old))) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--clock", "sun"), "--clock: 'sun'"),
        (("--clock", "cpu", "--timing", "wall"), "auto or wall with --timing wall"),
        (("--allocator", "none"), "--allocator: 'none'"),
        (("--threads", "0"), "--threads: '0'"),
        (("--threads", "100000"), "the cores here"),
        (("--threads", "two"), "--threads: 'two'"),
        (("--rounds", "1"), "--rounds: '1'"),
        (("--rounds", "9", "--min-rounds", "10"), "--min-rounds: '10'"),
    ],
)
def test_bad_input_gets_one_clear_line(skaprof_here: Run, arguments: tuple[str, ...], words: str) -> None:
    done = skaprof_here("latency", "--device", "cpu", "--tokens", "9", "--dim", "16", *arguments, cwd=ROOT)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core")
def test_cpu_time_of_several_threads_is_refused_with_what_it_would_mean(skaprof_process: Run) -> None:
    done = skaprof_process("latency", "--device", "cpu", "--clock", "cpu", "--threads", "2")
    assert (done.returncode, done.stdout) == (2, "")
    assert "the CPU time of 2 threads is their work added up" in done.stderr
    assert "--threads 1" in done.stderr


def test_rounds_and_threads_are_as_asked_for(skaprof_process: Run) -> None:
    small = ("latency", "--device", "cpu", "--tokens", "9", "--dim", "16", "-m", "mhsa", "--implementation", "eager")
    done = skaprof_process(*small, "--rounds", "3", "--threads", "1", "--allocator", "as-is", "--format", "json")
    document = json.loads(done.stdout)
    (row,) = document["rows"]
    assert (row["rounds"], row["allocator"], row["threads"]) == (3, "as-is", 1)
    assert "few-rounds" not in row["flags"]
    assert (document["environment"]["threads"], document["environment"]["allocator"]) == (1, "as-is")
    assert row["clock"] == "cpu" or row["cpu_ms"] is None or "waits" in row["flags"]
