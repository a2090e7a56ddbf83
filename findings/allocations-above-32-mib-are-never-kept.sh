#!/usr/bin/env bash
# Versions: glibc (seen with 2.36, x86-64 Linux), NumPy 2.3.5.
# Behaviour: a freed array of 31 MiB is kept by glibc, and the next of its size reuses its pages; one of 33 MiB is handed
#   back to the kernel and mapped anew each time, so every page of every call's output faults again.
# Good guess that fails: warm-up calls bring the allocator to a steady state, and time grows smoothly with size. Between
#   31 and 33 MiB (a batch of attention maps, say) a step appears that is no cache's and no kernel's doing.
# Source: mallopt(3): the threshold of M_MMAP_THRESHOLD grows with use up to DEFAULT_MMAP_THRESHOLD_MAX, 32 MiB on
#   64 bits; counted here by mallinfo2, not timed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile numpy==2.3.5
env -u GLIBC_TUNABLES -u LD_PRELOAD -u MALLOC_MMAP_THRESHOLD_ venv/bin/python - <<'PY'
import ctypes
import platform

import numpy as np

FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()


class MallInfo2(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]


libc = ctypes.CDLL("libc.so.6")
libc.mallinfo2.restype = MallInfo2


def newly_mapped(mib: int) -> int:
    """MiB that the kernel had to map for one more array of so many MiB."""
    before = libc.mallinfo2().hblkhd
    array = np.empty(mib << 20, dtype=np.uint8)
    mapped = libc.mallinfo2().hblkhd - before
    del array
    return round(mapped / 2**20)


print(*platform.libc_ver(), "numpy", np.__version__)
seen = {mib: [newly_mapped(mib) for _ in range(5)] for mib in (31, 33)}
for mib, mapped in seen.items():
    print(f"five arrays of {mib} MiB, each freed before the next: newly mapped {mapped} MiB")
assert seen[31][1:] == [0] * 4, "31 MiB are not kept"
assert seen[33] == [33] * 5, "33 MiB are kept now"
PY
