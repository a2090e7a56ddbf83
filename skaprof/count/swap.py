"""A model before and after its submodules were replaced, counted exactly, place by place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Variant
from skaprof.analysis.scopes import TOTAL
from skaprof.answers import SwapRow
from skaprof.count.counters import without_fast_path
from skaprof.count.exact import count_exact
from skaprof.count.user import UserCount, agreed, count_module
from skaprof.count.witnesses import Tally
from skaprof.errors import SkaprofError, in_options, named
from skaprof.foreign_code import contained
from skaprof.foreign_model import UserModel
from skaprof.model.spec import MixerSpec
from skaprof.nn.direct_calls import forward_is_a_call
from skaprof.nn.model_call import ModelCall, one_input
from skaprof.nn.sites import Asked, Site, Skipped, find_sites
from skaprof.nn.swap import Swapped, put
from skaprof.nn.user import first_that_runs
from skaprof.nn.user_model import Change, built_model, run_model

DTYPE = "float32"


@without_fast_path()
def swapped_rows(
    user: UserModel,
    replacements: Sequence[tuple[str, MixerSpec]],
    warn: Callable[[str], None],
    *,
    grid: tuple[int, int] | None = None,
    layout: str | None = None,
    skips: bool = False,
) -> list[SwapRow]:
    """One row for each module replaced, then one for the whole model: what it had before, has after, and the change.

    Args:
        user: the model, and what it is called with.
        replacements: (pattern, mixer).
        warn: told of each submodule that matches and does not run.
        grid, layout: as `skaprof.nn.swap.swap_mixers`.
        skips: leave what no mixer can stand for as it is, rather than refuse it.

    Raises:
        SkaprofError: the model fails to import, build or run, before or after, with its own error; or a submodule that
            cannot be replaced.
    """

    def made(device: str) -> tuple[nn.Module, ModelCall, str | None, Any]:
        model, call = built_model(user, device, "MODEL")
        return model, call, _first_call(model, call), _ran(user.path, model, call)

    model, call, kept, output = first_that_runs(made)
    skipped: list[Skipped] = []
    asked = Asked(grid, layout, named("replace"), skipped.append if skips else None)
    sites = find_sites(model, call, replacements, asked, warn)
    places = [place for site in sites for place in site.places]
    owned = [_owned(model, site) for site in sites]
    before = _counted(model, call, places, kept)
    put(model, sites)
    changed = _ran(f"{user.path}, its submodules replaced,", model, call)
    if _shapes(changed) != _shapes(output):
        raise SkaprofError(
            f"MODEL: {user.path} gives {_shapes(changed)} after the swap: expected {_shapes(output)} as before"
        )
    after = _counted(model, call, places, kept)
    rows = [_site_row(user.path, site, had, model, before, after) for site, had in zip(sites, owned, strict=True)]
    total = _total_row(user.path, sites, call.batch, before, after)
    return [*rows, total.replace(skipped=[f"{each.places[0]}: {in_options(each.reason)}" for each in skipped])]


def swap_change(replacements: Sequence[tuple[str, MixerSpec]], asked: Asked) -> Change:
    """What puts these mixers into a model that was built."""

    def change(model: nn.Module, call: ModelCall) -> None:
        put(model, find_sites(model, call, replacements, asked, lambda message: None))

    return change


def _first_call(model: nn.Module, call: ModelCall) -> str | None:
    """Why the model's first calls have no count; None where they have one, or fail, as they then do again.

    A model that keeps its answers shows it there alone.
    """
    try:
        with contained():
            return count_exact(model, lambda: call.run(model)).error
    except (Exception, SystemExit):  # whatever the user's code may raise
        return None


def _counted(model: nn.Module, call: ModelCall, places: Sequence[str], kept: str | None) -> UserCount:
    """The counts of the model and of what stands in each place, however the model runs it.

    None of what was `kept` from counting when the model first ran is counted later.
    """
    one = one_input(model, call)
    inside = "" if one is model else "model."
    with forward_is_a_call(model.get_submodule(place) for place in places):
        found = count_module(one, call.tensors[0], [f"{inside}{place}" for place in places])
    if kept is not None:
        known = {} if found.exact.total is None else dict.fromkeys(found.exact.macs)
        found = replace(found, exact=Tally(found.exact.source, {**found.exact.macs, **known}, kept))
    return found.renamed(inside) if inside else found


def _ran(what: str, model: nn.Module, call: ModelCall) -> Any:
    """What the model gives, with what to do about the errors that swaps and token ids bring."""
    try:
        return run_model(what, model, call, "MODEL")
    except SkaprofError as error:
        cause = error.__cause__
        is_of_numbers = all(tensor.is_floating_point() for tensor in call.tensors)
        if isinstance(cause, AttributeError) and isinstance(cause.obj, Swapped):
            cure = f"the model reads {cause.name} of the submodule {cause.obj.place}: replace a larger one around it"
        elif is_of_numbers and any(word in str(cause) for word in ("indices", "Long")):
            cure = f"a model of token ids needs {named('input_dtype')} int64, and {named('shape')} BxN"
        elif any(isinstance(module, Swapped) and (module.outputs or 1) > 1 for module in model.modules()):
            cure = "a submodule that is replaced gave several values, and a mixer gives None for all but the first"
        else:
            raise
        raise SkaprofError(f"{error.marked}; {cure}") from cause


def _owned(model: nn.Module, site: Site) -> tuple[int, int]:
    """The parameters of the module at a site, and how many of them are biases."""
    parameters = dict(model.get_submodule(site.name).named_parameters())
    biases = [value for name, value in parameters.items() if name.endswith("bias") and value.dim() == 1]
    return sum(value.numel() for value in parameters.values()), sum(value.numel() for value in biases)


def _shapes(output: Any) -> Any:
    """The shapes in what a model gives, in whatever holds them."""
    if isinstance(output, Tensor):
        return tuple(output.shape)
    if isinstance(output, dict):
        return {key: _shapes(value) for key, value in output.items()}
    return [_shapes(value) for value in output] if isinstance(output, list | tuple) else type(output).__name__


def _site_row(
    path: str, site: Site, had: tuple[int, int], model: nn.Module, before: UserCount, after: UserCount
) -> SwapRow:
    w = site.workload
    height, width = (w.height, w.width) if site.has_grid else (None, None)
    (params_before, biases_before), (params, _) = had, _owned(model, site)
    fvcore, torch_count = _macs_at(after.fvcore, site), _macs_at(after.torch, site)
    counted = _macs_at(after.exact, site)
    macs_before = agreed(*(_macs_at(tally, site) for tally in (before.exact, before.fvcore, before.torch)))
    derived = cost_row(Variant(site.spec), w)
    derived_macs = site.calls * derived.macs
    witnessed = [macs for macs in (fvcore, torch_count) if macs is not None]
    agree = params == derived.params and all(macs in (None, derived_macs) for macs in (counted, *witnessed))
    trouble = (
        f"the closed form has {derived.params:,} parameters and {derived_macs:,} MACs in {site.calls} calls; "
        f"counted are {params:,}, and {_shown(counted)}, {_shown(fvcore)} (fvcore) and {_shown(torch_count)} "
        "(FlopCounterMode)"
    )
    return SwapRow(
        **_head(path, site.name, site.replaced, site.spec.text, w.batch),
        height=height,
        width=width,
        class_tokens=w.class_tokens,
        tokens=w.tokens,
        dim=w.dim,
        heads=w.heads,
        head_dim=w.head_dim,
        kernel_size=w.kernel_size,
        places=len(site.places),
        calls=site.calls,
        **_figures((params_before, macs_before), (params, agreed(counted, fvcore, torch_count))),
        heads_before=site.heads_before,
        head_dim_before=site.head_dim_before,
        bias_params_before=biases_before,
        dropped=[each.words for each in site.dropped],
        dropped_params=sum(each.params for each in site.dropped),
        skipped=None,
        params_counted=params,
        macs_fvcore=fvcore,
        macs_torch=torch_count,
        verified=agree if (counted is not None and witnessed) or not agree else None,
        error=None if agree else trouble,
        note=None,
    )


def _shown(macs: int | None) -> str:
    return "no count" if macs is None else f"{macs:,}"


def _macs_at(tally: Tally, site: Site) -> int | None:
    """A counter's MACs at all places of a site: of a shared module it knows one name, which is one of them."""
    found = [tally.macs[place] for place in site.places]
    known = [macs for macs in found if macs is not None]
    return sum(known) if len(known) == len(found) else None


_BLANK: dict[str, Any] = dict.fromkeys(
    (
        "height",
        "width",
        "class_tokens",
        "tokens",
        "dim",
        "heads",
        "head_dim",
        "kernel_size",
        "places",
        "calls",
        "heads_before",
        "head_dim_before",
        "bias_params_before",
        "dropped",
        "dropped_params",
        "skipped",
    )
)
"""The keys of a site's row that the whole model has no single value for."""


def _total_row(path: str, sites: Sequence[Site], batch: int, before: UserCount, after: UserCount) -> SwapRow:
    replaced = ",".join(dict.fromkeys(site.replaced for site in sites))
    mixers = ",".join(dict.fromkeys(site.spec.text for site in sites))
    troubles = [f"{when}: {count.error}" for when, count in (("before", before), ("after", after)) if count.error]
    told = "; ".join(troubles) or None
    figures = _figures((before.params, before.macs), (after.params, after.macs))
    counted = figures["macs_delta"] is not None
    proof = after.as_dict() | {"error": None if counted else told, "note": told if counted else None}
    return SwapRow(**_head(path, TOTAL, replaced, mixers, batch), **_BLANK, **figures, **proof)


def _head(path: str, scope: str, replaced: str, mixer: str, batch: int) -> dict[str, Any]:
    names = {"model": path, "scope": scope, "replaced": replaced, "mixer": mixer}
    return names | {"implementation": "eager", "mode": "forward", "batch": batch, "dtype": DTYPE}


def _figures(before: tuple[int | None, int | None], after: tuple[int | None, int | None]) -> dict[str, Any]:
    (params_before, macs_before), (params, macs) = before, after
    return {
        "params": params,
        "macs": macs,
        "flops": None if macs is None else 2 * macs,
        "params_before": params_before,
        "macs_before": macs_before,
        "params_delta": _difference(params, params_before),
        "macs_delta": _difference(macs, macs_before),
    }


def _difference(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before
