"""What is asked of a crossover: which mixers, along which axis, and the times to find crossings in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from skaprof.analysis.mixer_pair import AXES, MixerPair, Sizes, has_axis, make_pair
from skaprof.errors import SkaprofError, named, shown
from skaprof.model.hardware import Hardware
from skaprof.model.mixers import DEFAULT_MIXERS
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.workload import check_choice

if TYPE_CHECKING:
    from skaprof.analysis.crossover_times import SampledTimes
    from skaprof.analysis.roofline_rows import Predict
    from skaprof.saved import SavedResults


def free_axis(axis: str, patch: object, sizes: Mapping[str, object]) -> str:
    """The size that grows, if it is left to the axis; `sizes` are as the user gave them, None where not.

    Raises:
        SkaprofError: an unknown axis, a value for it, or a patch without a resolution.
    """
    axis = check_choice(named("axis"), axis, AXES)
    if patch is not None and axis != "resolution":
        raise SkaprofError(f"{named('patch')}: {shown(patch)}: expected {named('axis')} resolution with it")
    taken = "tokens" if axis == "resolution" else axis
    if sizes.get(taken) is not None:
        raise SkaprofError(f"{named(taken)} and {named('axis')} {axis} both set it: expected one of them")
    return axis


def require_tf32_machine(machine: Hardware | None, dtype: str, *, tf32: bool) -> None:
    """Raise unless TF32 is left out, or asked of a machine in float32.

    Raises:
        SkaprofError: it is asked for without.
    """
    if tf32 and (machine is None or dtype != "float32"):
        raise SkaprofError(f"{named('tf32')}: expected {named('hardware')} and {named('dtype')} float32 with it")


def pairs_of(mixers: Sequence[str] | None, baseline: str, axis: str, sizes: Sizes) -> list[MixerPair]:
    """Each mixer, once, against the baseline; the default mixers that have the axis where none is named.

    Raises:
        SkaprofError: an unknown mixer, or as `make_pair`.
    """
    reference = parse_mixer(baseline, named("baseline"))
    specs = [parse_mixer(text, named("mixer")) for text in mixers or _default_mixers(reference, axis)]
    return [make_pair(spec, reference, axis, sizes) for spec in {spec.text: spec for spec in specs}.values()]


def _default_mixers(reference: MixerSpec, axis: str) -> list[str]:
    """The default mixers but the baseline; on an axis that some lack, those that have it."""
    others = [name for name in DEFAULT_MIXERS if name != reference.text]
    return [name for name in others if has_axis(parse_mixer(name), axis) or has_axis(reference, axis)] or others


def times_of(
    pair: MixerPair, saved: SavedResults | None, machine: Hardware | None, predict: Predict | None, *, tf32: bool
) -> list[SampledTimes]:
    """The pair's times: as predicted for a machine, and as a results file has them.

    Raises:
        SkaprofError: a file without times of both, or a machine without a peak of the dtype.
    """
    from skaprof.analysis.crossover_times import measured_times, predicted_times

    found = predicted_times(pair, machine, predict, tf32=tf32) if machine is not None else []
    return [*found, *(measured_times(saved, pair) if saved is not None else [])]
