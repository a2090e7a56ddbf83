"""What Dask loads into the workers of a cluster of one's own: they are no part of what Ctrl-C at a terminal ends."""

from __future__ import annotations

import os


def dask_setup(worker: object) -> None:
    """Dask calls this as a worker starts. The command that is interrupted ends its workers, and need not say so."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()
