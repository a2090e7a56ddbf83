"""What README.md, CONTRIBUTING.md and docs/ name exists: options, links, pages, figures, the action's inputs, hooks."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

from conftest import ROOT
from test_readme import DOCS, PAGES, README, REFERENCE, blocks, every_page

import skaprof
from skaprof.answers import AuditRow
from skaprof.cli.show import Page, page_text
from skaprof.counters import COUNTERS
from skaprof.report.audit import audit_table, convention_sentences
from skaprof.report.table import caption


@every_page
def test_every_option_is_in_the_command_reference(page: Path) -> None:
    known = set(re.findall(r"--[a-z0-9-]+", REFERENCE.read_text()))
    named = set(
        re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", " ".join(re.findall(r"`skaprof[^`]+`|`-[^`]+`", page.read_text())))
    )
    assert named <= known


@every_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if heading:
            assert heading in headings(target), link


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MyST make them."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= 12 * 1024


def test_the_index_lists_every_page() -> None:
    index = (DOCS / "index.md").read_text()
    assert [page.name for page in DOCS.glob("*.md") if page.stem != "index" and f"({page.name})" not in index] == []
    toctree = index.partition("```{toctree}")[2].split()
    assert {page.stem for page in DOCS.glob("*.md")} - {"index"} <= set(toctree)


def test_the_action_has_the_inputs_that_the_docs_give_it() -> None:
    """Read by their indentation, without a parser of YAML."""
    inputs = (ROOT / "action.yml").read_text().partition("\ninputs:\n")[2].partition("\noutputs:\n")[0]
    (block,) = (block for page in PAGES for block in blocks(page, "yaml") if "uses: OWNER/skaprof" in block.body)
    given = re.findall(r"^    (\S+):", block.body.partition("  with:\n")[2], re.MULTILINE)
    assert given
    assert set(given) <= set(re.findall(r"^  (\S+):", inputs, re.MULTILINE))


def test_the_audit_shown_is_the_one_reported() -> None:
    """Its table and what explains it, as the program says them of the rows in reports/cpu/results.json."""
    rows = json.loads((ROOT / "reports" / "cpu" / "results.json").read_text())["rows"]
    counted = [AuditRow.read(row) for row in rows if row["section"] == "audit" and row["mixer"] is not None]
    table = "".join(page_text(Page(audit_table(counted), caption(counted)), to_terminal=False))
    explained = "".join(f"{sentence}\n" for sentence in convention_sentences(counted))
    page = DOCS / "audit.md"
    shown = list(blocks(page, "text"))
    for block, expected in zip(shown, (table, explained), strict=True):
        if os.environ.get("SKAPROF_WRITE_GOLDEN"):
            page.write_text(page.read_text().replace(block.body, expected, 1))
        else:
            assert block.body == expected


def test_every_counter_has_a_paragraph() -> None:
    """By its name, and with the version that reports/cpu has of it."""
    rows = json.loads((ROOT / "reports" / "cpu" / "results.json").read_text())["rows"]
    versions = {row["counter"]: row["counter_version"] for row in rows if row["section"] == "audit"}
    page = (DOCS / "counters.md").read_text()
    paragraphs = dict(re.findall(r"^\*\*([\w-]+)\*\* \((.*?)\)", page, re.MULTILINE))
    assert list(paragraphs) == list(COUNTERS)
    for name, head in paragraphs.items():
        assert any(part in versions[name].replace("-", ".post") for part in re.findall(r"\d[\w.]+", head)), name


def test_the_citation_names_this_version_and_licence() -> None:
    citation = (ROOT / "CITATION.cff").read_text()
    licence = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]
    assert f"\nversion: {skaprof.__version__}\n" in citation
    assert f"\nlicense: {licence}\n" in citation


def test_the_hooks_run_what_ci_runs_first() -> None:
    """The same three checks; the hooks format, where CI only looks."""
    first = re.findall(r"^(?:ruff.*|mypy\b)", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    hooks = re.findall(r"entry: (.*)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert hooks == [check.replace(" --check", "") for check in first]
