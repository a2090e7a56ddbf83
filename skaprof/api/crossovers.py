"""Where one mixer overtakes another along a size."""

from __future__ import annotations

from skaprof.analysis.crossover_request import free_axis, pairs_of, require_tf32_machine, times_of
from skaprof.analysis.mixer_pair import Sizes
from skaprof.answers import CrossoverRow
from skaprof.api.arguments import Path, Words, mixer_texts
from skaprof.api.loading import load_predict
from skaprof.api.rows import Rows
from skaprof.errors import named, needing
from skaprof.grids import DEFAULT_PATCH, parse_count
from skaprof.model.hardware import find_hardware
from skaprof.saved import read_results
from skaprof.workload import DEFAULT_DIM, DEFAULT_TOKENS, DTYPE_BYTES, check_choice, require_odd_kernel


def crossover(
    mixer: Words | None = None,
    baseline: str = "mhsa",
    axis: str = "tokens",
    *,
    tokens: int | None = None,
    patch: int | None = None,
    dim: int | None = None,
    batch: int = 1,
    heads: int | None = None,
    head_dim: int | None = None,
    kernel_size: int | None = None,
    dtype: str = "float32",
    results: Path | None = None,
    hardware: Path | None = None,
    tf32: bool = False,
    allow_different_machine: bool = False,
) -> Rows[CrossoverRow]:
    """Where each mixer starts or stops costing less than the baseline as a size grows: a row for each crossing.

    In parameters, MACs, activation traffic and memory saved for backward, exactly, from the closed forms; one row says
    so where two costs never cross.

    >>> first = skaprof.crossover("cska", axis="tokens", dim=320)[0]
    >>> first.metric, first.winner_below, first.winner_above
    ('params', 'cska', 'mhsa')

    Args:
        mixer: a spec or several; the default mixers but the baseline where None.
        baseline: what each is compared with.
        axis: "tokens", "resolution", "dim", "heads" or "kernel_size": the size that grows, which is then not given.
        tokens, dim, batch, heads, head_dim, kernel_size: as `cost` has them, one value each.
        patch: pixels of a patch's side, on the axis "resolution" only; 16 where None.
        dtype: sets the bytes.
        results: a file of `skaprof latency`, which adds measured time: between which sizes the verdict changes.
        hardware: a machine's name or TOML file, which adds predicted time, or time at the ceilings.
        tf32: against the machine's TF32 peak.
        allow_different_machine: predict all the same by a calibration of another PyTorch than the one here.

    Returns:
        Rows whose `crossover` is the real size at which both cost the same, None where they never do; `last_win` and
        `first_win` are the whole sizes beside it at which the mixer costs less, and `winner_below` and `winner_above`
        say who does, by spec.

    Raises:
        SkaprofError: a value that is not valid, an axis that neither mixer has or that is given too, or a file without
            times of both mixers.
    """
    given = {"tokens": tokens, "dim": dim, "heads": heads, "kernel_size": kernel_size}
    axis = free_axis(axis, patch, given)
    saved = None if results is None else read_results(str(results), named("results"))
    machine = None if hardware is None else find_hardware(str(hardware))
    require_tf32_machine(machine, dtype, tf32=tf32)
    kernel = _one("kernel_size", kernel_size)
    sizes = Sizes(
        parse_count(named("batch"), batch),
        _one("tokens", tokens) or DEFAULT_TOKENS,
        _one("dim", dim) or DEFAULT_DIM,
        _one("heads", heads),
        _one("head_dim", head_dim),
        None if kernel is None else require_odd_kernel(kernel, named("kernel_size")),
        _one("patch", patch) or DEFAULT_PATCH,
        check_choice(named("dtype"), dtype, tuple(DTYPE_BYTES)),
    )
    with needing("skaprof.crossover"):
        from skaprof.analysis.crossover import crossover_rows
    from skaprof.analysis.crossover_times import sampled_rows

    texts = None if mixer is None else mixer_texts(mixer, "mixer")
    rows: list[CrossoverRow] = []
    notes = [saved.warning] if saved is not None and saved.warning else []
    allowed = allow_different_machine
    predict = None if machine is None else load_predict(machine, allow_different_machine=allowed)
    for pair in pairs_of(texts, baseline, axis, sizes):
        timed = times_of(pair, saved, machine, predict, tf32=tf32)
        notes += filter(None, (each.notice(axis) for each in timed))
        rows += [*crossover_rows(pair), *sampled_rows(pair, timed)]
    return Rows(rows, notes)


def _one(name: str, value: int | None) -> int | None:
    return None if value is None else parse_count(named(name), value)
