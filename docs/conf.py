"""Sphinx: `pip install ".[docs]" && sphinx-build -W docs site`."""

from pathlib import Path
from tempfile import mkdtemp

from skaprof._version import __version__
from skaprof.analysis.explorer import ExplorerRequest, explorer_data
from skaprof.report.explorer import explorer_page

project = "skaprof"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"skaprof {release}"
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_member_order = "bysource"
suppress_warnings = ["myst.xref_missing"]  # pages link to files of the repository

_made = Path(mkdtemp())  # beside the pages: explorer.html, which docs/explorer.md links
(_made / "explorer.html").write_text(explorer_page(explorer_data(ExplorerRequest())), encoding="utf-8")
html_extra_path = [str(_made)]
