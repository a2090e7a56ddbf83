"""Submodules of any model replaced by token mixers, whose sizes an example input tells."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from skaprof.errors import SkaprofError
from skaprof.foreign_code import MAP_LAYOUTS
from skaprof.model.spec import parse_mixer
from skaprof.nn.build import build_mixer
from skaprof.nn.model_call import ModelCall
from skaprof.nn.recorded_calls import extra_arguments, main_input
from skaprof.nn.sites import Asked, Site, find_sites
from skaprof.workload import check_choice

_TURNED = {"NBC": ((1, 0, 2), (1, 0, 2)), "BCHW": ((0, 2, 3, 1), (0, 3, 1, 2))}
"""The axes that make a layout a mixer's, and those that turn its output back."""


class Swapped(nn.Module):
    """A token mixer in the place of a submodule: it is called as that one was, and gives what that one gave.

    Where that was a tuple, it is the output and None for each other value.
    """

    batch_first: bool
    in_proj_bias: Tensor | None
    _qkv_same_embed_dim: bool

    def __init__(self, site: Site) -> None:
        super().__init__()
        self.place, self.layout, self.arguments, self.outputs = site.name, site.layout, site.arguments, site.outputs
        self.mixer = build_mixer(site.spec, site.workload)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """x (B, N, C), (N, B, C), (B, H, W, C) or (B, C, H, W), as in the example -> the same shape.

        Raises:
            SkaprofError: no x, or another argument that would change what the replaced submodule gives, such as a mask.
        """
        x = main_input(inputs, named)
        if x is None:
            raise SkaprofError(f"{self.place}: expected a tensor to mix")
        if extras := extra_arguments(inputs, named, self.arguments):
            raise SkaprofError(f"{self.place}: a token mixer takes nothing but its input: {', '.join(extras)}")
        to_mixer, back = _TURNED.get(self.layout, (None, None))
        mixed = self.mixer(x) if to_mixer is None else self.mixer(x.permute(to_mixer)).permute(back)
        return mixed if self.outputs is None else (mixed, *(None,) * (self.outputs - 1))


def swap_mixers(
    model: nn.Module,
    replacements: Mapping[str, str],
    x: Tensor | tuple[Any, ...] | dict[str, Any],
    grid: tuple[int, int] | None = None,
    layout: str | None = None,
) -> nn.Module:
    """The model with each submodule that a pattern matches replaced by a fresh mixer, in place, on its device.

    A module that stands in several places is replaced by one mixer in all of them. Where this fails, the model is as it
    was. A mask that a submodule makes itself (causal attention) cannot be seen, and no mixer here has one. A model that
    reads attributes of what is replaced fails when it runs: replace a larger submodule.

    Args:
        replacements: from a pattern (a glob over names such as `blocks.*.attn`, a name's last part, or a class) to a
            mixer spec.
        x: an example input, a tuple of arguments, or a dict of keywords, their first axis the batch: it is run through
            the model in evaluation mode, at two batch sizes, and tells each mixer its sizes.
        grid: (H, W) of the tokens, where they are not square; tokens beyond H * W are class tokens.
        layout: BHWC or BCHW, how four-dimensional inputs lie, where the submodule's layers do not tell.

    Warns:
        UserWarning: a submodule that a pattern matches does not run on x, and stays.

    Raises:
        SkaprofError: a pattern that matches nothing, or a submodule that no such mixer can stand for, and why.
    """
    pairs = [(pattern, parse_mixer(text, "replacements")) for pattern, text in replacements.items()]
    asked = Asked(grid, None if layout is None else check_choice("layout", layout, MAP_LAYOUTS))
    put(model, find_sites(model, ModelCall.of(x), pairs, asked, lambda message: warnings.warn(message, stacklevel=4)))
    return model


def put(model: nn.Module, sites: Iterable[Site]) -> None:
    """Replace each module by its mixer, of the same device, dtype and mode, in all its places, once all are built."""
    built = [(site, _built(model.get_submodule(site.name), site)) for site in sites]
    for site, mixer in built:
        for place in site.places:
            model.set_submodule(place, mixer)


def _built(module: nn.Module, site: Site) -> Swapped:
    with torch.device(site.device):
        fresh = Swapped(site).to(site.dtype).train(module.training)
    if isinstance(module, nn.MultiheadAttention):  # nn.TransformerEncoder reads these to choose its way: step by step
        fresh.batch_first, fresh.in_proj_bias, fresh._qkv_same_embed_dim = module.batch_first, None, False
    return fresh
