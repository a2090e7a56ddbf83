"""One timing run over all sizes: what is done, what is left, where rows are kept, and what ended it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from skaprof.cli.output import emit, say
from skaprof.cli.progress import Progress
from skaprof.cli.run import command_line
from skaprof.errors import SkaprofError

if TYPE_CHECKING:
    from skaprof.bench.configuration import Entry, Options, Timed
    from skaprof.bench.device import Device

Row = dict[str, Any]


class Interrupted(KeyboardInterrupt):  # no error
    """Ctrl-C, with what was measured until then."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__()
        self.rows = rows


class Session:
    """Rows measured so far, and the file they are saved to, if any. Needs torch."""

    def __init__(self, options: Options, device: Device, seconds: float, *, isolate: bool) -> None:
        """`seconds` is the time limit of the whole run, inf for none."""
        from skaprof.bench.environment import stamp

        self.options, self.device, self.isolate = options, device, isolate
        self.deadline = device.now() + seconds
        self.environment = stamp(options.device)
        self.rows: list[Row] = []
        self.finished = 0
        self.store: Any = None

    def prepare(self, output: str | None, resume: str | None) -> None:
        """Open the file rows are saved to, with the rows it holds already.

        Raises:
            SkaprofError: it cannot be read or written, is damaged, or was measured elsewhere or otherwise.
        """
        from skaprof.bench.environment import IDENTITY
        from skaprof.bench.store import Store, header, read, require_same

        head = header(command_line(), self.environment, self.options.as_dict())
        if resume is not None:
            if output is not None and Path(output) != Path(resume):
                raise SkaprofError("--resume goes on in its own file: expected no other --output FILE.jsonl")
            path = Path(resume)
            found, rows, good_bytes, damaged = read(path)
            require_same(path, found, head, IDENTITY)
            self.store, self.rows = Store(path), rows
            if damaged:
                self.store.truncate_to(good_bytes)
                say(f"--resume: the last line of {path} was cut off; its {len(rows):,} good rows are kept")
        elif output is not None:
            self.store = Store(Path(output))
            self.store.start(head)

    def run(self, groups: Sequence[Sequence[Timed]]) -> bool:
        """Measure what is missing; whether Ctrl-C ended it. What was measured stays in `rows` whatever happens.

        Raises:
            SkaprofError: the file cannot be written any more, or holds another module of a name; or the GPU was lost.
        """
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
            say(f"{self.finished:,} of {len(groups):,} sizes are measured already")
        try:
            with Progress("timing", len(left)) as bar:
                for place, group in enumerate(left):
                    if self.device.now() > self.deadline:
                        done = len(groups) - len(list(unmeasured(groups, {identity(row) for row in self.rows})))
                        say(f"--max-seconds: {done:,} of {len(groups):,} sizes measured when time ran out")
                        break
                    self._measure_group(group, len(left) - place, bar.tick)
                    bar.advance()
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

            return measure_isolated(cast("list[Entry]", group), self.options, self.device.name, seconds)
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
            emit(json.dumps(row) + "\n" for row in self.rows)  # what was measured is not lost with the file
            self.rows = []
            raise


def _is_better(before: Row | None, now: Row) -> bool:
    """Whether the row that was there has more rounds than the one that would take its place."""
    return before is not None and (before["rounds"] or 0) > (now["rounds"] or 0)
