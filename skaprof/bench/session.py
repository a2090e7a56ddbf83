"""One timing run over all sizes: what is done, what is left, where rows are kept, and what ended it.

PyTorch is loaded where it is used: a report asks what interrupted it without timing anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from typing import Protocol as Interface

from skaprof.errors import SkaprofError, named
from skaprof.implementations import IMPLEMENTATIONS
from skaprof.where import beside, environment_of, shared

if TYPE_CHECKING:
    from skaprof.bench.configuration import Options, Timed
    from skaprof.bench.device import Device
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

    def tell(self, words: str) -> None: ...


class Watcher(Interface):
    """Who watches a run: what is said to the user, the steps shown, and rows that no file could take."""

    def say(self, words: str) -> None: ...

    def steps(self, count: int) -> AbstractContextManager[Steps]: ...

    def rescue(self, rows: Sequence[Row]) -> None: ...


class Elsewhere(Interface):
    """What measures sizes on other machines. `environment` is what these have alike, and `same` its keys that a file
    must have alike to be gone on with."""

    @property
    def same(self) -> tuple[str, ...]: ...

    @property
    def environment(self) -> dict[str, Any]: ...

    def measured(
        self,
        groups: Sequence[Sequence[Timed]],
        options: Options,
        seconds: Callable[[int, int], float | None],
        tell: Callable[[str], None],
    ) -> Iterator[tuple[int, list[Row]]]:
        """The place of each group and its rows, as they come, in so many `seconds`, given how many wait and how many
        are measured at a time."""


class Session:
    """Rows measured so far, and the file they are saved to, if any. Needs torch."""

    def __init__(
        self,
        options: Options,
        device: Device,
        seconds: float,
        watcher: Watcher,
        *,
        isolate: bool,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """`seconds` is the time limit of the whole run, inf for none; of what is measured `elsewhere`, `device` is the
        clock."""
        from skaprof.bench.environment import IDENTITY, stamp

        self.options, self.device, self.watcher, self.isolate = options, device, watcher, isolate
        self.elsewhere = elsewhere
        self.deadline = device.now() + seconds
        self.environment = stamp(options.device) if elsewhere is None else elsewhere.environment
        self._same = IDENTITY if elsewhere is None else elsewhere.same
        self.rows: list[Row] = []
        self._known: dict[tuple[Any, ...], Row] = {}
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
        from skaprof.bench.store import Store, read, require_same

        store = Store(path)
        if path.is_file():  # anything else is refused by whoever reads it
            store.go_on()
        try:
            found, rows, good_bytes, damaged = read(path)
            require_same(path, found, head, self._same)
        except BaseException:
            store.close()
            raise
        self.store, self.rows = store, rows
        if self.elsewhere is not None:  # each row says by itself what measured it
            self.rows = [{**row, "environment": environment_of(row, found["environment"])} for row in rows]
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
            try:
                if self.elsewhere is not None:
                    self._put_in_order(groups)
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
        places = set(map(id, missing))
        cut_short = [group for group in unmeasured(groups, {identity(row) for row in whole}) if id(group) not in places]
        left = missing + cut_short  # what has no figures at all comes first
        self.finished = len(groups) - len(left)
        if self.finished and left:
            self.watcher.say(f"{self.finished:,} of {len(groups):,} sizes are measured already")
        self._known = {identity(row): row for row in self.rows}
        done = 0
        try:
            with self.watcher.steps(len(left)) as steps:
                for found in self._found(left, steps):
                    self._take(found)
                    steps.advance()
                    done += 1
        except KeyboardInterrupt:
            return True
        if done < len(left):
            measured = len(groups) - len(list(unmeasured(groups, {identity(row) for row in self.rows})))
            self.watcher.say(
                f"{named('max_seconds')}: {measured:,} of {len(groups):,} sizes measured when time ran out"
            )
        return False

    def _found(self, left: Sequence[Sequence[Timed]], steps: Steps) -> Iterator[list[Row]]:
        """The rows of each group in turn, in about its share of the time that is left, until there is none."""
        if self.elsewhere is not None:
            for _, rows in self.elsewhere.measured(left, self.options, self._share, steps.tell):
                yield rows
            return
        for place, group in enumerate(left):
            seconds = self._share(len(left) - place)
            if seconds is None:
                return
            yield self._measured(group, seconds, steps.tick)

    def _share(self, waiting: int, at_once: int = 1) -> float | None:
        """The seconds of the next group, so many of which are left; None where time is over."""
        left = self.deadline - self.device.now()
        return None if left < 0 else left * min(1.0, at_once / waiting)

    def _take(self, found: Sequence[Row]) -> None:
        """Keep the rows of one size, in place of any it had before."""
        from skaprof.bench.configuration import identity

        fresh = {identity(row): row for row in found if not _is_better(self._known.get(identity(row)), row)}
        stale = any(key in self._known for key in fresh)
        if stale:
            self.rows = [row for row in self.rows if identity(row) not in fresh]
        self.rows += fresh.values()
        self._known |= fresh
        if fresh:
            self._save(list(fresh.values()), whole=stale)
        self.finished += 1

    def _measured(self, group: Sequence[Timed], seconds: float, tick: Callable[[int], None]) -> list[Row]:
        if self.isolate:
            from skaprof.bench.worker import measure_isolated

            return measure_isolated(group, self.options, self.device.name, seconds)
        from skaprof.bench.measuring import measure_configuration

        return measure_configuration(group, self.options, self.device, self.device.now() + seconds, tick)

    def _put_in_order(self, groups: Sequence[Sequence[Timed]]) -> None:
        """The rows as they were asked for, behind those that were not, and what all that measured them have alike."""
        from skaprof.bench.configuration import identity

        if not self.rows or self.elsewhere is None:
            return
        places = {identity(entry): place for place, entry in enumerate(entry for group in groups for entry in group)}
        self.rows.sort(key=lambda row: places.get(identity(row), -1))
        self.environment = shared([row["environment"] for row in self.rows])
        self.rows = [{**row, "environment": beside(row["environment"], self.environment)} for row in self.rows]
        self._save([], whole=True)

    def _save(self, fresh: list[Row], *, whole: bool) -> None:
        """Add rows to the file, or write it anew where rows in it were measured again."""
        if self.store is None:
            return
        try:
            if whole:
                self.store.rewrite(self.rows, None if self.elsewhere is None else self.environment)
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
