"""`python -m skaprof`, and the entry point of the installed `skaprof`."""

from __future__ import annotations

import gc
import sys


def run() -> None:
    """Run the command line and exit. Ctrl-C while modules still load ends it as quietly as later on."""
    gc.disable()  # what a command imports stays until it ends: main() turns it on again once all is there
    try:
        from skaprof.cli.app import main

        sys.exit(main())
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("skaprof: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    run()
