"""A comparison of networks whose jobs are done on other machines: trials at once, then runs at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any

from skaprof.bench.session import Steps, Watcher
from skaprof.elsewhere import Elsewhere
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError
from skaprof.records import Record
from skaprof.train.jobs import Asked, Job, missing_jobs, model_hash, rate_of, work_of
from skaprof.train.session import STEPS, OutOfTime, Session, outcome
from skaprof.trained import TrainedRow, TrialRow
from skaprof.where import beside, environment_of, shared

MACHINE, TRAINS = "skaprof.train.answering:machine", "skaprof.train.answering:trained"
LONGEST_SECONDS = 7 * 86_400.0
"""A job that takes longer hangs."""


def told_of(asked: Asked) -> dict[str, Any]:
    """What a machine is told of the recipe, and what tells its images and networks from others of their names."""
    hashes = {each.name: model_hash(each) for each in asked.contenders}
    return {"recipe": asked.recipe._asdict(), "data_hash": asked.data_hash, "model_hashes": hashes}


class SessionElsewhere(Session):
    """As `Session`, without checkpoints: a job whose machine is lost begins anew, and one that is over is saved."""

    def __init__(
        self, asked: Asked, budget: float, watcher: Watcher, elsewhere: Elsewhere, told: Mapping[str, Any]
    ) -> None:
        """`told` is what a machine is told of what is asked, as `skaprof.train.answering` takes it."""
        self.elsewhere, self.told = elsewhere, told
        self.failures: list[str] = []
        super().__init__(asked, budget, watcher)
        self._same = tuple(key for key in ("torch", "training_code") if key in self.environment)

    def _environment(self) -> dict[str, Any]:
        return self.elsewhere.environment

    def prepare(self, output: str | None, resume: str | None, command: str, *, force: bool = False) -> None:
        """As `Session.prepare`."""
        super().prepare(output, resume, command, force=force)
        self._checkpoint = None
        self._change(lambda row: environment_of(row.as_dict(), self._of_file))  # from here on each says all of its own

    def _run(self) -> None:
        total = sum(work_of(job, self.asked) for job in missing_jobs(self.asked, self.trials, self.runs)) or 1.0
        with self.watcher.steps(STEPS) as steps:
            for of_trials in (True, False):  # which choose the rates of the runs
                jobs = list(missing_jobs(self.asked, self.trials, self.runs))
                self._do([job for job in jobs if job.is_trial == of_trials], steps, total)

    def _do(self, jobs: Sequence[Job], steps: Steps, total: float) -> None:
        """Have the jobs done.

        Raises:
            OutOfTime: the budget is spent; what was being trained is over.
            SkaprofError: machines failed at some of them (exit 1).
        """
        over = 0
        for done in self.elsewhere.done(
            TRAINS, list(map(self._task, jobs)), LONGEST_SECONDS, self._is_late, steps.tell
        ):
            over += 1
            job = jobs[done.place]
            if done.trouble is not None:
                what = f"learning rate {job.learning_rate:g}" if job.is_trial else f"seed {job.seed}"
                self.failures.append(f"  {job.contender.name}, {what}: {done.trouble}")
                continue
            kind = TrialRow if job.is_trial else TrainedRow
            row: TrialRow | TrainedRow = kind.read(done.answer["row"] | done.said)
            self._save(row)
            self._done_work += work_of(job, self.asked)
            steps.at(self._done_work / total)
            self.watcher.say(f"{over} of {len(jobs)}: {outcome(row)}")
        if self.failures:
            raise SkaprofError(
                f"{len(self.failures):,} of {len(jobs):,} networks were not trained to their end:",
                EXIT_CHECK_FAILED,
                below=self.failures,
            )
        if over < len(jobs):
            raise OutOfTime

    def _task(self, job: Job) -> dict[str, Any]:
        rate = rate_of(job, self.asked, self.trials)
        return {
            "asked": self.told,
            "model": job.contender.name,
            "seed": job.seed,
            "learning_rate": rate,
            "is_trial": job.is_trial,
        }

    def _is_late(self) -> bool:
        return monotonic() > self.deadline

    def _close(self) -> None:
        """In the order of one machine's run, each with what its environment has beside all others'."""
        places = {contender.name: place for place, contender in enumerate(self.asked.contenders)}
        rates = self.asked.recipe.learning_rates
        self.trials.sort(key=lambda row: (places[row.model], rates.index(row.learning_rate)))
        self.runs.sort(key=lambda row: (row.seed, places[row.model]))
        if rows := [*self.others, *self.trials, *self.runs]:
            self.environment = shared([row.as_dict()["environment"] for row in rows])
        self._change(lambda row: beside(row.as_dict()["environment"], self.environment))
        super()._close()

    def _change(self, environment: Callable[[Record], Any]) -> None:
        """Give each row another environment."""
        self.others = [row.replace(environment=environment(row)) for row in self.others]
        self.trials = [row.replace(environment=environment(row)) for row in self.trials]
        self.runs = [row.replace(environment=environment(row)) for row in self.runs]

    def _header(self) -> dict[str, Any] | None:
        return self.environment
