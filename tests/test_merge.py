"""Shards of a run and what `skaprof merge` makes of files: the rows of one run, in its order, and nothing lost."""

from __future__ import annotations

import copy
import json
import re
import shlex
from math import inf
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Run
from test_schema import from_lines, require_valid

import skaprof as api
from skaprof.analysis.merging import merged
from skaprof.analysis.plan import SizeGrid, make_plan
from skaprof.bench.configuration import Entry
from skaprof.bench.contenders import Built
from skaprof.bench.fake import FakeDevice
from skaprof.bench.measuring import measure_configuration
from skaprof.bench.session import Session
from skaprof.count.asked import Answer, Case
from skaprof.count.audit import case_row
from skaprof.counters import COUNTERS
from skaprof.errors import SkaprofError
from skaprof.model.spec import parse_mixer
from skaprof.saved import SavedResults, read_results

Row = dict[str, Any]
LINES = (ROOT / "tests/data/runs.jsonl").read_text().splitlines()
HEAD, *ROWS = [json.loads(line) for line in LINES]
SWEEP = (
    "latency",
    "--device",
    "cpu",
    "-m",
    "mhsa",
    "-m",
    "ska",
    "-m",
    "pooling",
    "--dim",
    "16",
    "--heads",
    "2,4",
    "--rounds",
    "2",
)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each size is timed on a fake device, whose times depend on nothing but the size."""
    device = FakeDevice()

    def build(entry: Entry, *_: Any) -> Built:
        label = f"{entry.mixer} ({entry.implementation})"
        return Built(device.kernel(label, 1e-5 + 1e-12 * entry.head()["macs"]), None, None)

    def measured(session: Session, group: Any, *_: Any) -> list[Row]:
        vars(device).update(vars(FakeDevice()))
        return measure_configuration(group, session.options, device, inf)

    monkeypatch.setattr(Entry, "build", build)
    monkeypatch.setattr(Session, "_measured", measured)
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))


@pytest.mark.usefixtures("fake")
def test_all_shards_of_a_sweep_merged_are_the_sweep_byte_for_byte(skaprof: Run, tmp_path: Path) -> None:
    sweep = (*SWEEP, "--tokens", "25,9,16", "--output")
    assert skaprof(*sweep, "whole.jsonl", cwd=tmp_path).returncode == 0
    shards = [f"{number}.jsonl" for number in range(1, 4)]
    for number, path in enumerate(shards, start=1):
        done = skaprof(*sweep, path, "--shard", f"{number}/3", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads((tmp_path / path).read_text().splitlines()[0])["settings"]["shard"] == f"{number}/3"
    done = skaprof("merge", *shards[::-1], "-o", "all.jsonl", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "wrote 30 rows to all.jsonl\n")
    whole, together = ((tmp_path / name).read_text().splitlines() for name in ("whole.jsonl", "all.jsonl"))
    assert together[1:] == whole[1:]
    require_valid(from_lines("\n".join(together)))
    done = skaprof(*sweep[:-1], "--resume", "all.jsonl", cwd=tmp_path)  # it is that sweep's file
    assert (done.returncode, "6 of 6 sizes are measured" in done.stderr) == (0, False)
    assert (tmp_path / "all.jsonl").read_text().splitlines() == together
    done = skaprof("merge", *shards[1:2], "-o", "some.jsonl", cwd=tmp_path)
    assert "no file has rows of shard 1,3/3\n" in done.stderr
    skaprof("merge", shards[2], shards[0], "-o", "two.jsonl", cwd=tmp_path)
    done = skaprof("merge", "two.jsonl", "some.jsonl", "-o", "by-parts.jsonl", cwd=tmp_path)
    assert done.stderr == "wrote 30 rows to by-parts.jsonl\n"
    assert (tmp_path / "by-parts.jsonl").read_text().splitlines()[1:] == whole[1:]
    assert skaprof(*sweep, "most.jsonl", "--shard", "3,1/3", cwd=tmp_path).returncode == 0
    most, two = ((tmp_path / name).read_text().splitlines() for name in ("most.jsonl", "two.jsonl"))
    assert most[1:] == two[1:]
    assert all('"shard": "1,3/3"' in head for head in (most[0], two[0]))


@pytest.mark.usefixtures("fake")
def test_a_shard_is_refused_where_it_is_none_or_another(skaprof: Run, tmp_path: Path) -> None:
    for text in ("3/0", "9/8", "0/8", "x", "1/2/3", "-1/2", ""):
        for command in (SWEEP, ("audit",), ("accuracy", "--model", "vit_micro", "--data", "digits")):
            done = skaprof(*command, f"--shard={text}")
            assert (done.returncode, done.stderr.count("\n")) == (2, 1)
            assert f"--shard: '{text}' is not valid: expected K/N, the K-th of N shards, such as 3/8" in done.stderr
    assert "expected at most 2 shards: there are so many sizes" in skaprof(*SWEEP, "--shard", "2/5").stderr
    path = str(tmp_path / "runs.jsonl")
    assert skaprof(*SWEEP, "--shard", "1/2", "--output", path).returncode == 0
    done = skaprof(*SWEEP, "--shard", "2/2", "--resume", path)
    assert f"--resume: '{path}' is of --shard '1/2', and this run of --shard '2/2': expected the same" in done.stderr
    assert "is of --shard '1/2', and this run of all" in skaprof(*SWEEP, "--resume", path).stderr
    assert skaprof(*SWEEP, "--shard", "1/2", "--resume", path).returncode == 0


def test_all_shards_of_an_audit_merged_are_the_audit(
    skaprof: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan([parse_mixer("mhsa"), parse_mixer("ska")], SizeGrid())
    names = ("fvcore", "torch", "thop")
    took = iter(range(1000))

    def audited(_: Any, counters: Any, *__: Any) -> list[Any]:
        cases = [Case(row.variant.spec.text, "@", tuple(row.workload)) for row in plan.rows()]
        return [case_row(each, case, Answer(counted=7, seconds=next(took)), ()) for each in counters for case in cases]

    monkeypatch.setattr("skaprof.count.audit.audited", audited)
    chosen = [COUNTERS[name] for name in names], [COUNTERS["deepspeed"]]
    monkeypatch.setattr("skaprof.cli.audit.chosen_counters", lambda *_: chosen)
    audit = ("audit", "-m", "mhsa", "-m", "ska", "--output")
    assert skaprof(*audit, "whole.json", cwd=tmp_path).returncode == 0
    for number, name in ((1, "1"), (2, "2"), (1, "again")):  # in another time
        assert skaprof(*audit, f"{name}.json", "--shard", f"{number}/2", cwd=tmp_path).returncode == 0
    assert skaprof("merge", "2.json", "1.json", "again.json", "-o", "all.jsonl", cwd=tmp_path).returncode == 0
    whole, together = (read_results(tmp_path / name, "").rows for name in ("whole.json", "all.jsonl"))
    without = [[{**row, "seconds": None} for row in rows] for rows in (whole, together)]
    assert without[0] == without[1]
    assert [row["counter"] for row in together] == ["fvcore"] * 2 + ["torch"] * 2 + ["thop"] * 2 + ["deepspeed"]


def saved(rows: list[Row], path: str, head: Row = HEAD, **environment: Any) -> SavedResults:
    text = "\n".join(
        json.dumps(each) for each in ({**head, "environment": {**head["environment"], **environment}}, *rows)
    )
    place = Path(path)
    place.write_text(f"{text}\n")
    return read_results(place, "FILE")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own, which paths are in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def slower(rows: list[Row], factor: float = 1.1, rounds: int = 32) -> list[Row]:
    return [{**copy.deepcopy(row), "median_ms": factor * row["median_ms"], "rounds": rounds} for row in rows]


@pytest.mark.usefixtures("here")
def test_one_row_of_identical_ones_and_a_conflict_is_named_with_both_files() -> None:
    a, same, other = saved(ROWS, "a"), saved(ROWS[:2], "same"), saved(slower(ROWS[1:3], rounds=64), "other")
    assert merged([a, same]).rows == ROWS
    with pytest.raises(SkaprofError) as error:
        merged([a, same, other])
    old, new = ROWS[1]["median_ms"], 1.1 * ROWS[1]["median_ms"]
    assert str(error.value) == (
        f"mhsa (sdpa) at 49 tokens, dim 512, batch 1, train, float32 on cpu: median_ms is {old} in 'a' and {new} in "
        "'other' (and 1 more): expected one figure a row; prefer first, last or more-rounds says which is taken"
    )
    assert merged([a, other], "first").rows == ROWS
    assert merged([a, other], "last").rows == [ROWS[0], *slower(ROWS[1:3], rounds=64), *ROWS[3:]]
    assert merged([a, other], "more-rounds") == merged([a, other], "last")
    found = merged([other, a], "more-rounds")
    assert found.rows == [*slower(ROWS[1:3], rounds=64), ROWS[0], *ROWS[3:]]
    assert "of rows with different figures in several files, the 2 of 'other' are taken" in found.notices


@pytest.mark.usefixtures("here")
def test_what_was_timed_together_is_taken_from_one_file_together() -> None:
    half = [*slower(ROWS[:1], rounds=64), *ROWS[1:2], *slower(ROWS[2:3], rounds=8)]  # 104 rounds to 96
    found = merged([saved(ROWS[:3], "a"), saved(half, "b")], "more-rounds")
    assert found.rows == half


@pytest.mark.usefixtures("here")
def test_rows_of_other_devices_stand_side_by_side_and_say_where_they_are_of() -> None:
    a, b = saved(ROWS[:2], "a"), saved(slower(ROWS[:2]), "b", cpu="AMD EPYC", load=9.0)
    gpu = saved([{**row, "device": "NVIDIA L4"} for row in ROWS[:1]], "gpu", device="NVIDIA L4", gpu_uuid="1")
    found = merged([a, b, gpu])
    assert [row["device"] for row in found.rows] == ["cpu", "cpu", "cpu", "cpu", "NVIDIA L4"]
    assert [row["environment"]["cpu"] for row in found.rows[:4]] == [
        *[HEAD["environment"]["cpu"]] * 2,
        *["AMD EPYC"] * 2,
    ]
    assert found.rows[4]["environment"]["gpu_uuid"] == "1"
    assert "cpu" not in found.environment
    assert found.environment["torch"] == HEAD["environment"]["torch"]
    assert found.notices[-1].startswith("the files differ in ")
    again = saved(found.rows, "again", {**HEAD, "environment": {}, "settings": found.settings}, **found.environment)
    assert [row.device for row in again.measured] == [
        *["cpu (Intel(R) Xeon(R) Processor)"] * 2,
        *["cpu (AMD EPYC)"] * 2,
        "NVIDIA L4",
    ]
    assert merged([again, b]).rows == found.rows  # a part once more is no news
    assert merged([again]).settings["merged"] == [HEAD["command"]] * 3


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"timing": "cold"}}, "'a' was measured with timing 'hot', 'b' with 'cold'"),
        ({"settings": {"tolerance": 0.05}}, "'a' was measured with tolerance 0.02, 'b' with 0.05"),
        ({"settings": {"tf32": True}}, "'a' was measured with tf32 False, 'b' with True"),
        ({"settings": {"baseline": "ska (eager)"}}, "'a' was measured with baseline 'mhsa (eager)', 'b' with"),
        ({"environment": {"threads": 8}}, "'a' was measured with threads 2, 'b' with 8"),
    ],
)
def test_other_settings_are_refused_by_name(change: Row, message: str) -> None:
    head = {**HEAD, **{key: HEAD[key] | value for key, value in change.items()}}
    with pytest.raises(SkaprofError) as error:
        merged([saved(ROWS[:2], "a"), saved(ROWS[2:], "b", head)])
    assert message in str(error.value)
    more = {**HEAD, "settings": HEAD["settings"] | {"device": "cuda:1", "rounds": 128}}  # of which the rows tell
    assert merged([saved(ROWS[:2], "a"), saved(ROWS[2:], "b", more)]).settings["rounds"] == 128


def test_what_cannot_be_merged_is_told_and_no_file_is_given_up(skaprof: Run, here: Path) -> None:
    saved(ROWS, "runs.jsonl")
    (here / "cut.jsonl").write_text((here / "runs.jsonl").read_text()[:-40])
    assert skaprof("flops", "--format", "json", "-o", "costs.json", cwd=here).returncode == 0
    assert skaprof("merge", "runs.jsonl", "cut.jsonl", "-o", "all.jsonl", cwd=here).stderr.splitlines() == [
        "skaprof: 'cut.jsonl': its last line, 7, was cut off and is left out",
        "wrote 6 rows to all.jsonl",
    ]
    before = (here / "all.jsonl").read_bytes()
    for words, message in (
        (("runs.jsonl", "-o", "all.jsonl"), "'all.jsonl' is there already: expected --force to replace it"),
        (("runs.jsonl", "-o", "runs.jsonl", "--force"), "would replace 'runs.jsonl', which FILE reads"),
        (("runs.jsonl", "-o", "all.json"), "--output: 'all.json' is not valid: expected a file that ends in .jsonl"),
        (("costs.json", "-o", "b.jsonl"), "'costs.json' cannot be merged: expected a file that skaprof latency or"),
        (("runs.jsonl", "-o", "b.jsonl", "--prefer", "best"), "--prefer: 'best' is not valid"),
        (("gone.jsonl", "-o", "b.jsonl"), "FILE: 'gone.jsonl' "),
    ):
        done = skaprof("merge", *words, cwd=here)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert message in done.stderr
    assert (here / "all.jsonl").read_bytes() == before
    assert not (here / "b.jsonl").exists()
    with pytest.raises(SkaprofError, match=r"output: .* none of the files that are read"):
        api.merge(["runs.jsonl"], "runs.jsonl")
    assert [row.mixer for row in api.merge(["runs.jsonl"], "all.jsonl", force=True)] == [row["mixer"] for row in ROWS]


PAGE = (ROOT / "docs/many-machines.md").read_text()


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("language", ["bash", "yaml"])
def test_the_scripts_shown_measure_all_of_a_sweep_and_merge_it(skaprof: Run, here: Path, language: str) -> None:
    """Each line of them that runs this program, with a shard's number where the script has it."""
    for block in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL):
        lines = [line[line.index("skaprof ") :].removesuffix(" &") for line in block.splitlines() if "skaprof " in line]
        sweep, *merges = [line.removeprefix("skaprof ") for line in lines if re.match("skaprof (latency|merge) ", line)]
        count = int(re.search(r"--shard .*?/(\d+)", sweep)[1])  # type: ignore[index]  # each has one
        sweep = sweep.replace('"$to" "$file"', '--output "runs-$SLURM_ARRAY_TASK_ID.jsonl"')
        sweep = sweep.replace("49:784:49", "4:32:4")  # as many sizes as it has shards
        paths = []
        for number in range(1, count + 1):
            typed = re.sub(r"\$\{\{ matrix.shard \}\}|\$\w+", str(number), sweep)
            done = skaprof(*shlex.split(typed), "-m", "mhsa", "-m", "ska", "--dim", "16", "--rounds", "2", "--force")
            assert done.returncode == 0, done.stderr
            paths.append(shlex.split(typed)[-1])
        for merge in merges or [f"merge {' '.join(paths)} --output all.jsonl"]:
            done = skaprof(*shlex.split(merge), "--force")
            assert done.stderr == "wrote 32 rows to all.jsonl\n"
