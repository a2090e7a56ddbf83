"""All runs of one comparison: what is done, what is left, where rows are kept, and what ended it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import Any

from skaprof.analysis.accuracy import verdict_rows
from skaprof.bench import store as stored
from skaprof.bench.environment import stamp
from skaprof.bench.session import Watcher
from skaprof.errors import SkaprofError, named, shown, shown_path
from skaprof.records import Record
from skaprof.train.checkpoint import Checkpoint, save_weights
from skaprof.train.code import code_hash
from skaprof.train.jobs import Asked, Job, identity_of, missing_jobs, model_hash, rate_of, work_of
from skaprof.train.running import Both, begun, ended
from skaprof.train.training import Training, pictures_of
from skaprof.trained import TrainedRow, TrialRow, VerdictRow

SAVED_EVERY = 10.0
"""Seconds between two checkpoints of a run."""
INTERRUPTED, OUT_OF_TIME = "interrupted", "out of time"
_IDENTITY = ("device", "gpu_uuid", "cpu", "torch", "threads", "training_code")
"""Keys of the environment that must be the same where a run goes on, for it to come to the same end."""
STEPS = 1000
"""Of the bar that shows progress."""


class OutOfTime(Exception):  # noqa: N818  # no error: what is done is shown
    """The budget is spent."""


class Session:
    """The rows so far, and the file that they are saved to, if any."""

    def __init__(self, asked: Asked, budget: float, watcher: Watcher) -> None:
        """`budget` is in seconds, inf for none."""
        self.asked, self.watcher = asked, watcher
        self.began = monotonic()
        self.deadline = self.began + budget
        self.environment = self._environment()
        self.trials: list[TrialRow] = []
        self.runs: list[TrainedRow] = []
        self.others: list[Record] = []
        """Rows in the file of networks that are not trained this time."""
        self._store: stored.Store | None = None
        self._checkpoint: Checkpoint | None = None
        self._done_work = 0.0
        self._same: tuple[str, ...] = _IDENTITY
        self._of_file: Mapping[str, Any] = {}
        """The environment of the file that is gone on with."""

    def _environment(self) -> dict[str, Any]:
        """The stamp of what trains."""
        return {**stamp(self.asked.device), "training_code": code_hash()}

    def _header(self) -> dict[str, Any] | None:
        """The environment for the file's header once all is trained; None: what it has."""
        return None

    @cached_property
    def _pictures(self) -> Both:
        return pictures_of(self.asked.data, self.asked.device)

    @property
    def wanted(self) -> int:
        """How many runs there are in all, trials apart."""
        return self.asked.seeds * len(self.asked.contenders)

    @property
    def verdicts(self) -> list[VerdictRow]:
        """What the runs say so far; of a shard nothing, which may lack the baseline and has not all contenders."""
        return [] if self.asked.shard else verdict_rows(self.in_order, self.asked.margin)

    @property
    def in_order(self) -> list[TrainedRow]:
        """The runs of each network together, the baseline's first."""
        places = {contender.name: place for place, contender in enumerate(self.asked.contenders)}
        return sorted(self.runs, key=lambda run: (places[run.model], run.seed))

    @property
    def rows(self) -> list[Record]:
        """Trials, runs and verdicts."""
        return [*self.others, *self.trials, *self.runs, *self.verdicts]

    def prepare(self, output: str | None, resume: str | None, command: str, *, force: bool = False) -> None:
        """Open the file that rows are saved to, with the rows that it has.

        Raises:
            SkaprofError: it cannot be read or written, is damaged, is of another recipe, data set or machine, has
                another network of a name, is there already, or another process writes it.
        """
        head = stored.header(command, self.environment, self.asked.settings)
        new = {**head, "settings": {**head["settings"], "margin": self.asked.margin}}  # which may be another each time
        if resume is not None:
            if output is not None and Path(output) != Path(resume):
                raise SkaprofError(
                    f"{named('resume')} goes on in its own file: expected no other {named('output')} FILE.jsonl"
                )
            self._go_on(Path(resume), head)
        elif output is not None:
            self._store = stored.Store(Path(output))
            self._store.start(new, force=force)
            self._checkpoint = Checkpoint(output)
            self._checkpoint.clear()

    def _go_on(self, path: Path, head: Mapping[str, Any]) -> None:
        store = stored.Store(path)
        if path.is_file():
            store.go_on()
        try:
            found, rows, good_bytes, damaged = stored.read(path, "learning_rates", "accuracy")
            stored.require_same(path, found, head, self._same)
            self._take(path, rows)
            self._of_file = found["environment"]
        except BaseException:
            store.close()
            raise
        self._store, self._checkpoint = store, Checkpoint(str(path))
        if damaged:
            store.truncate_to(good_bytes)
            kept = f"its {len(rows):,} good rows are kept"
            self.watcher.say(f"{named('resume')}: the last line of {path} was cut off; {kept}")

    def _take(self, path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
        """The rows of a file as this comparison's; verdicts are drawn anew."""
        hashes = {contender.name: model_hash(contender) for contender in self.asked.contenders}
        for row in rows:
            if row.get("model_hash") is None:
                continue
            record = TrialRow.read(row) if "validation_accuracy" in row else TrainedRow.read(row)
            if record.model not in hashes:
                self.others.append(record)
                continue
            if record.model_hash != hashes[record.model]:
                raise SkaprofError(
                    f"{named('resume')}: {shown_path(path)} has another network called {shown(record.model)}: expected "
                    f"the same, or another {named('output')}"
                )
            self._keep(record)

    def _keep(self, row: TrialRow | TrainedRow) -> None:
        if isinstance(row, TrialRow):
            self.trials.append(row)
        else:
            self.runs.append(row)

    def run(self) -> str | None:
        """Train what is missing; what cut it short, INTERRUPTED or OUT_OF_TIME, None where nothing did.

        Raises:
            SkaprofError: the file cannot be written any more, or its checkpoint is of no run of this comparison.
        """
        try:
            self._run()
        except KeyboardInterrupt:
            return INTERRUPTED
        except OutOfTime:
            return OUT_OF_TIME
        finally:
            self._close()
        return None

    def _close(self) -> None:
        if self._store is None:
            return
        with suppress(SkaprofError):  # the rows are in it already
            if self.runs:
                self._store.rewrite([row.as_dict() for row in self.rows], self._header())
        self._store.close()

    def _run(self) -> None:
        jobs = list(missing_jobs(self.asked, self.trials, self.runs))
        self._require_checkpoint(jobs)
        total = sum(work_of(job, self.asked) for job in jobs) or 1.0
        with self.watcher.steps(STEPS if jobs else 0) as steps:
            for place, job in enumerate(jobs, start=1):
                row = self._train(job, lambda work: steps.at(work / total))
                rest = f"; about {self._time_left(total)} left" if place < len(jobs) else ""
                self.watcher.say(f"{place} of {len(jobs)}: {outcome(row)}{rest}")

    def _time_left(self, total: float) -> str:
        """At the pace so far."""
        seconds = (monotonic() - self.began) * (total - self._done_work) / self._done_work
        return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"

    def _require_checkpoint(self, jobs: Sequence[Job]) -> None:
        """Raise where a checkpoint lies there that no job here goes on from.

        Raises:
            SkaprofError: it does.
        """
        begun = self._checkpoint.read() if self._checkpoint is not None else None
        if begun is None or self._checkpoint is None:
            return
        run, _ = begun
        if self._is_over(run):  # killed between its row and the end of its checkpoint
            self._checkpoint.clear()
            return
        for job in jobs:
            known = identity_of(job, self.asked, self.trials)
            if job.learning_rate is None:
                known["learning_rate"] = run.get("learning_rate")  # which trials still to come may choose
            if known == run:
                return
        what = f"{shown(run.get('model'))} with seed {shown(run.get('seed'))}"
        raise SkaprofError(
            f"{named('resume')}: {shown_path(self._checkpoint.path)} is of another run, of {what}: expected one of "
            "this comparison; take it away to begin that run anew"
        )

    def _is_over(self, run: Mapping[str, Any]) -> bool:
        """Whether the rows have a run that a checkpoint is of."""
        rows: Sequence[Record] = self.trials if run.get("is_trial") else self.runs
        keys = run.keys() - {"is_trial"}
        return any(all(getattr(row, key, None) == run[key] for key in keys) for row in rows)

    def _train(self, job: Job, at: Callable[[float], None]) -> TrialRow | TrainedRow:
        """One job, from its checkpoint where it has one; its row is saved before the next begins.

        Raises:
            OutOfTime: the budget is spent; the run is saved as far as it is.
        """
        identity, rate = identity_of(job, self.asked, self.trials), rate_of(job, self.asked, self.trials)
        training, out = begun(job, rate, self.asked, self._pictures)
        self._take_up(identity, training)
        work = work_of(job, self.asked)
        saved = monotonic()
        while not training.is_over:
            saved = self._saved(identity, training, saved)
            training.advance()
            at(self._done_work + work * training.step / training.steps)
        row, score = ended(job, self.asked, identity, training, self._pictures, out)
        if self.asked.weights is not None and isinstance(row, TrainedRow) and score is not None:
            save_weights(self.asked.weights, job.contender, job.seed, self.asked.data, training.module)
        self._save(row)
        if self._checkpoint is not None:
            self._checkpoint.clear()
        self._done_work += work
        return row

    def _saved(self, identity: Mapping[str, Any], training: Training, last: float) -> float:
        """Save the run where it is time, `last` being when it was saved; when that was.

        Raises:
            OutOfTime: the budget is spent.
        """
        now = monotonic()
        is_late = now > self.deadline
        if self._checkpoint is not None and training.step and (is_late or now - last > SAVED_EVERY):
            self._checkpoint.write(identity, training.state())
            last = now
        if is_late:
            raise OutOfTime
        return last

    def _take_up(self, identity: Mapping[str, Any], training: Training) -> None:
        """Go on with the run that was interrupted, where it is this one.

        Raises:
            SkaprofError: the checkpoint does not fit the network.
        """
        begun = self._checkpoint.read() if self._checkpoint is not None else None
        if begun is None or self._checkpoint is None or begun[0] != identity:
            return
        try:
            training.load(begun[1])
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            reason = shown(str(error).partition("\n")[0])
            path = shown_path(self._checkpoint.path)
            raise SkaprofError(f"{named('resume')}: {path} does not fit {shown(identity['model'])}: {reason}") from None
        where = f"step {training.step:,} of {training.steps:,}"
        self.watcher.say(f"{identity['model']}, seed {identity['seed']}: goes on at {where}")

    def _save(self, row: TrialRow | TrainedRow) -> None:
        self._keep(row)
        if self._store is None:
            return
        try:
            self._store.append([row.as_dict()])
        except SkaprofError:
            self.watcher.rescue([each.as_dict() for each in (*self.trials, *self.runs)])
            raise


def outcome(row: TrialRow | TrainedRow) -> str:
    """What came of a job, in words."""
    if isinstance(row, TrialRow):
        score, what = row.validation_accuracy, f"learning rate {row.learning_rate:g}, held-out images"
    else:
        score, what = row.accuracy, f"seed {row.seed}"
    return f"{row.model}, {what}: {'diverged' if score is None else f'{100 * score:.2f} %'}"
