"""The front of a search: of 20^36 networks of random figures, and of 10,000 by stage. CPU time, after imports."""

from __future__ import annotations

import resource
import time

import numpy as np

from skaprof.analysis.fronts import front_of_sums
from skaprof.analysis.search import expanded, make_search
from skaprof.analysis.search_front import find
from skaprof.model.choice import parse_backbone
from skaprof.model.network import make_network

MIXERS = ("mhsa", "mhsa:head_dim=16", "ska", "ska:query=false", "cska", "cska:kernel_size=5", "linear", "sepconv")
POOLS = ("pooling", "sepconv:kernel_size=3")


def search() -> None:
    """Prints both."""
    network = make_network(parse_backbone("caformer_s18"), 224, 224)
    start = time.process_time()
    made = make_search(network, [expanded([*MIXERS, *POOLS], [], [], "-")] * 4)
    found = find(made)
    took = time.process_time() - start
    print(f"{made.size:,} networks by stage, {len(found.front)} on the front: {took:.3f} s (goal at most 0.3)")
    figures = np.random.default_rng(1)
    blocks = [figures.integers(0, 10**6, (20, 3)).tolist() for _ in range(36)]
    start = time.process_time()
    front = front_of_sums(blocks)
    took = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"20^36 networks of random figures, {len(front.points):,} on the front: {took:.2f} s (goal at most 5), "
        f"peak memory of the process {peak:.2f} GiB (goal at most 1)"
    )
