"""The examples of README.md, CONTRIBUTING.md and docs/ run, and print what is shown.

SKAPROF_WRITE_GOLDEN=1 pytest tests/test_readme.py writes what each command prints now into the pages.
"""

from __future__ import annotations

import csv
import difflib
import doctest
import json
import os
import re
import shlex
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from conftest import ROOT, TINY_BACKBONE, Run
from PIL import Image

import skaprof
from skaprof import warm_python
from skaprof.bench import calibrate as calibrating
from skaprof.model.hardware import KINDS, Rate
from skaprof.report.numbers import si, signed
from skaprof.subprocesses import Ended, run_python

DOCS = ROOT / "docs"
REFERENCE = DOCS / "commands.md"
"""Generated, and held to the program by tests/test_scripts.py."""
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted(set(DOCS.glob("*.md")) - {REFERENCE})]
WRITE = bool(os.environ.get("SKAPROF_WRITE_GOLDEN"))

BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^\$ (?P<command>.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)
FILE = re.compile(r"# (?P<name>[\w-]+\.(?:toml|py))\n")
NOT_RUN = {"CUDA_VISIBLE_DEVICES=0", "SKAPROF_THOROUGH=1", "SKAPROF_WRITE_GOLDEN=1"}
NOT_RUN |= {"bash", "cd", "dask", "git", "mypy", "pip", "pre-commit", "pytest", "python", "python3", "ruff", "source"}
"""What sets up an environment or works on a checkout: .ci/run and the workflows run these."""

TINY = "tiny.toml"
SMALL = {"--tokens": "16", "--dim": "32", "--resolution": "32", "--batch": "1", "--implementation": "eager,sdpa"}
TINY_IMAGES = "tiny.npz"
TRAINED = {"--data": TINY_IMAGES, "--train-images": "8", "--seeds": "2"}
SMALL |= {"--runtime": "pytorch"}  # what else may not be installed; tests/test_runtimes_here.py has it
SHORT = "short.toml"
SHORT_REPORT = "sections = ['sizes', 'latency']\n[[sizes]]\ntokens = '16'\ndim = 32\n[latency]\nmax_seconds = 1\n"
SAVED = ROOT / "tests" / "data" / "runs-forward.jsonl"
CALIBRATED = calibrating.Calibration([Rate(kind, "float32", 1e8, 5e11) for kind in KINDS], 1e11, 1e-5, frozenset())


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str
    body: str


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    for match in BLOCK.finditer(page.read_text()):
        if not languages or match["language"] in languages:
            yield Block(match["language"], match["body"])


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=map(name_of, PAGES))


def shortened(command: str, *arguments: str) -> list[str]:
    """The same command at a size that takes a second, where it measures: that it runs is tested, not its figure."""
    if "--cluster" in arguments:  # which needs Dask: tests/test_cluster.py has it
        at = arguments.index("--cluster")
        arguments = arguments[:at] + arguments[at + 2 :]
    if command == "latency":
        sizes = SMALL | ({"--tokens": "9,16,25,36"} if "--shard" in arguments else {})
        values = [sizes.get(option, value) for option, value in zip(("", *arguments), arguments, strict=False)]
        tiny = [re.sub(r"^caformer_s18", TINY, value) for value in values]
        forms = ["--implementation", "eager"] if "--model" in arguments else []
        return [command, *tiny, *forms, "--max-seconds", "0.1"]
    if command == "report" and "--config" in arguments:
        arguments = *arguments, "--analytic-only"
    elif command == "report" and not {"--analytic-only", "--from"} & set(arguments):
        at = arguments.index("--max-seconds") if "--max-seconds" in arguments else len(arguments)
        return [command, *arguments[:at], *arguments[at + 2 :], "--config", SHORT]
    if command in {"roofline", "explain", "explore"} and "--results" in arguments:
        at = arguments.index("--results") + 1  # shortened runs have too few rounds to predict against
        return [command, *arguments[:at], str(SAVED), *arguments[at + 1 :]]
    if command == "attention":
        return [command, TINY, "--resolution", "64", *arguments[arguments.index("--image") :], "--force"]
    if command == "accuracy" and "--model" in arguments:
        values = [TRAINED.get(option, value) for option, value in zip(("", *arguments), arguments, strict=False)]
        return [command, *values, "--epochs", "1", "--learning-rate", "0.01"]
    if command == "export":  # likewise
        arguments = ("--help",)
    endings = {"calibrate": ("--budget", "0"), "audit": ("--counter", "torch", "--spelling", "@")}
    return [command, *arguments, *endings.get(command, ())]


@cache
def asked(call: str) -> Ended:
    """What a process of its own says to a call."""
    return run_python(*json.loads(call))


@pytest.fixture
def run(skaprof_here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `skaprof ARGUMENTS...` here, in a folder of its own and 120 columns; calibrations find `CALIBRATED`, and a
    counter that was asked the same before is not asked again.
    """
    monkeypatch.setattr(warm_python, "run_python", lambda *call: asked(json.dumps(call)))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(calibrating, "calibrate", lambda *arguments, **settings: CALIBRATED)
    (tmp_path / "claims").symlink_to(ROOT / "claims")
    (tmp_path / TINY).write_text(TINY_BACKBONE)
    (tmp_path / SHORT).write_text(SHORT_REPORT)
    images, labels = np.zeros((16, 8, 8), np.uint8), np.arange(16) % 2
    arrays = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    np.savez(tmp_path / TINY_IMAGES, **arrays)
    for name in ("cat.png", "dog.png"):
        Image.new("RGB", (48, 32), "#7f4010").save(tmp_path / name)
    return partial(skaprof_here, cwd=tmp_path)


def wrong_in_console(run: Run, page: Path, block: Block) -> Iterator[str]:
    """Where a command fails or prints something else than the page shows below it."""
    for command, shown in COMMAND.findall(block.body):
        program, *arguments = shlex.split(command)
        assert program == "skaprof"
        done = run(*arguments)
        printed = done.stdout + done.stderr
        if WRITE:
            page.write_text(page.read_text().replace(f"$ {command}\n{shown}", f"$ {command}\n{printed}", 1))
        elif printed != shown:
            yield f"$ {command}\n" + "\n".join(difflib.unified_diff(shown.split("\n"), printed.split("\n")))
        if done.returncode:
            yield f"$ {command}\nexits {done.returncode}"


def wrong_in_shell(run: Run, commands: str) -> Iterator[str]:
    """Which commands, whose output is not shown, fail."""
    for command in re.split(r"\n|&&", commands):
        program, *arguments = shlex.split(command, comments=True) or [""]
        if program == "skaprof":
            done = run(*shortened(*arguments))
            if done.returncode:
                yield f"{command}\nexits {done.returncode}: {done.stderr}"
        elif program and program not in NOT_RUN:
            yield f"{command}\nis no command that this test knows"


def wrong_in_tables(run: Run, page: Path) -> Iterator[str]:
    """Which commands that are a cell of a table fail."""
    for command in re.findall(r"\| `(skaprof [^`]+)` \|", page.read_text()):
        yield from wrong_in_shell(run, command)


def wrong_files(folder: Path, block: Block) -> Iterator[str]:
    """Write the file that a block begins with the name of, for the commands below it."""
    named = FILE.match(block.body)
    if named is None:
        yield f"a block of {block.language} does not begin with a comment that names its file:\n{block.body}"
    else:
        (folder / named["name"]).write_text(block.body)


def answer() -> str:
    """The rows of SKA in stage 3 of CAFormer-S18: counts from closed forms, times as reports/cpu has them."""
    forward, train = (
        [skaprof.model_cost(spec, depth="total", mode=mode)[0] for spec in ("caformer_s18", "caformer_s18[stage3=ska]")]
        for mode in ("forward", "train")
    )
    counts = (
        ("parameters", "", [row.params for row in forward]),
        ("MACs", "", [row.macs for row in forward]),
        ("weights", "B", [row.weight_bytes for row in forward]),
        ("activations moved", "B", [row.traffic_bytes for row in forward]),
        ("most activations held at once", "B", [row.peak_bytes or 0 for row in forward]),
        ("kept for the backward pass, in training", "B", [row.saved_bytes for row in train]),
    )
    lines = []
    for name, unit, (before, after) in counts:
        change = f"{signed(after - before, unit)} ({(after - before) / before:+.2%})".replace("%", " %")
        lines.append(f"| {name} | {si(before, unit)} | {si(after, unit)} | {change if after != before else 'none'} |\n")
    for name, form in (("eager", "eager"), ("fused", "sdpa")):
        mhsa, ska = (reported("latency.csv", mixer, form) for mixer in ("mhsa", "ska"))
        medians = " | ".join(f"{float(row['median_ms']):.3f} ms" for row in (mhsa, ska))
        low, ratio, high = (float(ska[key]) for key in ("ratio_low", "ratio", "ratio_high"))
        assert ska["baseline"] == f"mhsa ({form})"
        lines.append(
            f"| one mixer, {name} | {medians} | {ratio:.3f}x {name} MHSA [{low:.3f}, {high:.3f}]: {ska['verdict']} |\n"
        )
    return "".join(lines)


def reported(file: str, mixer: str, form: str) -> dict[str, str]:
    """The row of a mixer at 14 x 14 tokens of 320 channels in reports/cpu, forward, float32, batch 1."""
    with (ROOT / "reports" / "cpu" / file).open() as lines:
        rows = list(csv.DictReader(lines))
    wanted = {"mixer": mixer, "implementation": form, "mode": "forward", "dtype": "float32"}
    wanted |= {"tokens": "196", "dim": "320", "batch": "1"}
    (row,) = (row for row in rows if wanted.items() <= row.items())
    return row


def wrong_answer() -> Iterator[str]:
    """Whether README's table of SKA in stage 3 of CAFormer-S18 is what the program and reports/cpu say."""
    shown = re.search(r"\| parameters \|(?:.*\n)+?(?=\| whole network)", README.read_text())
    assert shown is not None
    if WRITE:
        README.write_text(README.read_text().replace(shown[0], answer(), 1))
    elif shown[0] != answer():
        yield f"README's answer is\n{answer()}"


@every_page
def test_a_pages_examples_run_and_print_what_it_shows(run: Run, tmp_path: Path, page: Path) -> None:
    """From its top to its end in one folder, so that a command can use the files of those above it."""
    wrong: list[str] = []
    for block in list(blocks(page)):
        match block.language:
            case "console":
                wrong += wrong_in_console(run, page, block)
            case "sh":
                wrong += wrong_in_shell(run, block.body)
            case "toml" | "python":
                wrong += wrong_files(tmp_path, block)
            case language:
                assert language in {"pycon", "text", "yaml", "toctree", "bash"}, f"no test reads a block of {language}"
    wrong += wrong_in_tables(run, page)
    if page == README:
        wrong += wrong_answer()
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("page", [page for page in PAGES if any(blocks(page, "pycon"))], ids=name_of)
def test_the_python_examples_run_and_print_what_they_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    results = doctest.testfile(str(page), module_relative=False, optionflags=options)
    assert results.failed == 0
    assert results.attempted


def test_there_are_examples_of_every_kind() -> None:
    found = [block.language for page in PAGES for block in blocks(page)]
    assert found.count("console") >= 12
    assert {"sh", "pycon", "toml", "python", "yaml"} <= set(found)


def test_the_committed_figure_4_is_what_the_command_draws(run: Run, tmp_path: Path) -> None:
    """Its numbers, that is: fonts and library versions may move a pixel."""
    from skaprof.analysis.paper_figures import figure_4_panels

    for _, _, rows in figure_4_panels():
        assert all(row.flops == 2 * row.macs for row in rows)
    drawn = tmp_path / "figure4.svg"
    assert run("figure", "4", "--output", str(drawn)).returncode == 0
    assert drawn.read_bytes() == (ROOT / "reports" / "paper" / "figure4.svg").read_bytes()
