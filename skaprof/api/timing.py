"""How long mixers take here. Needs torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

from skaprof.api.arguments import Grid, Sizes, Words, choices_of, plan_of
from skaprof.api.rows import Rows
from skaprof.errors import bad_value, named, needing, require_package
from skaprof.implementations import (
    GRAPHS,
    IMPLEMENTATIONS,
    PRECISIONS,
    PYTORCH,
    RUNTIMES,
    TIMINGS,
    all_implementations,
)
from skaprof.measured import result_row
from skaprof.model.mixers import DEFAULT_MIXERS
from skaprof.results import ResultRow
from skaprof.runtimes import require_runtimes
from skaprof.workload import DEFAULT_DIM, USUAL_FORMS, check_choice


def latency(
    mixer: Words = DEFAULT_MIXERS,
    *,
    tokens: Sizes | None = None,
    size: Grid | None = None,
    dim: Sizes = DEFAULT_DIM,
    batch: Sizes = 1,
    heads: Sizes | None = None,
    head_dim: Sizes | None = None,
    kernel_size: Sizes | None = None,
    class_token: bool = False,
    dtype: Words = "float32",
    mode: Words = "forward",
    implementation: Words = USUAL_FORMS,
    device: str = "auto",
    timing: str | None = None,
    baseline: str | None = None,
    tolerance: float = 2,
    max_seconds: float = inf,
    tf32: bool = False,
    runtime: Words = PYTORCH,
    runtime_precision: Words = PRECISIONS[0],
) -> Rows[ResultRow]:
    """How long mixers take here: median, 95 % interval, ratio to the baseline, verdict, and the evidence.

    All mixers of one size are timed in interleaved rounds, and the baseline twice: what it differs from itself widens
    the tolerance. What cannot run here is a row that says why. To save each size as it is measured, and go on after a
    crash, use `skaprof latency --output FILE.jsonl`.

    >>> rows = skaprof.latency("ska", tokens=4, dim=8, implementation="eager", device="cpu", max_seconds=1)
    >>> rows[0].verdict, rows[0].median_ms > 0
    ('baseline', True)

    Args:
        mixer, tokens, size, dim, batch, heads, head_dim, kernel_size, class_token, dtype, mode: as `sweep` has them.
        implementation: "eager", "channels-last", "sdpa", "sdpa-flash", "sdpa-efficient", "sdpa-cudnn", "sdpa-math",
            "tiled", "triton" or "compile", one or several; "all".
        device: "auto", "cpu", "cuda" or "cuda:INDEX".
        timing: "cold", "hot", "graph", "graph-resident" or "wall"; cold on a GPU and hot on a processor where None.
        baseline: a mixer, with which each form is compared in the same form, or "MIXER/IMPLEMENTATION"; the first
            mixer where None.
        tolerance: per cent; differences below it are none.
        max_seconds: of the whole run, shared among its sizes; one that was begun is brought to two rounds.
        tf32: allow TF32, for matrix products and convolutions alike.
        runtime: "pytorch", "onnxruntime" or "openvino", one or several: others are given each mixer's export to ONNX,
            on a processor, forward.
        runtime_precision: what those compute in: "float32", "bfloat16", "float16", "int8-weights" or
            "uint8-weights", one or several.

    Returns:
        A row for each mixer, implementation and size, with times in milliseconds; `notes` says where time ran out.

    Raises:
        SkaprofError: a value that is not valid, a device that is not here, or torch, Triton or a runtime that is not
            installed.
    """
    require_package("torch", "skaprof.latency")
    runtimes = tuple(choices_of("runtime", runtime, RUNTIMES))
    precisions = tuple(choices_of("runtime_precision", runtime_precision, PRECISIONS))
    require_runtimes(runtimes)
    share, seconds = _positive("tolerance", tolerance) / 100, _positive("max_seconds", max_seconds)
    if timing is not None:
        timing = check_choice(named("timing"), timing, TIMINGS)
    sizes = (tokens, size, dim, batch, heads, head_dim, kernel_size)
    plan = plan_of(mixer, *sizes, dtype, mode, "eager", class_token=class_token)
    with needing("skaprof.latency"):
        from skaprof.bench.baseline import baseline_label
        from skaprof.bench.configuration import Options, configurations, open_device
        from skaprof.bench.environment import resolve_device
        from skaprof.bench.measuring import measure_configuration
        from skaprof.bench.runtimes import in_runtimes

    where = resolve_device(device)
    on_gpu = where != "cpu"
    if tf32 and not on_gpu:
        raise bad_value(named("tf32"), tf32, "a GPU: a processor has no TF32")
    names = _implementations(implementation, on_gpu=on_gpu)
    groups = in_runtimes(list(configurations(plan, names)), runtimes, precisions, where)
    options = Options(where, _timing(timing, on_gpu=on_gpu), share, tf32, **baseline_label(baseline, groups))
    timer = open_device(where, runtimes=runtimes)
    deadline = timer.now() + seconds
    rows: list[dict[str, object]] = []
    with _tf32_of_this_run(tf32):
        for place, group in enumerate(groups):
            now = timer.now()
            if now > deadline:
                return Rows(map(result_row, rows), [f"{place:,} of {len(groups):,} sizes measured when time ran out"])
            rows += measure_configuration(group, options, timer, now + (deadline - now) / (len(groups) - place))
    return Rows(map(result_row, rows))


@contextmanager
def _tf32_of_this_run(enabled: bool) -> Iterator[None]:
    """TF32 as this run has it, and afterwards as the caller's process has it."""
    from torch import backends

    from skaprof.bench.environment import put_tf32

    before = backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32
    put_tf32(enabled)
    try:
        yield
    finally:
        backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32 = before


def _positive(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise bad_value(named(name), value, "a number above 0")
    return float(value)


def _implementations(given: Words, *, on_gpu: bool) -> tuple[str, ...]:
    if str(given).lower() == "all":
        return all_implementations(on_gpu=on_gpu)
    names = tuple(dict.fromkeys(choices_of("implementation", given, tuple(IMPLEMENTATIONS))))
    if on_gpu:
        from skaprof.bench.environment import require_installed

        require_installed(names)
    return names


def _timing(timing: str | None, *, on_gpu: bool) -> str:
    if timing is None:
        return "cold" if on_gpu else "hot"
    if timing in GRAPHS and not on_gpu:
        raise bad_value(named("timing"), timing, "cold, hot or wall on a processor: graphs are CUDA's")
    return timing
