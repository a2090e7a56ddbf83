"""What ratios are over: the contender that a user calls the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from skaprof.errors import SkaprofError, bad_value, named
from skaprof.model.spec import parse_mixer
from skaprof.words import meant

if TYPE_CHECKING:
    from skaprof.bench.configuration import Timed


def baseline_label(text: str | None, groups: Sequence[Sequence[Timed]]) -> dict[str, Any]:
    """The label of the baseline's contender, `mhsa (eager)` say, and whether each form has its mixer in the same form.

    That is so where `text` names no form, and the first that it is timed in is the label's. `text` is what the user
    called it, or its name in results; then the form, and a runtime that is not PyTorch: `mhsa/eager/onnxruntime`. Keys
    are those of `skaprof.bench.configuration.Options`.

    Raises:
        SkaprofError: it is not timed.
    """
    entries = [(entry.name, entry) for group in groups for entry in group]
    called = {word: name for name, entry in entries for word in (name, entry.given)}
    mixer, start, words = entries[0][0] if text is None else _contender(text, called), str(text), ""
    while mixer is None and "/" in start:  # which may be in a file's path, too
        start, _, word = start.rpartition("/")
        words = f"{word}, {words}".removesuffix(", ")
        mixer = _contender(start, called)
    if mixer is None:
        given = list(dict.fromkeys(entry.given for _, entry in entries))
        raise bad_value(named("baseline"), text, f"one of those timed: {', '.join(given)}", given)
    known = list(dict.fromkeys(entry.form for name, entry in entries if name == mixer))
    if not words:
        return {"baseline": f"{mixer} ({known[0]})", "same_form": True}
    form = meant(words, known)
    if form not in known:
        typed = [form.replace(", ", "/") for form in known]
        expected = f"one of the implementations that it is timed in: {', '.join(typed)}"
        raise bad_value(named("baseline"), words.replace(", ", "/"), expected, typed)
    return {"baseline": f"{mixer} ({form})", "same_form": False}


def _contender(text: str, called: Mapping[str, str]) -> str | None:
    """What is timed under the name that a text is, or means; None where nothing is."""
    try:
        return called.get(meant(text, called)) or called.get(parse_mixer(text).text)
    except SkaprofError:  # no mixer's name either
        return None
