"""`python -m skaprof`, and the entry point of the installed `skaprof`."""

from __future__ import annotations

import gc
import sys


def run() -> None:
    """Run the command line and exit. A signal while modules still load ends it as quietly as later on."""
    gc.disable()  # what a command imports stays until it ends: main() turns it on again once all is there
    from skaprof.cli.signals import SIGNALS
    from skaprof.errors import EXIT_INTERRUPTED

    try:
        SIGNALS.watch()
        from skaprof.cli.app import main

        code = main()
        SIGNALS.leave()
    except KeyboardInterrupt:
        SIGNALS.leave()
        if sys.stderr is not None:
            sys.stderr.write("skaprof: interrupted\n")
        code = EXIT_INTERRUPTED
    sys.exit(SIGNALS.exit_code(code) if code == EXIT_INTERRUPTED else code)


if __name__ == "__main__":
    run()
