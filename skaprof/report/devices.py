"""A section of times whose rows are of several devices: what it says of each, one after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from skaprof.report.formats import escape_markdown
from skaprof.report.timing import Rendered
from skaprof.results import ResultRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Name = Callable[[str, str], str]
"""From a figure's name and its alt text to the markdown that shows it."""


def each_device(section: Callable[..., Rendered], rows: Sequence[ResultRow], *given: Name) -> Rendered:
    """The section of these rows, or of each device in turn where there are several: nothing is counted across them.

    Their figures are numbered. `given` is what names figures, where the section draws some.
    """
    devices = list(dict.fromkeys(str(row.device) for row in rows))
    if len(devices) < 2:
        return section(rows, *given)
    bodies, findings = [], []
    figures: dict[str, Callable[[], Figure]] = {}
    for number, device in enumerate(devices, start=1):
        names = [partial(_numbered, name, number, device) for name in given]
        body, said, drawn = section([row for row in rows if row.device == device], *names)
        bodies.append(f"### {escape_markdown(device)}\n\n{_below(body)}")
        findings += [f"{device}: {sentence}" for sentence in said]
        figures |= {f"{name}-{number}": draw for name, draw in drawn.items()}
    return "\n".join(bodies), findings, figures


def _numbered(named: Name, number: int, device: str, name: str, alt: str) -> str:
    return named(f"{name}-{number}", f"{device}: {alt}")


def _below(body: str) -> str:
    """The section with its headings a level lower."""
    return re.sub(r"^###", "####", body, flags=re.MULTILINE)
