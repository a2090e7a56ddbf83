"""The module that a mixer spec names, at given sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from torch import nn

from skaprof.errors import SkaprofError
from skaprof.model.spec import MixerSpec
from skaprof.nn.attention import ConvStaticKeyAttention, MultiHeadSelfAttention, StaticKeyAttention
from skaprof.nn.mixers import Identity, LinearAttention, Pooling, SeparableConvolution, TokenMixer
from skaprof.workload import Workload

_BUILDERS: dict[str, Callable[..., TokenMixer]] = {
    "mhsa": MultiHeadSelfAttention,
    "ska": StaticKeyAttention,
    "cska": ConvStaticKeyAttention,
    "linear": LinearAttention,
    "sepconv": SeparableConvolution,
    "pooling": Pooling,
    "identity": Identity,
}

_WITHOUT_DIM = {"pooling", "identity"}


def build_mixer(spec: MixerSpec, workload: Workload, implementation: str = "eager") -> TokenMixer:
    """The module of `spec` at these sizes, on the default device (use `with torch.device("meta")` for no memory).

    Raises:
        SkaprofError: the mixer has no such implementation; an installed one cannot be built, with its own error.
    """
    spec.require_implementation(implementation)
    if spec.mixer.name not in _BUILDERS:
        from skaprof.model.installed import installed_module

        built = installed_module(spec.mixer.name, workload, implementation, **spec.options)
        if not isinstance(built, nn.Module):
            raise SkaprofError(
                f"mixer {spec.text!r}: its module is of type {type(built).__name__}: expected a torch.nn.Module"
            )
        return cast(TokenMixer, built)
    arguments: dict[str, Any] = {**spec.options, "grid": (workload.height, workload.width)}
    if spec.mixer.has_heads:
        arguments |= {"heads": workload.heads, "head_dim": workload.head_dim}
    if spec.mixer.kernel_size is not None:
        arguments["kernel_size"] = workload.kernel_size
    if len(spec.mixer.op_lists) > 1:
        arguments["implementation"] = implementation
    if workload.class_tokens and spec.mixer.static_key:
        arguments["class_tokens"] = workload.class_tokens
    if spec.mixer.name not in _WITHOUT_DIM:
        arguments["dim"] = workload.dim
    return _BUILDERS[spec.mixer.name](**arguments)
