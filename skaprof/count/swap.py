"""A model before and after its submodules were replaced, counted by both counters, place by place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from skaprof.count.user import UserCount, agreed, count_module
from skaprof.errors import SkaprofError
from skaprof.model.plan import Variant
from skaprof.model.rows import cost_row
from skaprof.model.scopes import TOTAL
from skaprof.model.spec import MixerSpec
from skaprof.model.user import keywords_of
from skaprof.nn.swap import Site, find_sites, put
from skaprof.nn.user import build_user, first_that_runs, ran

Row = dict[str, Any]
DTYPE = "float32"


def swapped_rows(
    path: str,
    arguments: tuple[tuple[str, str], ...],
    shape: tuple[int, ...],
    replacements: Sequence[tuple[str, MixerSpec]],
    grid: tuple[int, int] | None,
    *,
    channels_first: bool = False,
) -> list[Row]:
    """One row for each submodule replaced, then one for the whole model: what it had before, has after, and the change.

    Args:
        path: package.module:name of what builds the model; `arguments` its (name, value as typed).
        shape: of the model's input.
        replacements: (pattern, mixer).
        grid: as `skaprof.nn.swap.swap_mixers`.

    Raises:
        SkaprofError: the model fails to import, build or run, before or after, with its own error; or a submodule that
            cannot be replaced.
    """

    def made(device: str) -> tuple[nn.Module, Tensor, Any]:
        with torch.device(device):
            model, x = build_user("MODEL", path, keywords_of(arguments)), torch.zeros(shape)
        return model, x, ran("MODEL", path, model, x)

    model, x, output = first_that_runs(made)
    sites = find_sites(model, x, replacements, grid, channels_first=channels_first, option="--replace")
    names = [site.name for site in sites]
    params = {name: _params(model.get_submodule(name)) for name in names}
    before = count_module(model, x, names)
    put(model, sites)
    changed = ran("MODEL", f"{path}, its submodules replaced,", model, x)
    if _shapes(changed) != _shapes(output):
        raise SkaprofError(
            f"MODEL: {path} gives {_shapes(changed)} after the swap: expected {_shapes(output)} as before"
        )
    after = count_module(model, x, names)
    rows = [_site_row(path, site, params[site.name], model, before, after) for site in sites]
    return [*rows, _total_row(path, sites, shape[0], before, after)]


def _params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _shapes(output: Any) -> Any:
    """The shapes in what a model gives, in whatever holds them."""
    if isinstance(output, Tensor):
        return tuple(output.shape)
    if isinstance(output, dict):
        return {key: _shapes(value) for key, value in output.items()}
    return [_shapes(value) for value in output] if isinstance(output, list | tuple) else type(output).__name__


def _site_row(path: str, site: Site, params: int, model: nn.Module, before: UserCount, after: UserCount) -> Row:
    w = site.workload
    sizes = {"height": w.height, "width": w.width, "tokens": w.tokens, "dim": w.dim}
    channels = {"heads": w.heads, "head_dim": w.head_dim, "kernel_size": w.kernel_size}
    counted = _params(model.get_submodule(site.name))
    fvcore, torch_count = after.fvcore.macs[site.name], after.torch.macs[site.name]
    macs = agreed(fvcore, torch_count)
    derived = cost_row(Variant(site.spec), w)
    figures = _figures((params, agreed(before.fvcore.macs[site.name], before.torch.macs[site.name])), (counted, macs))
    proof = {
        "params_counted": counted,
        "macs_fvcore": fvcore,
        "macs_torch": torch_count,
        "verified": (counted, fvcore, torch_count) == (derived.params, derived.macs, derived.macs),
    }
    head = _head(path, site.name, site.replaced, site.spec.text, w.batch)
    return head | sizes | channels | {"dtype": DTYPE} | figures | proof | {"error": None}


def _total_row(path: str, sites: Sequence[Site], batch: int, before: UserCount, after: UserCount) -> Row:
    blank = dict.fromkeys(("height", "width", "tokens", "dim", "heads", "head_dim", "kernel_size"))
    replaced = ",".join(dict.fromkeys(site.replaced for site in sites))
    mixers = ",".join(dict.fromkeys(site.spec.text for site in sites))
    errors = [f"{when}: {count.error}" for when, count in (("before", before), ("after", after)) if count.error]
    figures = _figures((before.params, before.macs), (after.params, after.macs))
    proof = after.as_dict() | {"error": "; ".join(errors) or None}
    return _head(path, TOTAL, replaced, mixers, batch) | blank | {"dtype": DTYPE} | figures | proof


def _head(path: str, scope: str, replaced: str, mixer: str, batch: int) -> Row:
    names = {"model": path, "scope": scope, "replaced": replaced, "mixer": mixer}
    return names | {"implementation": "eager", "mode": "forward", "batch": batch}


def _figures(before: tuple[int, int | None], after: tuple[int, int | None]) -> Row:
    (params_before, macs_before), (params, macs) = before, after
    return {
        "params": params,
        "macs": macs,
        "flops": None if macs is None else 2 * macs,
        "params_before": params_before,
        "macs_before": macs_before,
        "params_delta": params - params_before,
        "macs_delta": None if macs is None or macs_before is None else macs - macs_before,
    }
