"""MHSA, SKA and CSKA of Keras' layers on TensorFlow, with the weights of PyTorch's module, and the probes it has."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import torch
from keras import layers, ops
from torch import nn

from skaprof.analysis import conventions as sizes
from skaprof.count.asked import PROBE, Case
from skaprof.count.same_output import require_same
from skaprof.count.spellings import build_spelling
from skaprof.model.spec import parse_mixer
from skaprof.workload import Workload


def build_case(case: Case) -> tuple[Any, Any]:
    """The case's model and an input of it.

    Raises:
        NotTheSameError: its output is not that of PyTorch's module.
    """
    if case.mixer == PROBE:
        return _probe(case.spelling)
    spec, w = parse_mixer(case.mixer), case.workload
    x = torch.randn(w.batch, w.tokens, w.dim)
    module = build_spelling(spec, w, "@").requires_grad_(False)
    model = _Attention(module, w, by_einsum=case.spelling == "keras-einsum")
    given = x.numpy()
    model(given)
    model.take(module)
    require_same(model(given), module(x))
    return model, given


class _Attention(keras.Model):  # type: ignore[misc]  # keras may be missing
    """The three mixers of Keras' layers."""

    def __init__(self, module: nn.Module, w: Workload, *, by_einsum: bool) -> None:
        super().__init__(
            name="attention"
        )  # one from the name of the class would begin with _, which TensorFlow refuses
        self.w = w
        self.by_einsum = by_einsum
        self.projections = {
            name: layers.Dense(part.out_features, use_bias=part.bias is not None, name=name)
            for name, part in module.named_children()
            if isinstance(part, nn.Linear)
        }
        scores = module.get_submodule("scores")
        self.convolution = None
        if isinstance(scores, nn.Conv2d):
            bias = scores.bias is not None
            self.convolution = layers.Conv2D(
                scores.out_channels, w.kernel_size, padding="same", groups=w.heads, use_bias=bias
            )
        shape = (w.heads, w.tokens, w.head_dim)
        self.static_key = self.add_weight(shape=shape, name="key") if hasattr(scores, "key") else None

    def take(self, module: nn.Module) -> None:
        """PyTorch's weights."""
        for name, layer in self.projections.items():
            part: Any = module.get_submodule(name)
            layer.set_weights([part.weight.numpy().T, *(() if part.bias is None else (part.bias.numpy(),))])
        scores: Any = module.get_submodule("scores")
        if self.convolution is not None:
            kernel = scores.get_parameter("weight").permute(2, 3, 1, 0).contiguous().numpy()
            self.convolution.set_weights([kernel, *(() if scores.bias is None else (scores.bias.numpy(),))])
        if self.static_key is not None:
            self.static_key.assign(scores.get_parameter("key").numpy())

    def call(self, x: Any) -> Any:
        """x (B, n, d) -> the same shape."""
        projected = {name: layer(x) for name, layer in self.projections.items() if name != "output"}
        q = projected.get("query", x)
        scores = ops.softmax(self._scores(q, projected.get("key")) * self.w.head_dim**-0.5, axis=-1)
        mixed = self._product("bhij,bhje->bhie", scores, self._by_head(projected["value"]))
        merged = ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (self.w.batch, self.w.tokens, -1))
        return self.projections["output"](merged)

    def _scores(self, q: Any, key: Any) -> Any:
        w = self.w
        if self.convolution is not None:
            scored = self.convolution(ops.reshape(q, (w.batch, w.height, w.width, -1)))
            return ops.transpose(ops.reshape(scored, (w.batch, w.tokens, w.heads, w.tokens)), (0, 2, 1, 3))
        keys = self._by_head(key) if self.static_key is None else ops.expand_dims(self.static_key, 0)
        if self.by_einsum and self.static_key is None:
            return ops.einsum("bhie,bhje->bhij", self._by_head(q), keys)
        if self.by_einsum:
            return ops.einsum("bhie,hje->bhij", self._by_head(q), keys[0])
        return ops.matmul(self._by_head(q), ops.transpose(keys, (0, 1, 3, 2)))

    def _product(self, spelled: str, a: Any, b: Any) -> Any:
        return ops.einsum(spelled, a, b) if self.by_einsum else ops.matmul(a, b)

    def _by_head(self, x: Any) -> Any:
        """(B, n, h * e) -> (B, h, n, e)."""
        return ops.transpose(ops.reshape(x, (self.w.batch, self.w.tokens, self.w.heads, -1)), (0, 2, 1, 3))


class _Product(layers.Layer):  # type: ignore[misc]  # keras may be missing
    """x (1, tokens, inputs) with two heads' (inputs, outputs)."""

    def __init__(self, multiply: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.multiply = multiply

    def build(self, shape: Any) -> None:
        """Its weight."""
        self.weight = self.add_weight(shape=(2, sizes.INPUTS, sizes.OUTPUTS))

    def call(self, x: Any) -> Any:
        """The product."""
        return self.multiply(ops.repeat(x, 2, axis=0), self.weight)


def _convolution(padding: str, groups: int = 1) -> Any:
    return layers.Conv2D(sizes.MAP_OUT, sizes.KERNEL, padding=padding, groups=groups, use_bias=False)


_PROBES: dict[str, Callable[[], Any]] = {
    "linear": lambda: layers.Dense(sizes.OUTPUTS, use_bias=False),
    "linear-bias": lambda: layers.Dense(sizes.OUTPUTS),
    "linear-images": lambda: layers.Dense(sizes.OUTPUTS, use_bias=False),
    "conv-same": lambda: _convolution("same"),
    "conv-groups": lambda: _convolution("same", sizes.GROUPS),
    "matmul": lambda: _Product(ops.matmul),
    "einsum": lambda: _Product(lambda a, b: ops.einsum("hij,hjk->hik", a, b)),
    "softmax": layers.Softmax,
    "scale": lambda: layers.Rescaling(0.5),
    "norm": layers.LayerNormalization,
}


def _probe(name: str) -> tuple[Any, Any]:
    images = sizes.IMAGES if name == "linear-images" else 1
    is_map = name.startswith("conv")
    shape = (sizes.HEIGHT, sizes.WIDTH, sizes.MAP_IN) if is_map else (sizes.TOKENS, sizes.INPUTS)
    return keras.Sequential([keras.Input(shape, images), _PROBES[name]()]), np.ones((images, *shape), np.float32)
