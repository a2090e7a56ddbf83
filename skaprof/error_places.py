"""Where in the code of the user's own an error comes from."""

import os
import sys
from pathlib import Path


def place_of(error: BaseException) -> str | None:
    """The file and the line of the user's code that an error comes from; None where none of it is theirs.

    That is the innermost line outside this program, PyTorch and Python itself; outside installed packages, if any is.
    """
    from traceback import walk_tb

    if isinstance(error, SyntaxError):
        return None  # its message says it
    lines = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    others = [(file, line) for file, line in lines if os.path.isfile(file) and not _is_ours(file)]
    theirs = [(file, line) for file, line in others if "site-packages" not in Path(file).parts]
    for file, line in reversed(theirs or others):
        return f"{_near_name(file)}, line {line}"
    return None


def _is_ours(file: str) -> bool:
    """Whether a file is of this program, of PyTorch, or of Python, whose folder may hold the installed packages too."""
    path = Path(file)
    torch = sys.modules.get("torch")
    packages = [Path(__file__).parent, *([Path(torch.__file__).parent] if torch is not None and torch.__file__ else [])]
    is_pythons = path.is_relative_to(Path(os.__file__).parent) and "site-packages" not in path.parts
    return is_pythons or any(path.is_relative_to(home) for home in packages)


def _near_name(file: str) -> str:
    """A file as seen from the current folder, where it is in it."""
    path, here = Path(file), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
