"""Other people's counters put to the test: what each counts of a mixer in each spelling, against the closed form.

Each counter runs in a process of its own. Counters replace PyTorch's functions while they count, print, and may kill
their interpreter; a process that raised or died is not used again, since it may still have functions replaced.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from math import isfinite
from typing import Any

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Plan, Variant
from skaprof.answers import AbsentCounter, AuditRow
from skaprof.counters import SPELLINGS, WITH_BIASES, Counter
from skaprof.model.spec import parse_mixer
from skaprof.subprocesses import run_python
from skaprof.workload import Workload

LONGEST_SECONDS = 120.0
"""A process of a counter that takes longer is ended, and the spelling it was at has no count."""


@dataclass(frozen=True, slots=True)
class Case:
    """One mixer in one spelling at its sizes. Plain values, so that it travels."""

    mixer: str
    spelling: str
    sizes: tuple[int | None, ...]

    @property
    def workload(self) -> Workload:
        """The sizes."""
        return Workload(*self.sizes)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a counter said of a case, in its own unit, and how long that took; or why it said nothing."""

    counted: float | None
    seconds: float | None
    error: str | None = None


def cases_of(plan: Plan) -> list[Case]:
    """Every row of the plan in each of its mixer's spellings."""
    from skaprof.count.spellings import spellings_of

    return [
        Case(row.variant.spec.text, spelling, tuple(row.workload))
        for row in plan.rows()
        for spelling in spellings_of(row.variant.spec, row.workload)
    ]


def audit_rows(counter: Counter, cases: Sequence[Case]) -> list[AuditRow]:
    """One row for each case: the closed form's figures, and what the counter made of it."""
    return [_row(counter, case, answer) for case, answer in zip(cases, ask(counter, cases), strict=True)]


def ask(counter: Counter, cases: Sequence[Case], longest: float = LONGEST_SECONDS) -> list[Answer]:
    """What the counter says of each case, through as many processes as it takes."""
    answers: list[Answer] = []
    while len(answers) < len(cases):
        answers += _ask_one_process(counter, cases[len(answers) :], longest)
    return answers


def _ask_one_process(counter: Counter, cases: Sequence[Case], longest: float) -> list[Answer]:
    """The answers of one process: one or more, the last of them an error where it ended early."""
    task = {"loader": counter.loader, "cases": [asdict(case) for case in cases]}
    ended = run_python("skaprof.count.audit", "work", task, longest)
    answers = [Answer(**json.loads(line)) for line in ended.output.splitlines() if line.endswith("}")]
    if len(answers) < len(cases) and (ended.trouble or not answers):
        answers.append(Answer(None, None, ended.trouble or "its process ended without an answer"))
    return answers


def work(task: Mapping[str, Any]) -> None:
    """What the process does: one answer a line on stdout, which counters cannot reach."""
    with os.fdopen(os.dup(1), "w", buffering=1) as stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        cases = [Case(case["mixer"], case["spelling"], tuple(case["sizes"])) for case in task["cases"]]
        for answer in answers_of(task["loader"], cases):
            stdout.write(json.dumps(asdict(answer)) + "\n")


def answers_of(loader: str, cases: Sequence[Case]) -> Iterator[Answer]:
    """The answers of the counter that `loader` loads, up to its first error."""
    module, _, function = loader.partition(":")
    try:
        count = getattr(import_module(module), function)()
    except Exception as error:
        yield from [Answer(None, None, f"it cannot be loaded: {_said(error)}")] * len(cases)
        return
    for case in cases:
        answer = _answer(count, case)
        yield answer
        if answer.error:
            return


def _answer(count: Callable[..., float], case: Case) -> Answer:
    import torch

    from skaprof.count.spellings import build_spelling

    w = case.workload
    module = build_spelling(parse_mixer(case.mixer), w, case.spelling)
    x = torch.randn(w.batch, w.tokens, w.dim)
    start = time.perf_counter()
    try:
        counted = count(module, x)
    except Exception as error:
        return Answer(None, None, _said(error))
    seconds = time.perf_counter() - start
    if not isfinite(counted):
        return Answer(None, None, f"it counted {counted}")
    return Answer(counted, seconds)


def _said(error: Exception) -> str:
    """The error's type and first line."""
    text = (str(error).strip() or "no message").splitlines()[0][:200]
    return f"{type(error).__name__}: {text}"


def _row(counter: Counter, case: Case, answer: Answer) -> AuditRow:
    variant = Variant(parse_mixer(case.mixer), SPELLINGS[case.spelling].form)
    if case.spelling in WITH_BIASES:
        variant = variant._replace(spec=parse_mixer(f"{variant.spec.mixer.name}:bias=true"))
    costs = cost_row(variant, case.workload)
    macs = None if answer.counted is None else answer.counted / counter.per_mac
    return AuditRow(
        **costs.replace(mixer=case.mixer).as_dict(),
        spelling=case.spelling,
        counter=counter.name,
        counter_version=counter.version,
        counter_unit=counter.unit,
        counted=answer.counted,
        macs_counted=macs,
        captured=macs / costs.macs if macs is not None and costs.macs else None,
        seconds=answer.seconds,
        error=answer.error,
    )


def absent_row(counter: Counter) -> AbsentCounter:
    """The row of a counter that is not installed."""
    error = f"not installed; run: {counter.install}"
    return AbsentCounter(counter=counter.name, counter_unit=counter.unit, error=error)
