"""The GitHub action's scripts, run by hand: in a repository of two commits, and against a stand-in for `gh`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

SCRIPTS = ROOT / ".github"
CONFIG = 'sections = ["sizes"]\nmixers = ["mhsa", "{mixer}"]\n[[sizes]]\ntokens = 49\ndim = 64\n'
pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("git") is None or shutil.which("bash") is None, reason="needs bash and git"
)


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose second commit puts CSKA in SKA's place, and the program on the path.

    The page takes a second and judges nothing: where $DRAWN is not set, it is an empty file.
    """
    explored = '[ "$1" = explore ] && [ -z "$DRAWN" ] && exec touch "$3"\n'
    program(tmp_path / "bin", "skaprof", f'#!/bin/sh\n{explored}exec "{sys.executable}" -m skaprof "$@"\n')
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "claims.toml").write_text('[[claim]]\nclaim = "ska.macs < mhsa.macs @ tokens=49,dim=64"\nsource = "us"\n')
    git(folder, "init", "-q")
    for mixer in ("ska", "cska"):
        (folder / "report.toml").write_text(CONFIG.format(mixer=mixer))
        git(folder, "add", ".")
        git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", mixer)
    return folder


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def run(repository: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """The action's script, as the action runs it; results in out/ beside the repository."""
    path = f"{repository.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    summary = {"GITHUB_STEP_SUMMARY": str(repository.parent / "summary.md")}
    environment = {**os.environ, "PATH": path, "CONFIG": "report.toml", **summary, **settings}
    script = ["bash", str(SCRIPTS / "report.sh"), str(repository.parent / "out")]
    return subprocess.run(script, cwd=repository, env=environment, capture_output=True, text=True, check=False)


def scratch(repository: Path) -> dict[str, str]:
    """The setting that has what is temporary made in a folder of its own, for a test to look into."""
    folder = repository.parent / "scratch"
    folder.mkdir(exist_ok=True)
    return {"TMPDIR": str(folder)}


def out(repository: Path, name: str) -> str:
    return (repository.parent / "out" / name).read_text()


def test_it_draws_the_report_checks_claims_and_writes_comment_and_summary(repository: Path) -> None:
    done = run(repository, CLAIMS="claims.toml", DRAWN="all")
    assert done.returncode == 0, done.stderr
    assert out(repository, "explorer.html").startswith("<!doctype html>")
    comment = out(repository, "comment.md")
    assert comment.startswith("## skaprof: passed\n\n- 1 claim: 1 holds; none against what the file expects.\n")
    assert "# What token mixers cost" in folded(comment)
    assert (repository.parent / "summary.md").read_text() == comment
    assert (repository.parent / "out" / "report" / "report.md").is_file()


def test_it_compares_with_the_base_commit_drawn_anew_or_with_its_committed_results(repository: Path) -> None:
    base = git(repository, "rev-parse", "HEAD~1")
    done = run(repository, BASE=base, **scratch(repository))
    assert done.returncode == 0, done.stderr
    assert "ska" in out(repository, "compare.md")
    assert git(repository, "worktree", "list").count("\n") == 0
    assert list((repository.parent / "scratch").iterdir()) == []
    made = {path.name for path in (repository.parent / "out").iterdir()}
    assert made == {"report", "explorer.html", "compare.md", "comment.md"}
    done = run(repository, BASE=base, FAIL_ON="missing\nadded")
    assert done.returncode == 1, done.stderr
    assert "## skaprof: failed" in out(repository, "comment.md")
    shutil.copy(repository.parent / "out" / "report" / "results.json", repository / "results.json")
    git(repository, "add", ".")
    git(repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "results")
    done = run(
        repository, BASE=git(repository, "rev-parse", "HEAD"), BASELINE="results.json", FAIL_ON="macs>0%\nmissing"
    )
    assert done.returncode == 0, done.stderr
    assert "nothing changed" in out(repository, "compare.md")


def test_a_broken_claim_fails_it_once_all_is_written(repository: Path) -> None:
    (repository / "claims.toml").write_text('[[claim]]\nclaim = "ska.macs > mhsa.macs"\nsource = "nobody"\n')
    done = run(repository, CLAIMS="claims.toml")
    assert done.returncode == 1, done.stderr
    assert "\n- ska.macs > mhsa.macs fails: " in seen(repository)


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"FAIL_ON": "macs>0%"}, 1, "2 rows without a partner in the second file: ska (eager), 49 tokens, dim 64; ska"),
        ({"FAIL_ON": "macs>0%", "ALLOW_MISSING": "true"}, 0, "## skaprof: passed"),
        ({"FAIL_ON": "macs>0%", "CONFIG": "new.toml"}, 0, "The base commit has no report to compare with."),
        ({"FAIL_ON": "macs>0%", "BASE": ""}, 0, "No base commit to compare with: fail-on was not judged."),
        ({"FAIL_ON": "mac>0%"}, 2, "    skaprof: --fail-on: 'mac' is not valid"),
        ({"FAIL_ON": "macs>0%", "BASE": "0123456789" * 4}, 2, "The comparison with the base commit could not be done"),
        ({"CONFIG": "nowhere.toml"}, 2, "    skaprof: --config: 'nowhere.toml' cannot be read"),
    ],
)
def test_what_is_gone_fails_and_what_cannot_be_judged_exits_2_and_is_in_the_comment(
    repository: Path, settings: dict[str, str], code: int, words: str
) -> None:
    (repository / "new.toml").write_text(CONFIG.format(mixer="ska"))
    done = run(repository, **({"BASE": git(repository, "rev-parse", "HEAD~1")} | settings), **scratch(repository))
    assert done.returncode == code, done.stderr
    assert words in seen(repository)
    assert str(repository.parent) not in out(repository, "comment.md")
    assert list((repository.parent / "scratch").iterdir()) == []


def seen(repository: Path) -> str:
    """What the comment shows before anything is unfolded: 20 lines at most."""
    comment = out(repository, "comment.md")
    assert comment.count("<details>") == comment.count("</details>") == 1
    shown = comment.partition("<details>")[0]
    assert shown.count("\n") < 20
    return shown


def folded(comment: str) -> str:
    return comment.partition("<details>")[2]


def test_the_comment_shows_the_largest_changes_and_no_more_than_20_lines(repository: Path) -> None:
    sizes = "".join(f"[[sizes]]\ntokens = {tokens}\ndim = 64\n" for tokens in range(1, 40))
    (repository / "report.toml").write_text(CONFIG.format(mixer="ska") + sizes)
    assert run(repository).returncode == 0
    report = json.loads(out(repository, "report/results.json"))
    for row in report["rows"]:
        row["params"] -= row["mixer"] == "ska"
    (repository / "base.json").write_text(json.dumps(report))
    git(repository, "add", ".")
    git(repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "base")
    done = run(
        repository, BASE=git(repository, "rev-parse", "HEAD"), BASELINE="base.json", FAIL_ON="params>0%\nmacs>0%"
    )
    assert done.returncode == 1, done.stderr
    shown = seen(repository)
    assert "- --fail-on params&gt;0%: failed 80 times" in shown
    rows = [line for line in shown.splitlines() if line.startswith("| ")]
    assert rows[0].endswith("| figure | old | new | change |  |")
    assert len(rows) == 9
    assert all(" params " in line and "more, FAILED" in line for line in rows[1:])
    assert out(repository, "compare.md").count("\n| ") == 81


@pytest.mark.parametrize(("limit", "kept"), [(1000, 20), (150, 4)])
def test_what_is_too_long_is_cut_after_a_line_and_says_so(limit: int, kept: int) -> None:
    text = "".join(f"line number {number:06}\n" for number in range(20))
    cut = [sys.executable, str(SCRIPTS / "cut.py"), str(limit)]
    done = subprocess.run(cut, input=text, capture_output=True, text=True, check=True)
    assert len(done.stdout.encode()) <= limit
    assert done.stdout.count("line number") == kept
    assert ("cut here" in done.stdout) == (kept < 20)


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_ended_in_the_middle_it_leaves_nothing(repository: Path, end: signal.Signals) -> None:
    real = (repository.parent / "bin" / "skaprof").read_text()
    killing = f'#!/bin/sh\n[ -e report.toml ] && case "$PWD" in */tree) kill -{int(end)} "$PARENT";; esac\n'
    program(repository.parent / "bin", "skaprof", killing + real.removeprefix("#!/bin/sh\n"))
    (repository.parent / "start").write_text("export PARENT=$$\n")
    done = run(
        repository,
        BASE=git(repository, "rev-parse", "HEAD~1"),
        BASH_ENV=str(repository.parent / "start"),
        **scratch(repository),
    )
    assert done.returncode == 128 + end
    assert git(repository, "worktree", "list").count("\n") == 0
    assert list((repository.parent / "scratch").iterdir()) == []


OURS, THEIRS = "github-actions[bot]", "somebody"


def comments(tmp_path: Path, text: str, *found: tuple[int, str, str]) -> tuple[str, str]:
    """What comment.sh asked of `gh` to write, and the comment's text; `found` are (number, author, text) there are."""
    there = [{"id": number, "user": {"login": author}, "body": body} for number, author, body in found]
    (tmp_path / "there.json").write_text(json.dumps(there))
    log, body = tmp_path / "log", tmp_path / "body"
    jq = "import json, sys\nfor c in json.load(open(sys.argv[1])):\n"
    jq += "    if c['user']['login'] == sys.argv[2] and c['body'].startswith(sys.argv[3]): print(c['id'])\n"
    program(tmp_path / "bin", "select.py", jq)
    select = f'"{sys.executable}" "{tmp_path}/bin/select.py" "{tmp_path}/there.json" "$AUTHOR" "$MARK"'
    write = f'echo "$@" >>"{log}"; cat >"{body}"'
    asked = "*'.user.login == env.AUTHOR and (.body | startswith(env.MARK))'*"
    program(tmp_path / "bin", "gh", f'#!/bin/sh\ncase "$*" in {asked}) {select};; *) {write};; esac\n')
    page = tmp_path / "comment.md"
    page.write_text(text)
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    script = ["bash", str(SCRIPTS / "comment.sh"), str(page), "a/b", "3"]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return log.read_text(), body.read_text()


def test_there_is_one_comment_and_it_is_updated(tmp_path: Path) -> None:
    asked, body = comments(tmp_path, "text\n", (17, OURS, "<!-- skaprof -->\nold"))
    assert "PATCH repos/a/b/issues/comments/17" in asked
    assert body == "<!-- skaprof -->\ntext\n"


@pytest.mark.parametrize(
    "found",
    [(), ((17, THEIRS, "<!-- skaprof -->\nmine"),), ((17, OURS, "another tool's"),)],
    ids=["none", "author", "mark"],
)
def test_a_comment_of_others_is_left_alone(tmp_path: Path, found: tuple[tuple[int, str, str], ...]) -> None:
    asked, _ = comments(tmp_path, "text\n", *found)
    assert "POST repos/a/b/issues/3/comments" in asked
    assert "PATCH" not in asked


@pytest.mark.parametrize(
    "text",
    [
        "@octocat",
        "\\@octocat",
        "see #12",
        "a/b#12",
        "GH-12",
        "https://github.com/a/b/issues/12",
        "/pull/3",
        "/discussions/4",
    ],
)
def test_a_title_calls_nobody(tmp_path: Path, text: str) -> None:
    _, body = comments(tmp_path, f"# {text}\n")
    assert not re.search(r"@\w|#\d|GH-\d|/(issues|pull|discussions)/\d", body)
    assert body.replace("\u200b", "") == f"<!-- skaprof -->\n# {text}\n"


@pytest.mark.parametrize("text", ["&#64;octocat", "&#x040;octocat", "&commat;octocat", "&#35;12", "&NUM;12"])
def test_nor_does_it_by_entities(tmp_path: Path, text: str) -> None:
    _, body = comments(tmp_path, f"{text} &lt; &#124;\n")
    assert body.replace("\u200b", "") == f"<!-- skaprof -->\n&amp;{text[1:]} &lt; &#124;\n"


def test_a_claim_and_a_heading_stay_as_they_are(tmp_path: Path) -> None:
    text = "# ska.macs < mhsa.macs @ tokens=49\n"
    assert comments(tmp_path, text)[1] == f"<!-- skaprof -->\n{text}"


def test_a_link_is_no_comment(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "comment.md").symlink_to(tmp_path / "secret")
    script = ["bash", str(SCRIPTS / "comment.sh"), str(tmp_path / "comment.md"), "a/b", "3"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert (done.returncode, "expected the comment.md" in done.stderr) == (2, True)


ACTION, COMMENT = ROOT / "action.yml", SCRIPTS / "actions" / "comment" / "action.yml"
WORKFLOWS = sorted((SCRIPTS / "workflows").glob("*.yml"))


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = import_module("yaml").safe_load(path.read_text())
    return found


def steps_of(path: Path) -> list[dict[str, Any]]:
    """All steps of a workflow or an action."""
    parts = read(path).get("jobs", {}).values() or [read(path)["runs"]]
    return [step for part in parts for step in part["steps"]]


@pytest.mark.parametrize("path", [ACTION, COMMENT, *WORKFLOWS], ids=lambda path: str(path.relative_to(ROOT)))
def test_actions_of_others_are_named_by_commit_and_get_no_credentials_to_keep(path: Path) -> None:
    for step in steps_of(path):
        used = step.get("uses", "./")
        assert used.startswith("./") or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", used), used
        if used.startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_one_job_may_write_and_it_runs_nothing_of_the_pull_request() -> None:
    for path in WORKFLOWS:
        workflow = read(path)
        assert workflow["permissions"] == {"contents": "read"}
        for name, job in workflow["jobs"].items():
            writes = "write" in job.get("permissions", {}).values()
            assert writes == (path.stem == "report" and name == "comment")
    job = read(SCRIPTS / "workflows" / "report.yml")["jobs"]["comment"]
    checkout, comment = job["steps"]
    assert checkout["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    assert comment == {"uses": "./.github/actions/comment"}
    is_no_fork = "github.event.pull_request.head.repo.full_name == github.repository"
    assert is_no_fork in job["if"]
    assert is_no_fork in steps_of(COMMENT)[0]["if"]
    assert "GH_TOKEN" not in ACTION.read_text()
