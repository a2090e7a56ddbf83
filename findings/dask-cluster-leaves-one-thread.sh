#!/usr/bin/env bash
# Versions: distributed 2026.8.0, dask 2026.8.0, NumPy 2.4.6, threadpoolctl 3.6.0.
# Behaviour: a LocalCluster gives its workers OMP_NUM_THREADS=1, however many threads each was asked to have, and it does so
#   in the environment of the process that asked for the cluster, where that and its like for OpenBLAS and MKL still stand
#   when the cluster is closed: whatever that process starts from then on multiplies matrices on one core.
# Good guess that fails: a context manager leaves the process as it found it; what is timed after it, without Dask, takes as
#   long as before it.
# Source: distributed/distributed.yaml (nanny.pre-spawn-environ), distributed/nanny.py; threads as threadpoolctl sees them.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile distributed==2026.8.0 dask==2026.8.0 numpy==2.4.6 threadpoolctl==3.6.0
unset OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS
cat >seen.py <<'PY'
import os
import subprocess
import sys

import dask
import distributed
from distributed import Client, LocalCluster

NAMES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
COUNT = (
    "import numpy, threadpoolctl\n"
    "print(*(pool['num_threads'] for pool in threadpoolctl.threadpool_info() if pool['user_api'] == 'blas'))"
)


def variables() -> list[str | None]:
    return [os.environ.get(name) for name in NAMES]


def threads_of_a_new_process() -> int:
    """As many as one that is started now multiplies matrices with."""
    return int(subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True).stdout)


if __name__ == "__main__":
    print("distributed", distributed.__version__, "dask", dask.__version__, "cores", os.cpu_count())
    before, threads_before = variables(), threads_of_a_new_process()
    with LocalCluster(n_workers=1, threads_per_worker=4, dashboard_address=None) as cluster, Client(cluster) as client:
        worker = client.submit(variables).result()
    after, threads_after = variables(), threads_of_a_new_process()
    print("before:", before, "a new process multiplies on", threads_before)
    print("on a worker of 4 threads:", worker)
    print("the cluster closed:", after, "a new process multiplies on", threads_after)
    assert before == [None, None, None], "they were set here"
    assert worker == ["1", "1", "1"], "a worker has more now"
    assert (after, threads_after) == (["1", "1", "1"], 1), "the caller's environment is put back now"
PY
venv/bin/python seen.py 2>errors.log || { cat errors.log; exit 1; }
