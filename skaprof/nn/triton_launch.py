"""How the Triton kernels are launched: in blocks of which sizes, and in the backward pass some scores at a time.

Importing this loads Triton.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import triton
from torch import Tensor
from triton.runtime import JITFunction

from skaprof.model.tiles import tile_of
from skaprof.nn.tiled import pieces
from skaprof.nn.triton_backward import key_gradient_kernel, query_gradient_kernel, score_gradient_kernel
from skaprof.nn.triton_forward import forward_kernel

GRADIENT_SCORES = 16 * 1024 * 1024
"""Gradients of scores that the backward pass holds at a time, about: 32 MiB in half precision."""
IS_INTERPRETED = not isinstance(forward_kernel, JITFunction) and not isinstance(triton.language.sum, JITFunction)
"""Whether Triton's interpreter runs the kernels: TRITON_INTERPRET was 1 when Triton was loaded."""
_LEAST_BLOCK = 16
"""The least side of a matrix product in Triton."""
_BLOCKS = ((64, 64, 4, 2), (128, 64, 4, 2), (128, 64, 8, 3), (64, 32, 4, 3))
"""Queries and keys of a tile, warps and stages: Triton takes the fastest for each size, when it first meets it."""


@dataclass(frozen=True)
class Map:
    """A map of queries, and the keys that they meet: height x width tokens from `begin` on. All tensors are contiguous.

    Query (images, tokens, heads, head_dim), key (heads, keys, k, k, head_dim), bias (heads, keys) or None, value
    (images, keys, heads, head_dim).
    """

    query: Tensor
    key: Tensor
    bias: Tensor | None
    value: Tensor
    begin: int
    height: int
    width: int
    scale: float

    def mix(self, output: Tensor, statistics: Tensor) -> None:
        """Write softmax(scores) v to `output`, laid out as the queries, and its statistics (images, heads, tokens)."""
        images, _, heads, _ = self.query.shape
        _run(
            forward_kernel,
            lambda block_m, _: images * heads * -(-self.height * self.width // block_m),
            self._scored() | {"query": self.query, "value": self.value, "output": output, "statistics": statistics},
        )

    def add_gradients(
        self, output: Tensor, statistics: Tensor, gradient: Tensor, of_query: Tensor, of_value: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The gradients of key and bias, in float32; what it is of queries and values is added to theirs, float32 too.

        `gradient` is the output's.
        """
        images, _, heads, _ = self.query.shape
        of_key = torch.zeros_like(self.key, dtype=torch.float32)
        of_bias = torch.zeros_like(self.key[:, :, 0, 0, 0], dtype=torch.float32)
        tile = tile_of(images, 1, self.height, heads * self.width * self.keys, most_scores=GRADIENT_SCORES)
        held = self.query.new_empty(tile.images * heads * tile.rows * self.width * self.keys)
        for of_images in pieces(images, tile.images):
            tensors = {
                "query": self.query[of_images],
                "score_gradient": held,
                "query_gradient": of_query[of_images],
                "key_gradient": of_key,
                "bias_gradient": of_bias,
            }
            scored = {
                "value": self.value[of_images],
                "output": output[of_images],
                "gradient": gradient[of_images],
                "statistics": statistics[of_images],
                "value_gradient": of_value[of_images],
            }
            for rows in pieces(self.height, tile.rows):
                self._add(rows, tensors, scored)
        return of_key, of_bias

    def _add(self, rows: slice, tensors: dict[str, Tensor], scored: dict[str, Tensor]) -> None:
        """The gradients of what these rows of the map meet, in some images."""
        images, heads, taps = len(tensors["query"]), self.query.shape[2], self.key.shape[2] ** 2
        margin = self.key.shape[2] // 2
        low = max(0, rows.start - margin) * self.width
        reach = min(self.height, rows.stop + margin) * self.width - low
        part = {"first": rows.start * self.width, "count": (rows.stop - rows.start) * self.width}
        held = {name: tensors[name] for name in ("query", "score_gradient")}
        _run(
            score_gradient_kernel,
            lambda _, block_n: images * heads * -(-self.keys // block_n),
            self._scored() | held | scored | part | {"scale": self.scale},
            ("value_gradient",),
        )
        of_keys = {name: tensors[name] for name in ("key_gradient", "bias_gradient")}
        _run(
            key_gradient_kernel,
            lambda _, block_n: heads * -(-self.keys // block_n) * taps,
            self._sizes() | self._biased() | held | of_keys | part | {"images": images},
            tuple(of_keys),
        )
        sizes = self._sizes() | {"key": self.key, "low": low, "reach": reach}
        del sizes["height"]
        _run(
            query_gradient_kernel,
            lambda block_m, _: images * heads * -(-reach // block_m),
            sizes | {name: tensors[name] for name in ("score_gradient", "query_gradient")} | part,
            ("query_gradient",),
        )

    @property
    def keys(self) -> int:
        """How many keys there are."""
        return int(self.value.shape[1])

    def _sizes(self) -> dict[str, Any]:
        tf32 = self.query.dtype == torch.float32 and torch.backends.cuda.matmul.allow_tf32
        _, tokens, heads, head_dim = self.query.shape
        return {
            "tokens": tokens,
            "begin": self.begin,
            "heads": heads,
            "height": self.height,
            "width": self.width,
            "keys": self.keys,
            "kernel_size": self.key.shape[2],
            "head_dim": head_dim,
            "block_e": max(_LEAST_BLOCK, triton.next_power_of_2(head_dim)),
            "precision": "tf32" if tf32 else "ieee",
        }

    def _biased(self) -> dict[str, Any]:
        return {"has_bias": self.bias is not None}

    def _scored(self) -> dict[str, Any]:
        """What scores are made of."""
        bias = self.key if self.bias is None else self.bias  # an address that nobody reads
        factor = self.scale * math.log2(math.e)
        return self._sizes() | self._biased() | {"key": self.key, "bias": bias, "factor": factor}


def _run(
    kernel: Any, programs: Callable[[int, int], int], arguments: dict[str, Any], added_to: tuple[str, ...] = ()
) -> None:
    """Launch a kernel on as many programs as its blocks of queries and keys make.

    Args:
        added_to: the arguments that it adds to, which trials of blocks must leave as they were.
    """
    if IS_INTERPRETED:
        kernel[programs(_LEAST_BLOCK, _LEAST_BLOCK),](**arguments, block_m=_LEAST_BLOCK, block_n=_LEAST_BLOCK)
    else:
        _tuned(kernel, added_to)[lambda meta: (programs(meta["block_m"], meta["block_n"]),)](**arguments)


@cache
def _tuned(kernel: Any, added_to: tuple[str, ...]) -> Any:
    configs = [
        triton.Config({"block_m": queries, "block_n": keys}, num_warps=warps, num_stages=stages)
        for queries, keys, warps, stages in _BLOCKS
    ]
    sizes = ["tokens", "keys", "head_dim", "kernel_size"]
    return triton.autotune(configs, key=sizes, restore_value=list(added_to) or None)(kernel)
