"""One timing run over all sizes: what is done, what is left, where rows are kept, and what ended it.

PyTorch is loaded where it is used: a report asks what interrupted it without timing anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from typing import Protocol as Interface

from skaprof.errors import SkaprofError, bad_value, named
from skaprof.implementations import IMPLEMENTATIONS
from skaprof.model.spec import parse_mixer
from skaprof.words import meant

if TYPE_CHECKING:
    from skaprof.bench.configuration import Entry, Options, Timed
    from skaprof.bench.device import Device
    from skaprof.bench.runtimes import InRuntime
    from skaprof.foreign_code import UserModule

Row = dict[str, Any]


class Interrupted(KeyboardInterrupt):  # no error
    """Ctrl-C, with what was measured until then."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__()
        self.rows = rows


class Steps(Interface):
    """How far a run is: `tick` after each round of a size, `advance` after each size; or `at` a share of it all."""

    def tick(self, rounds: int) -> None: ...

    def advance(self) -> None: ...

    def at(self, share: float) -> None: ...


class Watcher(Interface):
    """Who watches a run: what is said to the user, the steps shown, and rows that no file could take."""

    def say(self, words: str) -> None: ...

    def steps(self, count: int) -> AbstractContextManager[Steps]: ...

    def rescue(self, rows: Sequence[Row]) -> None: ...


class Session:
    """Rows measured so far, and the file they are saved to, if any. Needs torch."""

    def __init__(self, options: Options, device: Device, seconds: float, watcher: Watcher, *, isolate: bool) -> None:
        """`seconds` is the time limit of the whole run, inf for none."""
        from skaprof.bench.environment import stamp

        self.options, self.device, self.watcher, self.isolate = options, device, watcher, isolate
        self.deadline = device.now() + seconds
        self.environment = stamp(options.device)
        self.rows: list[Row] = []
        self.finished = 0
        self.store: Any = None

    def prepare(self, output: str | None, resume: str | None, command: str, *, force: bool = False) -> None:
        """Open the file rows are saved to, with the rows it holds already; a new one names the `command`.

        It is this run's alone until `run` is over. With `force` a new one takes the place of one that is there, once
        there are rows.

        Raises:
            SkaprofError: it cannot be read or written, is damaged, was measured elsewhere or otherwise, is there
                already, or another process writes it.
        """
        from skaprof.bench.store import Store, header

        head = header(command, self.environment, self.options.as_dict())
        if resume is not None:
            if output is not None and Path(output) != Path(resume):
                raise SkaprofError(
                    f"{named('resume')} goes on in its own file: expected no other {named('output')} FILE.jsonl"
                )
            self._go_on(Path(resume), head)
        elif output is not None:
            self.store = Store(Path(output))
            self.store.start(head, force=force)

    def _go_on(self, path: Path, head: dict[str, Any]) -> None:
        from skaprof.bench.environment import IDENTITY
        from skaprof.bench.store import Store, read, require_same

        store = Store(path)
        if path.is_file():  # anything else is refused by whoever reads it
            store.go_on()
        try:
            found, rows, good_bytes, damaged = read(path)
            require_same(path, found, head, IDENTITY)
        except BaseException:
            store.close()
            raise
        self.store, self.rows = store, rows
        if damaged:
            store.truncate_to(good_bytes)
            self.watcher.say(
                f"{named('resume')}: the last line of {path} was cut off; its {len(rows):,} good rows are kept"
            )

    def run(self, groups: Sequence[Sequence[Timed]]) -> bool:
        """Measure what is missing; whether Ctrl-C ended it. What was measured stays in `rows` whatever happens.

        Raises:
            SkaprofError: the file cannot be written any more, or holds another module of a name; or the GPU was lost.
        """
        try:
            return self._run(groups)
        finally:
            if self.store is not None:
                self.store.close()

    def _run(self, groups: Sequence[Sequence[Timed]]) -> bool:
        from skaprof.bench.configuration import identity, unmeasured
        from skaprof.bench.store import require_same_sources

        if self.store is not None and self.rows:
            heads = [entry.head() for group in groups for entry in group]
            try:
                require_same_sources(self.store.path, self.rows, heads)
            except SkaprofError:
                self.rows = []  # they are not this run's to show
                raise
        whole = [row for row in self.rows if "few-rounds" not in row["flags"]]
        missing = list(unmeasured(groups, {identity(row) for row in self.rows}))
        cut_short = [group for group in unmeasured(groups, {identity(row) for row in whole}) if group not in missing]
        left = missing + cut_short  # what has no figures at all comes first
        self.finished = len(groups) - len(left)
        if self.finished and left:
            self.watcher.say(f"{self.finished:,} of {len(groups):,} sizes are measured already")
        try:
            with self.watcher.steps(len(left)) as steps:
                for place, group in enumerate(left):
                    if self.device.now() > self.deadline:
                        done = len(groups) - len(list(unmeasured(groups, {identity(row) for row in self.rows})))
                        self.watcher.say(
                            f"{named('max_seconds')}: {done:,} of {len(groups):,} sizes measured when time ran out"
                        )
                        break
                    self._measure_group(group, len(left) - place, steps.tick)
                    steps.advance()
        except KeyboardInterrupt:
            return True
        return False

    def _measure_group(self, group: Sequence[Timed], left: int, tick: Callable[[int], None]) -> None:
        """The rows of one size, in about its share of the time that is left, in place of any it had before."""
        from skaprof.bench.configuration import identity

        found = self._measured(group, (self.deadline - self.device.now()) / left, tick)
        before = {identity(row): row for row in self.rows}
        fresh = [row for row in found if not _is_better(before.get(identity(row)), row)]
        replaced = {identity(row) for row in fresh}
        kept = [row for row in self.rows if identity(row) not in replaced]
        stale = len(kept) < len(self.rows)
        self.rows = kept + fresh
        if fresh:
            self._save(fresh, whole=stale)
        self.finished += 1

    def _measured(self, group: Sequence[Timed], seconds: float, tick: Callable[[int], None]) -> list[Row]:
        if self.isolate:
            from skaprof.bench.worker import measure_isolated

            return measure_isolated(cast("Sequence[Entry | InRuntime]", group), self.options, self.device.name, seconds)
        from skaprof.bench.measuring import measure_configuration

        return measure_configuration(group, self.options, self.device, self.device.now() + seconds, tick)

    def _save(self, fresh: list[Row], *, whole: bool) -> None:
        """Add rows to the file, or write it anew where rows in it were measured again."""
        if self.store is None:
            return
        try:
            if whole:
                self.store.rewrite(self.rows)
            else:
                self.store.append(fresh)
        except SkaprofError:
            self.watcher.rescue(self.rows)
            self.rows = []
            raise


def _is_better(before: Row | None, now: Row) -> bool:
    """Whether the row that was there has more rounds than the one that would take its place."""
    return before is not None and (before["rounds"] or 0) > (now["rounds"] or 0)


def default_timing(*, on_gpu: bool) -> str:
    """How samples are taken where the user does not say."""
    return "cold" if on_gpu else "hot"


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


def with_modules(
    groups: Sequence[Sequence[Timed]], modules: Sequence[UserModule], counted: dict[tuple[Any, ...], Row]
) -> list[Sequence[Timed]]:
    """The groups, each with the user's modules at its size in every implementation that is not a fused attention.

    Where only those are asked for, in these: the rows say that a module has no such form.
    """
    from skaprof.bench.modules import UserEntry

    found: list[Sequence[Timed]] = []
    for group in groups:
        row = group[0].head()
        key = tuple(row[name] for name in ("batch", "height", "width", "dim"))
        names = dict.fromkeys(entry.implementation for entry in group)
        plain = [name for name in names if IMPLEMENTATIONS[name].form == "eager"] or list(names)
        own = [
            UserEntry(user, counted[key, row["dtype"], row["mode"], user], name, row["mode"])
            for user in modules
            for name in plain
        ]
        found.append([*group, *own])
    return found
