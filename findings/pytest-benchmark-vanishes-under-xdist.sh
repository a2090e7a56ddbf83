#!/usr/bin/env bash
# Versions: pytest 9.2.0, pytest-benchmark 5.3.1, pytest-xdist 3.8.0.
# Behaviour: with pytest -n 2 every benchmark runs its function once, untimed; the file that --benchmark-json names is
#   not written, there is no table, and pytest exits 0. Without -n the file is there.
# Good guess that fails: a run that was asked for a file of results and could not measure fails. A "-n auto" put into
#   pytest's settings by somebody else ends the record of speed, and the badge stays green.
# Source: pytest_benchmark/session.py (it disables itself where xdist is active, with a warning); the rest observed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile pytest==9.2.0 pytest-benchmark==5.3.1 pytest-xdist==3.8.0
venv/bin/pip list 2>/dev/null | grep -i '^pytest'
cat > test_speed.py <<'PY'
from itertools import count


def test_next(benchmark):
    calls = count()
    benchmark(next, calls)
    with open("calls", "w") as file:
        file.write(str(next(calls)))
PY
for workers in 0 2; do
  status=0
  venv/bin/python -m pytest -q -n "$workers" --benchmark-json="$workers.json" test_speed.py >"$workers.log" 2>&1 || status=$?
  echo "-n $workers: exit $status, called $(cat calls) times, results: $([ -s "$workers.json" ] && echo yes || echo none)"
  [ "$status" = 0 ] || { cat "$workers.log"; exit 1; }
  cp calls "$workers.calls"
done
[ -s 0.json ] && [ "$(cat 0.calls)" -gt 1 ]
[ ! -s 2.json ] && [ "$(cat 2.calls)" = 1 ] || { echo "benchmarks are measured under xdist now"; exit 1; }
