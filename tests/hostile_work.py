"""What processes of `skaprof.subprocesses` are asked to do in its tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def sleep(file: str) -> None:
    """Tell who sleeps, and sleep."""
    whole = Path(file + ".new")
    whole.write_text(str(os.getpid()))
    whole.rename(file)
    time.sleep(60)


def sleep_with_a_child(file: str) -> None:
    """Sleep beside another process that tells who it is."""
    program = f"from hostile_work import sleep; sleep({file!r})"
    subprocess.run([sys.executable, "-c", program], check=False)


def surroundings(_: object) -> None:
    """Write the environment, and what stdin holds."""
    sys.stdout.write(json.dumps({"names": sorted(os.environ), "stdin": sys.stdin.read()}))


def length(text: str) -> None:
    """Write how long the task is."""
    sys.stdout.write(f"{len(text)}\n")
