"""What a backbone costs, its proof, and the best mixers for its stages."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

from skaprof.analysis.limits import parse_limit
from skaprof.analysis.scopes import DEPTHS, costed
from skaprof.analysis.search import DEFAULT_OBJECTIVES, PLACES, SEARCHED, make_search
from skaprof.analysis.search_front import find, found_rows
from skaprof.analysis.search_request import candidates_of
from skaprof.api.arguments import (
    Sizes,
    Words,
    choices_of,
    dtype_and_mode,
    mixer_texts,
    one_network,
    sizes_of,
    words_of,
)
from skaprof.api.loading import load_machine, load_verify_network
from skaprof.api.rows import Rows
from skaprof.errors import named
from skaprof.model.network import HEADED_TASK
from skaprof.results import ScopeRow
from skaprof.workload import check_choice

if TYPE_CHECKING:
    from skaprof.count.verification import Verification


def model_cost(
    name: str | PathLike[str],
    mixers: Words | None = None,
    *,
    resolution: int | tuple[int, int] | None = None,
    task: str = HEADED_TASK,
    depth: str = "stage",
    batch: int = 1,
    dtype: str = "float32",
    mode: str = "forward",
    implementation: str = "eager",
) -> list[ScopeRow]:
    """What a whole backbone costs with these mixers: a row for each stage or block, or one for all of it.

    >>> rows = skaprof.model_cost("caformer_s18[stage3=ska]")
    >>> [(row.scope, row.macs_delta) for row in rows if row.macs_delta]
    [('stage3', -180633600)]

    Args:
        name: "caformer_s18", "caformer_s18[stage3=ska]" or the path of a TOML file.
        mixers: a spec for each stage, or one for all, as text with commas or an iterable; the backbone's own if None.
        resolution: image side, or (height, width), in pixels; the task's where None.
        task: "classification", or "detection" (800 x 1280) or "segmentation" (512 x 2048), which have no head.
        depth: "block", "stage" or "total".
        batch, dtype, mode, implementation: as `cost` has them; a mixer without the implementation runs in eager form.

    Raises:
        SkaprofError: a value that is not valid or sizes that do not fit.
    """
    deep = check_choice(named("depth"), depth, DEPTHS)
    network = one_network(name, mixers, resolution, task, batch, implementation)
    return costed(network, *dtype_and_mode(dtype, mode)).rows(deep)


def verify_model(
    name: str | PathLike[str],
    mixers: Words | None = None,
    *,
    resolution: int | tuple[int, int] | None = None,
    task: str = HEADED_TASK,
    batch: int = 1,
    dtype: str = "float32",
    mode: str = "forward",
    implementation: str = "eager",
) -> Verification:
    """The proof of `model_cost` with the same arguments: the built network, fvcore and FlopCounterMode, op by op.

    >>> skaprof.verify_model("vit_cifar", "ska").verified
    True

    Raises:
        SkaprofError: as `model_cost`; also where torch or fvcore is not installed.
    """
    network = one_network(name, mixers, resolution, task, batch, implementation)
    return load_verify_network()(network, *dtype_and_mode(dtype, mode))


def search(
    name: str | PathLike[str],
    mixer: Words | None = None,
    *,
    stage: Words = (),
    kernel_size: Sizes | None = None,
    head_dim: Sizes | None = None,
    per: str = "stage",
    hardware: str | PathLike[str] | None = None,
    allow_different_machine: bool = False,
    objective: Words = DEFAULT_OBJECTIVES,
    limit: Words = (),
    resolution: int | tuple[int, int] | None = None,
    task: str = HEADED_TASK,
    batch: int = 1,
    dtype: str = "float32",
    mode: str = "forward",
    implementation: str = "eager",
) -> Rows[ScopeRow]:
    """The networks that no other mixers beat: the Pareto front of the objectives, within the limits.

    >>> rows = skaprof.search("caformer_s18", limit="params<=26M")
    >>> rows[0].mixer
    'mhsa,mhsa,ska,ska'

    Args:
        name: as `model_cost` has it.
        mixer: candidates for every stage; the backbone's own and the default mixers where None.
        stage: candidates for one stage, which then has only such: "3=ska".
        kernel_size, head_dim: each candidate that leaves it open, at each of these.
        per: "stage", whose blocks then have the same mixer, or "block", where every block may have its own.
        hardware: a file of `skaprof calibrate`, for the objective and limit "predicted_ms".
        allow_different_machine: predict all the same by a calibration of another PyTorch than the one here.
        objective: what to minimize; the first sorts.
        limit: what a network must keep to: "params<=28M", "macs<=4.1G", "traffic_bytes<=350MiB".
        resolution, task, batch, dtype, mode, implementation: as `model_cost` has them.

    Returns:
        A row for each network on the front, as `model_cost(..., depth="total")` has it; none where no network is within
        the limits, and then `notes` says which comes nearest.

    Raises:
        SkaprofError: a value that is not valid, sizes that do not fit, or a front of too many networks.
    """
    objectives = choices_of("objective", objective, SEARCHED)
    limits = [parse_limit(named("limit"), str(text)) for text in words_of("limit", limit)] if limit else []
    network = one_network(name, None, resolution, task, batch, implementation)
    candidates = candidates_of(
        network.choice,
        None if mixer is None else mixer_texts(mixer, "mixer"),
        map(str, words_of("stage", stage) if stage else []),
        () if kernel_size is None else sizes_of("kernel_size", kernel_size),
        () if head_dim is None else sizes_of("head_dim", head_dim),
    )
    machine = load_machine(
        None if hardware is None else str(hardware),
        [*objectives, *(limit.metric for limit in limits)],
        allow_different_machine=allow_different_machine,
    )
    made = make_search(
        network, candidates, *dtype_and_mode(dtype, mode), check_choice(named("per"), per, PLACES), machine
    )
    found = find(made, objectives, limits)
    from skaprof.report.search import left_out_words, nothing_within

    notes = [*left_out_words([made]), *([] if found.front else [nothing_within(made, found, "")])]
    return Rows(found_rows(made, found), notes)
