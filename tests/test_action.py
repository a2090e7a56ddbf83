"""The GitHub action's scripts, run by hand: in a repository of two commits, and against a stand-in for `gh`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

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
    """A repository whose second commit puts CSKA in SKA's place, and the program on the path."""
    program(tmp_path / "bin", "skaprof", f'#!/bin/sh\nexec "{sys.executable}" -m skaprof "$@"\n')
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


def out(repository: Path, name: str) -> str:
    return (repository.parent / "out" / name).read_text()


def test_it_draws_the_report_checks_claims_and_writes_comment_and_summary(repository: Path) -> None:
    done = run(repository, CLAIMS="claims.toml")
    assert done.returncode == 0, done.stderr
    comment = out(repository, "comment.md")
    assert comment.startswith("<!-- skaprof -->\n## skaprof claims\n")
    assert "# What token mixers cost" in comment
    assert (repository.parent / "summary.md").read_text() == comment
    assert (repository.parent / "out" / "report" / "report.md").is_file()


def test_it_compares_with_the_base_commit_drawn_anew_or_with_its_committed_results(repository: Path) -> None:
    base = git(repository, "rev-parse", "HEAD~1")
    done = run(repository, BASE=base)
    assert done.returncode == 0, done.stderr
    assert "ska" in out(repository, "compare.md")
    assert git(repository, "worktree", "list").count("\n") == 0
    done = run(repository, BASE=base, FAIL_ON="missing\nadded")
    assert done.returncode == 1, done.stderr
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
    assert "fails" in out(repository, "comment.md")


@pytest.mark.parametrize(("limit", "kept"), [(1000, 20), (150, 4)])
def test_what_is_too_long_is_cut_after_a_line_and_says_so(limit: int, kept: int) -> None:
    text = "".join(f"line number {number:06}\n" for number in range(20))
    cut = [sys.executable, str(SCRIPTS / "cut.py"), str(limit)]
    done = subprocess.run(cut, input=text, capture_output=True, text=True, check=True)
    assert len(done.stdout.encode()) <= limit
    assert done.stdout.count("line number") == kept
    assert ("cut here" in done.stdout) == (kept < 20)


@pytest.mark.parametrize(("found", "method"), [("17\n", "PATCH repos/a/b/issues/comments/17"), ("", "POST")])
def test_there_is_one_comment_and_it_is_updated(tmp_path: Path, found: str, method: str) -> None:
    log = tmp_path / "log"
    answer = f'case "$*" in *--paginate*) printf "{found.strip()}";; esac'
    program(tmp_path / "bin", "gh", f'#!/bin/sh\necho "$@" >>"{log}"\n{answer}\n')
    page = tmp_path / "comment.md"
    page.write_text("<!-- skaprof -->\ntext\n")
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    script = ["bash", str(SCRIPTS / "comment.sh"), str(page), "a/b", "3"]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert method in log.read_text()
    assert f"body=@{page}" in log.read_text()
