"""Sphinx: `pip install ".[docs]" && sphinx-build -W docs site`."""

from skaprof._version import __version__

project = "skaprof"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = f"skaprof {release}"
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_member_order = "bysource"
suppress_warnings = ["myst.xref_missing"]  # pages link to files of the repository
