"""Other people's counters put to the test: what each counts of a mixer in each spelling, against the closed form.

Each counter runs in a process of its own. Counters replace the functions of a framework while they count, print, and
may kill their interpreter; a process that raised or died is not used again, since it may still have functions replaced.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Thread

from skaprof.analysis.audit import with_reversals
from skaprof.analysis.audit_cases import cases_for
from skaprof.analysis.conventions import PROBED, TRAINED, Reading, conventions
from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Plan, Variant
from skaprof.analysis.planned_rows import most_in_memory
from skaprof.answers import AbsentCounter, AuditRow
from skaprof.count.asked import FORWARD, PROBE, TRAIN, Answer, Case
from skaprof.count.counter_process import died, read_answers, too_long
from skaprof.counters import FRAMEWORKS, SPELLINGS, WITH_BIASES, Counter
from skaprof.model.spec import parse_mixer
from skaprof.subprocesses import run_python
from skaprof.warm_python import Run, warm_python

LONGEST_SECONDS = 60.0
"""A counter that takes longer for one case, or to load, is ended there."""
_MOST_HANGS = 2
"""A counter that did not answer so often is asked no more."""
_STARTING = 60.0
"""Seconds that a process has beside those of its cases."""
_MOST_AT_ONCE = 4
_PROCESS = ("skaprof.count.counter_process", "work")
_LOADED = ("skaprof.count.spellings", "skaprof.count.tracing_warm")
"""What counters of PyTorch modules take most of their start for: loaded once for all."""
_run_afresh: Run = partial(run_python, *_PROCESS)


def audited(
    plan: Plan,
    counters: Sequence[Counter],
    spellings: Collection[str] = (),
    advance: Callable[[], None] = lambda: None,
) -> list[AuditRow]:
    """The rows of every counter, of these spellings or all, as many counters at once as there are cores, up to four,
    and as the memory holds.

    `advance` is called as each is done.

    Raises:
        SkaprofError: the memory does not hold one count.
    """
    at_once = min(most_in_memory(plan) or _MOST_AT_ONCE, os.cpu_count() or 1, _MOST_AT_ONCE)
    forked = forks(counters)
    with forking() if forked else nullcontext(_run_afresh) as run:
        calls = [
            partial(counter_rows, counter, plan, spellings, run if counter in forked else _run_afresh)
            for counter in counters
        ]
        rows = [row for found in _in_parallel(calls, at_once, advance) for row in found]
    return with_reversals(rows)


def forks(counters: Sequence[Counter]) -> list[Counter]:
    """Those that run in forks of a process that has loaded PyTorch, once for all where there are several."""
    in_torch = [counter for counter in counters if "torch" in counter.frameworks]
    return in_torch if len(in_torch) > 1 else []


def forking() -> AbstractContextManager[Run]:
    """What runs a counter in such a fork."""
    return warm_python(*_PROCESS, _LOADED)


def counter_rows(
    counter: Counter, plan: Plan, spellings: Collection[str] = (), run: Run = _run_afresh
) -> list[AuditRow]:
    """As `rows_of_cases`, of the plan's."""
    return rows_of_cases(counter, cases_of(counter, plan, spellings), run)


def cases_of(counter: Counter, plan: Plan, spellings: Collection[str] = ()) -> list[Case]:
    """What the counter is asked about a plan, in these spellings or all."""
    return [
        Case(spec.text, spelling.name, tuple(w), mode, spelling.framework)
        for spec, w, spelling, mode in cases_for(counter, plan, spellings)
    ]


def rows_of_cases(counter: Counter, cases: Sequence[Case], run: Run = _run_afresh) -> list[AuditRow]:
    """One row a case: the closed form's figures, what the counter made of it, and what explains it."""
    if not cases:
        return []
    probes = probes_of(counter)
    answers = ask(counter, [*cases, *probes], run=run)
    said = _conventions(counter, probes, answers[len(cases) :])
    return [case_row(counter, case, answer, said) for case, answer in zip(cases, answers[: len(cases)], strict=True)]


def probes_of(counter: Counter) -> list[Case]:
    """The probes that the counter can be asked about, forward and in training; of several frameworks, the first's."""
    framework = counter.frameworks[0]
    forward = PROBED[framework] if counter.loader else ()
    trained = [name for name in TRAINED if name in PROBED[framework] and counter.training]
    modes = ((FORWARD, forward), (TRAIN, trained))
    return [Case(PROBE, name, (), mode, framework) for mode, names in modes for name in names]


def _conventions(counter: Counter, probes: Sequence[Case], answers: Sequence[Answer]) -> list[str]:
    readings: dict[str, dict[str, Reading]] = {FORWARD: {}, TRAIN: {}}
    for probe, answer in zip(probes, answers, strict=True):
        if answer.error is None:
            params = None if answer.params is None else round(answer.params)
            readings[probe.mode][probe.spelling] = Reading(answer.counted, params)
    return conventions(readings[FORWARD], readings[TRAIN], counter.unit)


def _in_parallel(
    calls: Sequence[Callable[[], list[AuditRow]]], at_once: int, advance: Callable[[], None]
) -> Iterator[list[AuditRow]]:
    """What each call gives, in their order; an error of one is raised.

    The threads do not keep the program from ending: whoever interrupts it waits for no counter.
    """
    waiting: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[tuple[int, list[AuditRow] | BaseException]] = SimpleQueue()
    stopped = Event()
    for place in range(len(calls)):
        waiting.put(place)

    def serve() -> None:
        while not stopped.is_set():
            try:
                place = waiting.get_nowait()
            except Empty:
                return
            try:
                done.put((place, calls[place]()))
            except BaseException as error:  # raised where it is waited for
                done.put((place, error))

    for _ in range(min(at_once, len(calls))):
        Thread(target=serve, daemon=True).start()
    found: dict[int, list[AuditRow]] = {}
    try:
        for _ in calls:
            place, rows = done.get()
            if isinstance(rows, BaseException):
                raise rows
            found[place] = rows
            advance()
    finally:
        stopped.set()
    return iter([found[place] for place in range(len(calls))])


def ask(
    counter: Counter, cases: Sequence[Case], limit: float = LONGEST_SECONDS, run: Run = _run_afresh
) -> list[Answer]:
    """What the counter says of each case, through as many processes as it takes."""
    answers: list[Answer] = []
    while len(answers) < len(cases):
        if sum(answer.error == too_long(limit) for answer in answers) >= _MOST_HANGS:
            answers += [Answer(error=f"not tried: {_MOST_HANGS} times it gave no answer within {limit:g} s")] * (
                len(cases) - len(answers)
            )
            break
        answers += _ask_one_process(counter, cases[len(answers) :], limit, run)
    return answers


def _ask_one_process(counter: Counter, cases: Sequence[Case], limit: float, run: Run) -> list[Answer]:
    """The answers of one process: one or more, the last of them an error where it ended early."""
    modes = {case.mode for case in cases}
    loaders = {mode: counter.training if mode == TRAIN else counter.loader for mode in sorted(modes)}
    task = {"loaders": loaders, "builders": FRAMEWORKS, "limit": limit, "cases": [asdict(case) for case in cases]}
    # other frameworks have threads from the start, which no fork outlives
    may_fork = sys.platform == "linux" and counter.frameworks == ("torch",)
    ended = run(task | {"forks": may_fork}, (len(cases) + 2) * limit + _STARTING)
    answers = list(read_answers(ended.output.splitlines()))
    return [*answers, *died(len(answers), len(cases), ended.trouble)]


def case_row(counter: Counter, case: Case, answer: Answer, said: Sequence[str]) -> AuditRow:
    """The row of a case; `said` explains the counter's answers."""
    variant = Variant(parse_mixer(case.mixer), SPELLINGS[case.spelling].form, case.mode)
    if case.spelling in WITH_BIASES:
        variant = variant._replace(spec=parse_mixer(f"{variant.spec.mixer.name}:bias=true"))
    costs = cost_row(variant, case.workload)
    macs = None if answer.counted is None else answer.counted / counter.per_mac
    kept = cost_row(variant._replace(mode=TRAIN), case.workload) if counter.memory == "saved_bytes" else costs
    memory = getattr(kept, counter.memory) if counter.memory else 0
    return AuditRow(
        **costs.replace(mixer=case.mixer).as_dict(),
        spelling=case.spelling,
        counter=counter.name,
        counter_version=counter.version,
        counter_unit=counter.unit,
        counted=answer.counted,
        macs_counted=macs,
        captured=macs / costs.macs if macs is not None and costs.macs else None,
        counter_params=None if answer.params is None else round(answer.params),
        counter_bytes=answer.memory,
        memory_figure=counter.memory or None,
        memory_captured=answer.memory / memory if answer.memory is not None and memory else None,
        seconds=answer.seconds,
        error=answer.error,
        side_effects=list(answer.side_effects),
        conventions=list(said),
    )


def absent_row(counter: Counter) -> AbsentCounter:
    """The row of a counter that is not installed."""
    return AbsentCounter(counter=counter.name, counter_unit=counter.unit, error=counter.why_absent)
