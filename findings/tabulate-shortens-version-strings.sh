#!/usr/bin/env bash
# Versions: tabulate 0.10.0, pandas 3.1.1.
# Behaviour: a column of strings that all look like numbers is printed as numbers: the string "2.10" becomes 2.1 and
#   "1e5" becomes 100000. One string in the column that is no number ("2.10+cpu") and all stay as written.
#   pandas' to_markdown does the same, as it goes through tabulate.
# Good guess that fails: a str is printed as it is. A table of "measured with torch 2.10" says 2.1, a release of
#   years before, and which rows stand in the table decides whether it does.
# Source: tabulate's documentation of disable_numparse; that it reaches to_markdown: observed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile tabulate==0.10.0 pandas==3.1.1 numpy==2.3.5
venv/bin/python - <<'PY'
from importlib.metadata import version

import pandas as pd
from tabulate import tabulate

print("tabulate", version("tabulate"), "pandas", version("pandas"))


def printed(table: str) -> list[str]:
    return [line.split("|")[2].strip() for line in table.splitlines() if "torch" in line]


def plain(*versions: str, **options: bool) -> list[str]:
    return printed(tabulate([["torch", text] for text in versions], tablefmt="pipe", **options))


def markdown(*versions: str) -> list[str]:
    return printed(pd.DataFrame({"of": "torch", "version": versions}).to_markdown(index=False))


for show in (plain, markdown):
    print(show.__name__, show("2.10", "2.9"), show("2.10", "2.9+cpu"))
    assert show("2.10", "2.9") == ["2.1", "2.9"], "strings stay as written now"
    assert show("2.10", "2.9+cpu") == ["2.10", "2.9+cpu"]
assert plain("1e5", "7") == ["100000", "7"]
assert plain("2.10", "2.9", disable_numparse=True) == ["2.10", "2.9"]
PY
