#!/usr/bin/env bash
# Versions: Linux (seen on 6.18) with Python 3.11 (resource and subprocess, of the standard library), NumPy 2.3.5.
# Behaviour: a process that does nothing reports, as its own ru_maxrss, the peak of the process that started it; VmHWM in
#   /proc/self/status is its own. A shell in between resets it.
# Good guess that fails: to measure a peak cleanly, measure it in a fresh process. Started from one that once held
#   400 MB, even after they are freed, every small configuration has the same "peak": 400 MB.
# Source: observed; getrusage(2) does not say it. Python's subprocess starts children by vfork where it can, and the
#   child runs in its parent's memory until exec.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile numpy==2.3.5
cat > peak.py <<'PY'
import resource

high_water = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, high_water.split()[1])
PY
venv/bin/python - <<'PY'
import platform
import subprocess
import sys

import numpy as np


def child(*command: str) -> tuple[float, float]:
    """MB of ru_maxrss and of VmHWM, as the child sees them."""
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    maxrss, high_water = (int(word) / 1000 for word in output.split())
    return maxrss, high_water


print("Linux", platform.release(), "Python", platform.python_version(), "numpy", np.__version__)
small = child(sys.executable, "peak.py")
array = np.ones(50_000_000)
del array
large = child(sys.executable, "peak.py")
through_shell = child("sh", "-c", f'"{sys.executable}" peak.py; true')
for name, seen in (("small parent", small), ("parent that held 400 MB", large), ("and a shell between", through_shell)):
    print(f"{name}: ru_maxrss {seen[0]:.0f} MB, VmHWM {seen[1]:.0f} MB")
assert small[0] < 150 and large[0] > 350, "ru_maxrss is the child's own now"
assert large[1] < 50 and through_shell[0] < 50
PY
