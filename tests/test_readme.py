"""The README is true: its commands print what it shows, its Python runs, its options and links exist."""

from __future__ import annotations

import doctest
import os
import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT, Run

from skaprof.cli.app import COMMANDS

README = ROOT / "README.md"
BLOCK = re.compile(r"```console\n(?P<body>.*?)```", re.DOTALL)
COMMAND = re.compile(r"^\$ (?P<command>.*)\n(?P<output>(?:(?!\$ ).*\n)*)", re.MULTILINE)


def examples() -> list[tuple[str, str]]:
    """(command, output shown) of every `$ skaprof ...` in a console block."""
    text = "".join(match["body"] for match in BLOCK.finditer(README.read_text()))
    return [(match["command"], match["output"]) for match in COMMAND.finditer(text) if match["command"] != "..."]


def test_there_are_examples() -> None:
    assert len(examples()) >= 6


@pytest.mark.parametrize(("command", "shown"), examples(), ids=[command[:50] for command, _ in examples()])
def test_a_command_prints_what_the_readme_shows(skaprof: Run, tmp_path: Path, command: str, shown: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == "skaprof"
    done = skaprof(*arguments, cwd=tmp_path, env={**os.environ, "COLUMNS": "120", "PYTHONPATH": str(ROOT)})
    printed = done.stdout + done.stderr
    if os.environ.get("SKAPROF_WRITE_GOLDEN"):
        README.write_text(README.read_text().replace(f"$ {command}\n{shown}", f"$ {command}\n{printed}", 1))
    else:
        assert printed == shown
    assert done.returncode == 0


def test_the_python_examples_run_and_print_what_they_show() -> None:
    results = doctest.testfile(
        str(README), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert results.failed == 0
    assert results.attempted >= 6


def test_every_option_is_in_its_commands_help(skaprof: Run) -> None:
    named = set(re.findall(r"`(--[a-z-]+)", README.read_text()))
    helps = "".join(skaprof(name, "--help").stdout for name in COMMANDS) + skaprof("--help").stdout
    assert named
    assert [option for option in sorted(named) if option not in helps] == []


def test_every_relative_link_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)]+)\)", README.read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_committed_figure_4_is_what_the_command_draws(skaprof: Run, tmp_path: Path) -> None:
    """Its numbers, that is: fonts and library versions may move a pixel."""
    from skaprof.analysis.paper_figures import figure_4_panels

    for _, _, rows in figure_4_panels():
        assert all(row.flops == 2 * row.macs for row in rows)
    drawn = tmp_path / "figure4.svg"
    assert skaprof("figure", "4", "--output", str(drawn)).returncode == 0
    assert drawn.read_bytes() == (ROOT / "reports" / "paper" / "figure4.svg").read_bytes()
