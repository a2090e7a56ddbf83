"""Submodules of any model replaced by token mixers, whose sizes an example input tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from math import isqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from skaprof.errors import SkaprofError, bad_value
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.model.user import require_same_shape
from skaprof.nn.build import build_mixer
from skaprof.workload import Workload, nearly_square

_HEAD_COUNTS = ("num_heads", "heads", "n_heads")
"""What attention modules call the number of their heads."""


class Site(NamedTuple):
    """A submodule to replace, by what, and the sizes of its input, which is (B, C, H, W) where channels come first."""

    name: str
    replaced: str
    spec: MixerSpec
    workload: Workload
    channels_first: bool


class Swapped(nn.Module):
    """A token mixer in the place of a submodule: it takes that one's input, and ignores options that are off."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.channels_first = site.channels_first
        self.mixer = build_mixer(site.spec, site.workload)

    def forward(self, x: Tensor, *options: object, **named: object) -> Tensor:
        """x (B, N, C), (B, H, W, C), or (B, C, H, W) where channels come first -> the same shape."""
        if self.channels_first:
            return self.mixer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self.mixer(x)


def swap_mixers(
    model: nn.Module, replacements: Mapping[str, str], x: Tensor, grid: tuple[int, int] | None = None
) -> nn.Module:
    """The model with each submodule that a pattern matches replaced by a fresh mixer, in place, on its device.

    Args:
        replacements: from a pattern (a glob over names such as `blocks.*.attn`, a name's last part, or a class) to a
            mixer spec.
        x: an example input: it is run through the model, and tells each mixer its sizes.
        grid: (H, W) of the tokens, where they are not square; tokens beyond H * W are class tokens.

    Raises:
        SkaprofError: a pattern that matches nothing, or a submodule that no such mixer can stand for, and why.
    """
    pairs = [(pattern, parse_mixer(text, "replacements")) for pattern, text in replacements.items()]
    put(model, find_sites(model, x, pairs, grid))
    return model


def put(model: nn.Module, sites: Iterable[Site]) -> None:
    """Replace each site's submodule by its mixer, of the same device and dtype."""
    for site in sites:
        like = next(model.get_submodule(site.name).parameters(), None)
        device, dtype = (like.device, like.dtype) if like is not None else (None, None)
        with torch.device(device or torch.get_default_device()):
            fresh = Swapped(site)
        model.set_submodule(site.name, fresh.to(dtype) if dtype is not None else fresh)


def find_sites(
    model: nn.Module,
    x: Tensor,
    replacements: Sequence[tuple[str, MixerSpec]],
    grid: tuple[int, int] | None = None,
    *,
    channels_first: bool = False,
    option: str = "replace",
) -> list[Site]:
    """Every submodule that a pattern matches, with the sizes of its input when the model runs on x; outermost only.

    Raises:
        SkaprofError: as `swap_mixers`.
    """
    matched = _matched(model, replacements, option)
    calls = _recorded(model, x, list(matched))
    sites = []
    for name, spec in matched.items():
        if name not in calls:
            raise SkaprofError(f"{option}: {name}: the model does not run it on this input")
        sites.append(_site(name, model.get_submodule(name), spec, calls[name], grid, channels_first, option))
    return sites


def _matched(model: nn.Module, replacements: Sequence[tuple[str, MixerSpec]], option: str) -> dict[str, MixerSpec]:
    modules = {name: type(module).__name__ for name, module in model.named_modules() if name}
    found: dict[str, MixerSpec] = {}
    for pattern, spec in replacements:
        names = [name for name, kind in modules.items() if _matches(pattern, name, kind)]
        if not names:
            near = [*(name.rpartition(".")[2] for name in modules), *modules.values()]
            raise bad_value(option, pattern, "the name or the class of a submodule of this model", near)
        for name in names:
            if not any(name.startswith(f"{outer}.") for outer in found):
                found.setdefault(name, spec)
    return found


def _matches(pattern: str, name: str, kind: str) -> bool:
    return any(fnmatchcase(text, pattern) for text in (name, name.rpartition(".")[2], kind))


class _Call(NamedTuple):
    """What a submodule was given and gave."""

    inputs: tuple[Any, ...]
    named: Mapping[str, Any]
    output: Any


def _recorded(model: nn.Module, x: Tensor, names: Sequence[str]) -> dict[str, _Call]:
    """The first call of each named submodule when the model runs on x."""
    calls: dict[str, _Call] = {}

    def recorder(name: str) -> Callable[..., None]:
        def record(module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
            calls.setdefault(name, _Call(inputs, named, output))

        return record

    modules = [(name, model.get_submodule(name)) for name in names]
    handles = [module.register_forward_hook(recorder(name), with_kwargs=True) for name, module in modules]
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return calls


def _site(
    name: str,
    module: nn.Module,
    spec: MixerSpec,
    call: _Call,
    grid: tuple[int, int] | None,
    channels_first: bool,
    option: str,
) -> Site:
    where = f"{option}: {name}"
    given = call.inputs[0] if call.inputs else next(iter(call.named.values()), None)
    if not isinstance(given, Tensor) or given.dim() not in (3, 4):
        raise SkaprofError(f"{where}: expected a submodule whose input is (B, N, C), (B, H, W, C) or (B, C, H, W)")
    others = [*call.inputs[1:], *(call.named.values() if call.inputs else list(call.named.values())[1:])]
    if any(isinstance(other, Tensor) or other for other in others):
        raise SkaprofError(f"{where}: it is called with more than its input, and a token mixer takes nothing else")
    require_same_shape(where, type(module).__name__, tuple(given.shape), call.output)
    try:
        workload = _workload(given, module, spec, grid, channels_first=channels_first)
    except SkaprofError as error:
        raise SkaprofError(f"{where}: {error.message}") from None
    return Site(name, type(module).__name__, spec, workload, channels_first and given.dim() == 4)


def _workload(
    x: Tensor, module: nn.Module, spec: MixerSpec, grid: tuple[int, int] | None, *, channels_first: bool
) -> Workload:
    """The sizes of a mixer that takes x; it has as many heads as the module it replaces, unless its spec says."""
    if x.dim() == 4:
        batch, *sides = x.shape
        dim = sides.pop(0 if channels_first else -1)
        height, width, class_tokens = *sides, 0
    else:
        batch, tokens, dim = x.shape
        height, width, class_tokens = _placed(tokens, spec, grid)
    own_heads = next(
        (getattr(module, key) for key in _HEAD_COUNTS if isinstance(getattr(module, key, None), int)), None
    )
    heads = own_heads if spec.head_dim is None else None
    return Workload(batch, height, width, *spec.resolve_channels(dim, heads), spec.resolve_kernel_size(), class_tokens)


def _placed(tokens: int, spec: MixerSpec, grid: tuple[int, int] | None) -> tuple[int, int, int]:
    """(height, width, class tokens) of so many tokens: the grid given, a square, or a square behind a class token.

    Raises:
        SkaprofError: no such grid, or class tokens that the mixer has no place for.
    """
    height, width, class_tokens = _grid_of(tokens, grid)
    if class_tokens < 0:
        raise SkaprofError(f"{tokens} tokens do not fill a grid of {height} x {width}")
    if class_tokens and "eager" not in spec.mixer.class_token_forms:
        raise SkaprofError(
            f"{tokens} tokens are {class_tokens} beside a {height} x {width} grid, and {spec.text} has no place for a "
            "class token"
        )
    if not height:
        if spec.mixer.kernel_size is not None:
            raise SkaprofError(f"{tokens} tokens are no square, and {spec.text} needs their grid: name it with --size")
        return *nearly_square(tokens), 0
    return height, width, class_tokens


def _grid_of(tokens: int, grid: tuple[int, int] | None) -> tuple[int, int, int]:
    """As `_placed`; (0, 0, 0) where nothing tells the grid."""
    if grid is not None:
        return *grid, tokens - grid[0] * grid[1]
    for class_tokens in (0, 1):
        side = isqrt(tokens - class_tokens)
        if side and side * side + class_tokens == tokens:
            return side, side, class_tokens
    return 0, 0, 0
