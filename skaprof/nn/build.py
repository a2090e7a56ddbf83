"""The module that a mixer spec names, at given sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skaprof.model.spec import MixerSpec
from skaprof.nn.mixers import (
    ConvStaticKeyAttention,
    Identity,
    LinearAttention,
    MultiHeadSelfAttention,
    Pooling,
    SeparableConvolution,
    StaticKeyAttention,
    TokenMixer,
)
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
        SkaprofError: the mixer has no such implementation.
    """
    spec.require_implementation(implementation)
    if spec.mixer.name not in _BUILDERS:
        from skaprof.model.installed import installed_builder

        built: TokenMixer = installed_builder(spec.mixer.name)(workload, implementation, **spec.options)
        return built
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
