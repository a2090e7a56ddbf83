"""`skaprof check` as its users meet it: files of claims, expected failures, exit codes, and the paper's own claims."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from conftest import ROOT, Run, require_golden

from skaprof import check
from skaprof.analysis.claims.figures import Sources
from skaprof.analysis.claims.file import read_claims
from skaprof.analysis.claims.judge import judge
from skaprof.analysis.claims.outcomes import Outcome, measuring_command
from skaprof.errors import SkaprofError

PAPER = ROOT / "claims" / "paper.toml"
RUN = ROOT / "tests" / "data" / "runs.jsonl"
HOLDS = 'claim = "ska.macs < mhsa.macs"\nsource = "s"\n'
FAILS = 'claim = "ska.macs > mhsa.macs"\nsource = "s"\n'
EXPECTED = 'expect = "fails"\nwhy = "it saves"\n'
UNTESTED = 'claim = "ska.median_ms < mhsa.median_ms @ size=7x7,dim=512,mode=train"\nsource = "s"\n'
UNMEASURED = UNTESTED.replace("ska", "linear")
UNDECIDED = UNTESTED.replace("< mhsa", "< 0.85 * mhsa")


def write(folder: Path, *tables: str) -> str:
    path = folder / "claims.toml"
    path.write_text("".join(f"[[claim]]\n{table}\n" for table in tables))
    return str(path)


@pytest.mark.parametrize(
    ("table", "options", "exit_code"),
    [
        (HOLDS, (), 0),
        (FAILS, (), 1),
        (FAILS + EXPECTED, (), 0),
        (FAILS + EXPECTED, ("--strict",), 0),
        (HOLDS + EXPECTED, (), 1),
        (UNTESTED, (), 0),
        (UNTESTED, ("--strict",), 1),
        (UNTESTED + 'expect = "not testable"\nwhy = "no device"\n', ("--strict",), 0),
        (UNTESTED + EXPECTED, (), 0),
        (UNTESTED, ("--results", str(RUN)), 0),
        (UNTESTED + EXPECTED, ("--results", str(RUN)), 1),
        (UNTESTED + 'expect = "not testable"\nwhy = "no device"\n', ("--results", str(RUN)), 1),
        (UNMEASURED, ("--results", str(RUN)), 1),
        (UNMEASURED, ("--results", str(RUN), "--allow-missing"), 0),
        (UNMEASURED.replace("@ ", "@ device=cuda,"), ("--results", str(RUN)), 0),
        (UNMEASURED.replace("@ ", "@ timing=cold,"), ("--results", str(RUN)), 0),
        (UNMEASURED + 'expect = "not testable"\nwhy = "no row"\n', ("--results", str(RUN)), 0),
        (UNDECIDED.replace("mode=train", "mode=train,batch=1,9"), ("--results", str(RUN)), 1),
        (UNDECIDED, ("--results", str(RUN)), 0),
        (UNDECIDED, ("--results", str(RUN), "--strict"), 1),
        (UNDECIDED + 'expect = "inconclusive"\nwhy = "near"\n', ("--results", str(RUN), "--strict"), 0),
    ],
)
def test_the_exit_code_is_1_where_a_claim_comes_out_as_not_expected(
    skaprof: Run, tmp_path: Path, table: str, options: tuple[str, ...], exit_code: int
) -> None:
    done = skaprof("check", write(tmp_path, table), *options)
    assert (done.returncode, done.stderr) == (exit_code, "")


def test_results_that_hold_no_measurement_pass_no_claim_about_one(skaprof: Run, tmp_path: Path) -> None:
    skaprof("flops", "-o", "costs.json", cwd=tmp_path)
    timed = ("check", "ska.median_ms < mhsa.median_ms", "--results", "costs.json")
    assert skaprof(*timed, cwd=tmp_path).returncode == 1
    assert skaprof(*timed, "--allow-missing", cwd=tmp_path).returncode == 0
    assert skaprof("check", "ska.macs < mhsa.macs", "--results", "costs.json", cwd=tmp_path).returncode == 0
    found = check(["ska.macs < mhsa.macs", "ska.median_ms < 1"], tmp_path / "costs.json")
    assert [row.failed for row in found] == [False, True]


def test_a_claim_is_taken_by_itself_and_a_file_has_one_source(skaprof: Run, tmp_path: Path) -> None:
    (tmp_path / "claims.toml").write_text('source = "us"\n[[claim]]\nclaim = "cska.macs > 1"\n[[claim]]\n' + HOLDS)
    options = ("claims.toml", "ska.macs > mhsa.macs", "--format", "json")
    done = skaprof("check", *options, cwd=tmp_path)
    rows = json.loads(done.stdout)["rows"]
    assert done.returncode == 1
    assert [(row["source"], row["outcome"]) for row in rows] == [("us", "holds"), ("s", "holds"), ("as given", "fails")]
    done = skaprof("check", "ska.mac < 1")
    assert (done.returncode, done.stderr.splitlines()[1:]) == (2, ["  ska.mac < 1", "      ^"])


def test_a_claim_about_what_training_keeps_hints_at_training(skaprof: Run) -> None:
    for sign in "<", "<=":
        told = skaprof("check", f"ska.saved_bytes {sign} mhsa.saved_bytes").stdout
        assert "saved_bytes is 0 in forward: expected mode=train after the @" in told
    assert "is 0 in forward" not in skaprof("check", "ska.saved_bytes < mhsa.saved_bytes @ mode=train").stdout


def test_the_table_tells_figures_sources_and_what_to_run(skaprof: Run, tmp_path: Path) -> None:
    sweep = 'name = "CSKA"\nclaim = "cska.macs < mhsa.macs @ tokens=1:100,dim=512"\nsource = "s"\n'
    tables = (HOLDS, FAILS, sweep + EXPECTED, UNTESTED.replace("@", "@ device=cuda,"), UNDECIDED)
    done = skaprof("check", write(tmp_path, *tables), "--results", str(RUN))
    assert done.returncode == 1
    require_golden("check", done.stdout)


def test_the_papers_claims_come_out_as_the_file_says(skaprof: Run) -> None:
    done = skaprof("check", str(PAPER), "--strict")
    assert (done.returncode, done.stderr) == (0, "")
    require_golden("paper_claims", done.stdout)
    assert done.stdout.count("fails (expected)") == 4


def test_the_parameters_published_for_ska_on_cifar_hold_with_the_ten_heads_of_the_authors_script() -> None:
    published = next(stated for stated in read_claims(str(PAPER)) if stated.source.endswith("SKA, 9.5 M"))
    assert "ska:heads=10:head_dim=64" in published.claim.text
    assert published.expected == judge(published.claim, Sources()).outcome == "holds"


@pytest.mark.parametrize("format", ["json", "csv", "markdown"])
def test_every_format_carries_the_outcomes(skaprof: Run, tmp_path: Path, format: str) -> None:
    done = skaprof("check", write(tmp_path, HOLDS, FAILS), "--format", format)
    assert done.returncode == 1
    if format == "markdown":
        assert (done.stderr, done.stdout.splitlines()[0][:30]) == ("", "- 2 claims: 1 holds, 1 fails; ")
        return
    assert done.stderr.startswith("skaprof: ska.macs > mhsa.macs fails: 58.20 M against 71.05 M; ratio 0.8192x")
    rows = (
        json.loads(done.stdout)["rows"]
        if format == "json"
        else list(csv.DictReader(io.StringIO(done.stdout, newline="")))
    )
    assert [row["outcome"] for row in rows] == ["holds", "fails"]
    assert [str(row["left"]) for row in rows] == ["58204160"] * 2


@pytest.mark.usefixtures("steady_clock")
def test_what_is_missing_names_the_command_that_measures_it(skaprof: Run, tmp_path: Path) -> None:
    claim = 'claim = "ska/sdpa.median_ms < mhsa.median_ms @ device=cpu,tokens=9,dim=16,batch=2"\nsource = "s"\n'
    path = write(tmp_path, claim)
    stated = read_claims(path)[0]
    command = measuring_command(Outcome(stated, judge(stated.claim, Sources())))
    assert command == (
        "skaprof latency --mixer ska --mixer mhsa --tokens 9 --dim 16 --batch 2 --implementation sdpa,eager "
        "--device cpu --output results.jsonl"
    )
    assert f"To measure it: {command}" in skaprof("check", path).stdout
    done = skaprof(*command.split()[1:], "--max-seconds", "1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(skaprof("check", path, "-r", str(tmp_path / "results.jsonl"), "-f", "json").stdout)["rows"]
    assert rows[0]["outcome"] != "not testable here"


BAD_FILES = [
    ("", "holds no claims: expected [[claim]] tables"),
    ("source = 5\n[[claim]]\nclaim = 'ska.macs < 1'", "source: '5' is not valid: expected text"),
    ("claim = 5", "holds no claims"),
    ("[[claims]]\nclaim = 'x'", "did you mean 'claim'"),
    ("[[claim]\n", "is no TOML: "),
    (b"\xff\xff", "expected UTF-8 text"),
    ("[[claim]]\nclaim = 'ska.macs < 1'", "line 1: the claim has no source"),
    ("[[claim]]\nsource = 's'", "line 1: the claim has no claim"),
    ("\n[[claim]]\nclaim = 5\nsource = 's'", "line 2: claim: '5' is not valid: expected text"),
    ("[[claim]]\nclaim = 'ska.macs < 1'\nsorce = 's'", "did you mean 'source'"),
    ("[[claim]]\nclaim = 'ska.macs < 1'\nsource = 's'\nexpect = 'fail'\nwhy='w'", "did you mean 'fails'"),
    ("[[claim]]\nclaim = 'ska.macs < 1'\nsource = 's'\nexpect = 'fails'", "has no why"),
    ("a = " + "[" * 5000, "is no TOML"),
]


@pytest.mark.parametrize(("text", "words"), BAD_FILES, ids=[words[:30] for _, words in BAD_FILES])
def test_a_file_that_holds_no_claims_is_refused(tmp_path: Path, text: str | bytes, words: str) -> None:
    path = tmp_path / "claims.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SkaprofError) as caught:
        read_claims(str(path))
    assert words in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '# first\n[[claim]]\nsource = "s"\nclaim = "ska.mac <= 5"\n',
            "claims.toml:4:14: figure: 'mac' is not valid: expected one of params, ",
        ),
        (
            f'[[claim]]\n{HOLDS}\n[[claim]]\nsource = "s"\n  claim = "ska.macs <= 5 @ tokns=4"',
            "claims.toml:7:28: size: 'tokns' is not valid",
        ),
        ('[[claim]]\nsource = "s"\nclaim = """\nska.macs <= skka.macs"""', "claims.toml:1:13: spec: 'skka'"),
        ('[[claim]]\nsource = "s"\nclaim = "skka.macs < 1"', "claims.toml:3:10: spec: 'skka' is not valid"),
    ],
)
def test_an_error_names_file_line_and_column_and_points(skaprof: Run, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "claims.toml").write_text(text)
    done = skaprof("check", "claims.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    first, line, caret = done.stderr.splitlines()
    assert first.startswith(f"skaprof: {message}")
    place = caret.index("^")
    assert line[place:].startswith(("mac ", "tokns", "skka"))


def test_the_window_around_a_far_place_still_points_at_it(skaprof: Run, tmp_path: Path) -> None:
    path = write(tmp_path, f'claim = "{"1 + " * 200}skka.macs < 1 + {" + ".join("1" * 200)}"\nsource = "s"')
    first, line, caret = skaprof("check", path).stderr.splitlines()
    assert ":2:810: spec: 'skka'" in first
    assert line[caret.index("^") :].startswith("skka")
    assert len(line) < 120


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere.toml",), "'nowhere.toml' cannot be read"),
        (("{claims}", "--results", "nowhere.json"), "--results: 'nowhere.json' cannot be read"),
        (("{claims}", "--results", "{claims}"), "--results: "),
        (("{claims}", "--format", "bmf"), "--format: 'bmf'"),
        (("{claims}", "--output", "x.xyz"), ".json, .csv"),
        ((), "Missing argument 'CLAIMS'"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(skaprof: Run, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    claims = write(tmp_path, HOLDS)
    done = skaprof("check", *(word.format(claims=claims) for word in arguments))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("format", ["table", "markdown"])
def test_hostile_words_in_a_file_stay_text(skaprof: Run, tmp_path: Path, format: str) -> None:
    hostile = r'"<b>|`\u001b[31m\n# x"'
    table = f'name = {hostile}\nclaim = "ska.macs > mhsa.macs"\nsource = {hostile}\nnote = {hostile}\n'
    done = skaprof("check", write(tmp_path, f'{table}expect = "fails"\nwhy = {hostile}\n'), "--format", format)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "\n# x" not in done.stdout
    if format == "markdown":
        assert "<b>" not in done.stdout
        assert "b|" not in done.stdout


def test_results_that_repeat_others_or_hold_no_measurement_are_told(skaprof: Run, tmp_path: Path) -> None:
    costs = tmp_path / "costs.json"
    skaprof("flops", "--output", str(costs))
    cut = tmp_path / "cut.jsonl"
    cut.write_text(RUN.read_text()[:-9])
    files = (word for path in (RUN, cut, costs) for word in ("--results", str(path)))
    done = skaprof("check", write(tmp_path, UNTESTED), *files)
    assert done.stderr.splitlines() == [
        f"skaprof: '{cut}': its last line, 7, was cut off and is left out",
        f"skaprof: '{cut}': 5 of its rows replace those of a file before it",
        f"skaprof: '{costs}' holds no measurements: expected results of skaprof latency",
    ]
