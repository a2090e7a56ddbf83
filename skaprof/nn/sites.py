"""Where in a model a token mixer may stand: modules that patterns match, and the sizes an example input gives them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import torch
from torch import Tensor, nn

from skaprof.errors import SkaprofError, bad_value, named
from skaprof.foreign_code import MAP_LAYOUTS, reason_of, require_same_shape
from skaprof.grids import parse_count
from skaprof.model.spec import MixerSpec
from skaprof.nn.dropped import Dropped, dropped_by
from skaprof.nn.input_layout import layout_of, workload_of
from skaprof.nn.model_call import ModelCall
from skaprof.nn.recorded_calls import SubmoduleCall, argument_names, recorded
from skaprof.workload import Workload


class Site(NamedTuple):
    """A module to replace in all places where it stands: by what, the sizes of its input, and how it is called.

    `layout` is BNC, NBC, BHWC or BCHW. `has_grid` is False where nothing tells the grid, and the workload's is made up.
    `heads_before` and `head_dim_before` are the replaced module's, None where unknown. `outputs` is how many values it
    gives in a tuple, None for a plain tensor. `device` and `dtype` are its parameters', or its input's. `dropped` is
    what the mixer has nothing of the kind of.
    """

    places: tuple[str, ...]
    replaced: str
    spec: MixerSpec
    workload: Workload
    layout: str
    has_grid: bool
    heads_before: int | None
    head_dim_before: int | None
    calls: int
    arguments: tuple[str, ...]
    outputs: int | None
    device: torch.device
    dtype: torch.dtype
    dropped: tuple[Dropped, ...]

    @property
    def name(self) -> str:
        """The first of its places."""
        return self.places[0]


class Skipped(NamedTuple):
    """A module that a pattern matches and no mixer can stand for, and why."""

    places: tuple[str, ...]
    replaced: str
    spec: MixerSpec
    reason: str


class Asked(NamedTuple):
    """What the user says of all sites: the tokens' grid, how (B, ., ., .) lies, and the option to name in errors.

    With `skips`, a module that no mixer can stand for is left as it is, and told, unless that is so of all.
    """

    grid: tuple[int, int] | None = None
    layout: str | None = None
    option: str = "replace"
    skips: Callable[[Skipped], None] | None = None


def find_sites(
    model: nn.Module,
    call: ModelCall,
    replacements: Sequence[tuple[str, MixerSpec]],
    asked: Asked,
    warn: Callable[[str], None],
) -> list[Site]:
    """Every module that a pattern matches, outermost only, with the sizes of its input when the model runs.

    A second run at another batch size tells which axis of its input is the batch. A module that does not run is left
    out, and `warn` told so.

    Raises:
        SkaprofError: as `skaprof.nn.swap_mixers`.
    """
    if asked.grid is not None:
        if len(asked.grid) != 2:
            raise bad_value("grid", asked.grid, "a pair (H, W)")
        asked = asked._replace(grid=(parse_count("grid", asked.grid[0]), parse_count("grid", asked.grid[1])))
    _require_open(model, "", asked.option)
    matched = _matched(model, replacements, asked.option)
    for places, _ in matched:
        for place in places:
            _require_open(model, place, asked.option)
    modules = {places[0]: model.get_submodule(places[0]) for places, _ in matched}
    calls = recorded(model, call, modules)
    unrun = [name for name in modules if name not in calls]
    if len(unrun) == len(modules):
        raise SkaprofError(f"{asked.option}: {', '.join(unrun)}: the model does not run it on this input")
    for name in unrun:
        warn(f"{asked.option}: {name}: the model does not run it on this input, and it stays as it is")
    batches = _Batches(model, call, modules)
    ran = [(places, spec) for places, spec in matched if places[0] in calls]
    sites, skipped = _fitting(ran, modules, calls, batches, asked)
    if skipped and not sites:
        raise SkaprofError(f"{asked.option}: nothing is left to replace: {skipped[0].places[0]}: {skipped[0].reason}")
    for each in skipped:
        assert asked.skips is not None
        asked.skips(each)
    if asked.grid is not None and all(site.layout in MAP_LAYOUTS for site in sites):
        raise SkaprofError(f"grid: every input is a map with a grid of its own: leave out {named('size')}")
    return sites


def _fitting(
    matched: Sequence[tuple[tuple[str, ...], MixerSpec]],
    modules: Mapping[str, nn.Module],
    calls: Mapping[str, Sequence[SubmoduleCall]],
    batches: _Batches,
    asked: Asked,
) -> tuple[list[Site], list[Skipped]]:
    """A site for each module that a mixer can stand for, and those that none can, if such may be skipped."""
    sites: list[Site] = []
    skipped: list[Skipped] = []
    for places, spec in matched:
        name = places[0]
        try:
            sites.append(_site(places, modules[name], spec, calls[name], batches, asked))
        except SkaprofError as error:
            if asked.skips is None:
                raise
            reason = error.marked.removeprefix(f"{asked.option}: {name}: ")
            skipped.append(Skipped(places, type(modules[name]).__name__, spec, reason))
    return sites, skipped


def _require_open(model: nn.Module, place: str, option: str) -> None:
    """Raise unless another module can stand in that place: a scripted, traced or compiled one holds its parts fast.

    Raises:
        SkaprofError: the model, the submodule there, or one that it is part of, is such.
    """
    for name in dict.fromkeys(("", *_above(place), place)):
        fixed = fixed_by(model.get_submodule(name) if name else model)
        if fixed:
            is_itself = name == place != ""
            what = f"{place}: {'it' if is_itself else name} is" if name else "the model is"
            swapped = "it" if is_itself else "what is in it"
            raise SkaprofError(f"{option}: {what} {fixed[0]}: replace {swapped} before {fixed[1]}")


def fixed_by(module: nn.Module) -> tuple[str, str] | None:
    """What holds a module's parts fast, and the call that did; None where nothing does."""
    if isinstance(module, torch.jit.ScriptModule):
        is_traced = "Traced" in type(module).__name__  # PyTorch has two classes of them, both private
        return ("traced", "torch.jit.trace") if is_traced else ("scripted", "torch.jit.script")
    is_compiled = hasattr(module, "_orig_mod") or getattr(module, "_compiled_call_impl", None) is not None
    return ("compiled", "torch.compile") if is_compiled else None


def _matched(
    model: nn.Module, replacements: Sequence[tuple[str, MixerSpec]], option: str
) -> list[tuple[tuple[str, ...], MixerSpec]]:
    """The places of each module to replace that is not part of another one, and by what: the first pattern counts."""
    places: dict[nn.Module, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        if name:
            places.setdefault(module, []).append(name)
    chosen: dict[nn.Module, int] = {}
    for number, (pattern, _) in enumerate(replacements):
        hits = [module for module, names in places.items() if _matches(pattern, names, type(module).__name__)]
        if not hits:
            near = [text for module, names in places.items() for text in (_end(names[0]), type(module).__name__)]
            raise bad_value(option, pattern, "the name or the class of a submodule of this model", near)
        for module in hits:
            chosen.setdefault(module, number)
    taken = {name for module in chosen for name in places[module]}
    found = [(tuple(places[module]), chosen[module]) for module in places if module in chosen]
    outermost = [(names, number) for names, number in found if not _is_inside(names, taken, option)]
    used = {number for _, number in outermost}
    for number, (pattern, _) in enumerate(replacements):
        if number not in used:
            raise SkaprofError(
                f"{option}: {pattern}: every submodule that it matches is replaced already, or is part of one that is: "
                "leave it out, or name others"
            )
    return [(names, replacements[number][1]) for names, number in outermost]


def _is_inside(names: Sequence[str], taken: Collection[str], option: str) -> bool:
    """Whether a module of these places is part of a module that is taken.

    Raises:
        SkaprofError: it is, in one place, and is not, in another.
    """
    inside = [name for name in names if any(above in taken for above in _above(name))]
    if inside and len(inside) < len(names):
        outside = next(name for name in names if name not in inside)
        raise SkaprofError(
            f"{option}: {outside} is also {inside[0]}, which is part of a submodule that is replaced: leave one out"
        )
    return bool(inside)


def _matches(pattern: str, names: Sequence[str], kind: str) -> bool:
    return any(fnmatchcase(text, pattern) for name in names for text in (name, _end(name), kind))


def _end(name: str) -> str:
    return name.rpartition(".")[2]


def _above(name: str) -> list[str]:
    """The modules that the named one is part of: `a` and `a.b` for `a.b.c`."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]


class _Batches:
    """A second run of the model, at another batch size, to tell the batch from the other axes."""

    def __init__(self, model: nn.Module, call: ModelCall, modules: Mapping[str, nn.Module]) -> None:
        other = call.at_another_batch()
        self.sizes = call.batch, other.batch
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.trouble = ""
        try:
            calls = recorded(model, other, modules)
        except Exception as error:  # whatever the user's model may raise: some run at one batch size only
            self.trouble = f"; at batch {other.batch} the model fails: {reason_of(error)}"
            return
        self.shapes = {name: tuple(call[0].given.shape) for name, call in calls.items() if call[0].given is not None}

    def axis(self, name: str, shape: tuple[int, ...]) -> int | None:
        """The one axis that grows with the batch; without a second run, the one as long as it; None if not just one."""
        if self.trouble:
            found = [axis for axis in range(len(shape) - 1) if shape[axis] == self.sizes[0]]
        else:
            other = self.shapes.get(name, ())
            found = [axis for axis, (one, two) in enumerate(zip(shape, other, strict=False)) if one != two]
            found = [axis for axis in found if shape[axis] * self.sizes[1] == other[axis] * self.sizes[0]]
        return found[0] if len(found) == 1 else None


def _site(
    places: tuple[str, ...],
    module: nn.Module,
    spec: MixerSpec,
    calls: Sequence[SubmoduleCall],
    batches: _Batches,
    asked: Asked,
) -> Site:
    where = f"{asked.option}: {places[0]}"
    kind = type(module).__name__
    given, outputs = _input_and_outputs(where, kind, calls)
    try:
        layout = layout_of(module, given, batches.axis(places[0], tuple(given.shape)), batches.trouble, asked.layout)
        workload, has_grid, (heads, head_dim) = workload_of(given, module, spec, layout, asked.grid)
    except SkaprofError as error:
        raise SkaprofError(f"{where}: {error.marked}") from None
    like = next((parameter for parameter in module.parameters() if parameter.is_floating_point()), given)
    dropped = tuple(dropped_by(module, workload.dim))
    how = (len(calls), argument_names(module), outputs, like.device, like.dtype, dropped)
    return Site(places, kind, spec, workload, layout, has_grid, heads, head_dim, *how)


def _input_and_outputs(where: str, kind: str, calls: Sequence[SubmoduleCall]) -> tuple[Tensor, int | None]:
    """The input that all calls have alike, and how many values each gives in a tuple, the first of the input's shape.

    Raises:
        SkaprofError: a call that a token mixer cannot answer.
    """
    given: list[Tensor] = []
    for call in calls:
        if call.given is None or call.given.dim() not in (3, 4):
            raise SkaprofError(f"{where}: expected a submodule whose input is (B, N, C), (B, H, W, C) or (B, C, H, W)")
        if call.extras:
            raise SkaprofError(
                f"{where}: it is called with more than its input, and a token mixer takes nothing else: "
                f"{', '.join(call.extras)}"
            )
        several = isinstance(call.output, tuple | list) and len(call.output) > 0
        require_same_shape(where, kind, tuple(call.given.shape), call.output[0] if several else call.output)
        given.append(call.given)
    shapes = dict.fromkeys(tuple(x.shape) for x in given)
    if len(shapes) > 1:
        raise SkaprofError(
            f"{where}: it is called with inputs of shapes {' and '.join(map(str, shapes))}: expected one shape, as a "
            "mixer is built for one"
        )
    return given[0], len(calls[0].output) if isinstance(calls[0].output, tuple | list) else None
