#!/usr/bin/env bash
# Versions: rich 15.0.0.
# Behaviour: print() of rich drops "[heads=8]" from a string as markup, but keeps "[14x14]"; it turns ":key:" and ":100:"
#   into emoji; and where its output is no terminal, a table is cut to 80 columns, digits of a count included.
# Good guess that fails: a string is printed as it is, square brackets at worst raise, and a table sent to a file is
#   whole. A log then names another configuration than the one that ran, and holds the first digits of a count.
# Source: rich's documentation of console markup and emoji codes; the width of 80 and the cut digits: observed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile rich==15.0.0
env -u COLUMNS -u FORCE_COLOR -u TTY_COMPATIBLE venv/bin/python - <<'PY'
import io
from importlib.metadata import version

from rich.console import Console
from rich.table import Table


def shown(thing: object) -> str:
    file = io.StringIO()
    Console(file=file).print(thing)
    return file.getvalue().rstrip("\n")


print("rich", version("rich"))
seen = {text: shown(text) for text in ("ska[heads=8]", "ska[14x14]", "q:key:v", "top:100:k")}
for text, output in seen.items():
    print(f"{text!r} is shown as {output!r}")
assert seen["ska[heads=8]"] == "ska" and seen["ska[14x14]"] == "ska[14x14]"
assert seen["q:key:v"] == "q\N{KEY}v" and seen["top:100:k"] == "top\N{HUNDRED POINTS SYMBOL}k"
table = Table(*(f"column {index}" for index in range(8)))
table.add_row(*["136314880123"] * 8)
print(shown(table))
assert "136314880123" not in shown(table) and "1363" in shown(table), "the digits are whole now"
assert {len(line) for line in shown(table).splitlines()} == {80}
PY
