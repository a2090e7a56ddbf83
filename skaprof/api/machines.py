"""Mixers and their kernels against a machine's ceilings."""

from __future__ import annotations

from skaprof.analysis.roofline_request import machine_rows, measured_against, peaks_of
from skaprof.analysis.roofline_rows import RooflinePoint, measured_with_tf32
from skaprof.answers import RooflineRow
from skaprof.api.arguments import Grid, Path, Sizes, Words, mixer_texts, plan_of
from skaprof.api.loading import load_predict
from skaprof.api.rows import Rows
from skaprof.errors import SkaprofError, named
from skaprof.model.hardware import find_hardware
from skaprof.model.mixers import DEFAULT_MIXERS
from skaprof.saved import read_results
from skaprof.workload import DEFAULT_DIM


def roofline(
    mixer: Words | None = None,
    *,
    hardware: Path = "h100-sxm",
    tokens: Sizes | None = None,
    size: Grid | None = None,
    dim: Sizes | None = None,
    batch: Sizes | None = None,
    heads: Sizes | None = None,
    head_dim: Sizes | None = None,
    kernel_size: Sizes | None = None,
    dtype: Words | None = None,
    implementation: Words | None = None,
    per_op: bool = False,
    results: Path | None = None,
    tf32: bool = False,
    allow_different_machine: bool = False,
) -> Rows[RooflineRow]:
    """Arithmetic intensity, bound, ideal and predicted time of mixers on a machine, forward.

    >>> rows = skaprof.roofline("ska", hardware="h100-sxm", tokens=196, dim=256)
    >>> rows[0].bound, round(rows[0].intensity, 1)
    ('memory', 14.5)

    Args:
        hardware: a machine's name, or a TOML file, such as `skaprof calibrate` writes.
        mixer, tokens, size, dim, batch, heads, head_dim, kernel_size, dtype, implementation: as `sweep` has them, with
            its defaults; none but mixer with `results`.
        per_op: a row for each kernel of each mixer.
        results: a file of `skaprof latency`: its rows of mixers are held against the ceilings.
        tf32: against the machine's TF32 peak; the bytes stay float32's.
        allow_different_machine: predict all the same by a calibration of another processor, PyTorch or thread count
            than the times.

    Returns:
        Rows with `intensity` in FLOPs a byte, `ideal_ms` at the ceilings, `predicted_ms` for a calibrated machine, and
        with `results` `measured_ms` and the shares of the peak; times in milliseconds, None where unknown.

    Raises:
        SkaprofError: a value that is not valid, a machine without a peak of the dtype, a file without measured rows,
            times that the machine could not reach, or a calibration of another machine.
    """
    machine = find_hardware(str(hardware))
    texts = None if mixer is None else mixer_texts(mixer, "mixer")
    sizes = (tokens, size, dim, batch, heads, head_dim, kernel_size)
    if results is None:
        forms = (dtype or "float32", "forward", implementation or "eager")
        others = (dim if dim is not None else DEFAULT_DIM, batch if batch is not None else 1, *sizes[4:])
        plan = plan_of(texts or DEFAULT_MIXERS, tokens, size, *others, *forms)
        points, notes = [RooflinePoint(row.variant, row.workload) for row in plan.rows()], list[str]()
    else:
        if per_op or any(value is not None for value in (*sizes, dtype, implementation)):
            raise SkaprofError(
                f"{named('results')}: sizes, dtypes and implementations are those of the file, and its times are of "
                f"whole mixers: expected none of them, and no {named('per_op')}"
            )
        saved = read_results(str(results), named("results"))
        points, notes = measured_against(saved, texts, machine, allow_different_machine=allow_different_machine)
        tf32 = tf32 or measured_with_tf32(saved)
    peaks_of(points, tf32=tf32)
    predict = None if per_op else load_predict(machine, allow_different_machine=allow_different_machine)
    return Rows(machine_rows(points, machine, tf32=tf32, per_op=per_op, predict=predict), notes)
