"""What is asked of a search: the candidates of each stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from skaprof.analysis.search import expanded, open_axes
from skaprof.errors import bad_value, named
from skaprof.model.choice import Choice, parse_override
from skaprof.model.mixers import DEFAULT_MIXERS
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.workload import require_odd_kernel


def candidates_of(
    choice: Choice,
    mixers: Sequence[str] | None,
    stages: Iterable[str],
    kernel_sizes: Sequence[int] = (),
    head_dims: Sequence[int] = (),
) -> list[list[MixerSpec]]:
    """The candidates of each stage: those of `stages` (`3=ska`) where there are some, else the mixers.

    Those are the backbone's own and the default ones where none is named. A candidate that leaves its kernel size or
    head width open stands for one at each of these.

    Raises:
        SkaprofError: an unknown mixer or stage, mixers for which no stage is left, or sizes that no candidate takes.
    """
    for size in kernel_sizes:
        require_odd_kernel(size, named("kernel_size"))
    of_stages: list[list[str]] = [[] for _ in choice.stages]
    for setting in stages:
        number, text = parse_override(choice.backbone, setting)
        of_stages[number - 1].append(parse_mixer(text, named("stage")).text)
    if mixers and all(of_stages):
        expected = f"a stage that is left to it, and {named('stage')} names candidates for each"
        raise bad_value(named("mixer"), mixers[0], expected)
    everywhere = list(mixers or [*(spec.text for spec in choice.kinds), *DEFAULT_MIXERS])
    texts = [of_stage or everywhere for of_stage in of_stages]
    axes = {axis for text in {*chain(*texts)} for axis in open_axes(parse_mixer(text, named("mixer")))}
    for axis, values in (("kernel_size", kernel_sizes), ("head_dim", head_dims)):
        if values and axis not in axes:
            expected = f"a candidate that has a {axis} and names none, and there is none"
            raise bad_value(named(axis), ",".join(map(str, values)), expected)
    return [
        expanded(of_stage, kernel_sizes, head_dims, named("stage" if own else "mixer"))
        for of_stage, own in zip(texts, of_stages, strict=True)
    ]
