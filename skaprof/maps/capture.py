"""The attention maps of a model, seen while it runs: every softmax over the keys of n queries, whoever calls it.

They are seen below autograd, where PyTorch dispatches ops: so it does not matter whether a module, a function or
`scaled_dot_product_attention` runs the softmax. That function runs as plain operations here, and the fast path of
`nn.MultiheadAttention` is off for the time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode

from skaprof.count.running import RunningModule, hooks_unmentioned
from skaprof.errors import SkaprofError
from skaprof.nn.recorded_calls import in_evaluation


class AttentionMap(NamedTuple):
    """What one layer does with one image: the scores (heads, n, n) that softmax gets, and the weights it gives.

    `scope` is the submodule that attends; in its second call, `NAME (2)`.
    """

    scope: str
    scores: Tensor
    weights: Tensor


Look = Callable[[str, Tensor, Tensor], Tensor]
"""What is done with a map as it is made: given scope, scores and weights, it gives the weights to go on with."""
_SOFTMAXES = (torch.ops.aten._softmax, torch.ops.aten._safe_softmax, torch.ops.aten.softmax)
_OPAQUE = ("attention", "attn", "transformer_encoder_layer")
"""Words in the names of ops that attend without a softmax of their own that could be seen."""


class _Softmaxes(TorchDispatchMode):
    """Shows every map to `look`, and keeps the names of ops that attend out of sight."""

    def __init__(self, running: RunningModule, look: Look) -> None:
        super().__init__()
        self.running, self.look = running, look
        self.opaque: list[tuple[str, str]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in _SOFTMAXES:
            return self.look(self.running.scope, args[0], result) if _is_map(result, args[1]) else result
        if any(word in func.name() for word in _OPAQUE):
            self.opaque.append((self.running.scope, func.name()))
        return result


def _is_map(weights: Tensor, dim: int) -> bool:
    """Whether a softmax is over as many keys as there are queries, and more than one."""
    if weights.dim() < 2 or dim not in (-1, weights.dim() - 1):
        return False
    queries, keys = weights.shape[-2:]
    return queries == keys and keys > 1


@contextmanager
def watched(model: nn.Module, look: Look) -> Iterator[list[tuple[str, str]]]:
    """The model in evaluation mode, each map it makes shown to `look`; gives (scope, op) of attention out of sight."""
    fast = torch.backends.mha.get_fastpath_enabled()
    with hooks_unmentioned(), RunningModule(model) as running, in_evaluation(model):
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), _Softmaxes(running, look) as softmaxes:
                yield softmaxes.opaque
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)


def attention_maps(model: nn.Module, image: Tensor, notes: list[str] | None = None) -> list[AttentionMap]:
    """The attention maps of a model on one image, in the order in which they are made.

    Args:
        model: any module; it runs once, in evaluation mode.
        image: what it is called with, (1, ...): of one image, heads are told from images whatever a layer's layout is.
        notes: where given, what was seen and is no map of all tokens is said there.

    Returns:
        Scores and weights of each layer in float32, (heads, n, n). A row of the weights sums to 1.

    Raises:
        SkaprofError: more than one image, or no map can be seen, with what to do about it.

    Example:
        >>> import torch
        >>> from skaprof.maps import attention_maps
        >>> from skaprof.nn import StaticKeyAttention
        >>> [layer] = attention_maps(StaticKeyAttention(64, (4, 4)), torch.randn(1, 16, 64))
        >>> layer.weights.shape
        torch.Size([2, 16, 16])
    """
    if image.dim() == 0 or len(image) != 1:
        raise SkaprofError(f"attention_maps: an input of shape {tuple(image.shape)}: expected one image, (1, ...)")
    found: list[AttentionMap] = []
    windows: dict[str, None] = {}
    names: Counter[str] = Counter()

    def look(scope: str, scores: Tensor, weights: Tensor) -> Tensor:
        name = attending(model, scope)
        if sum(side > 1 for side in weights.shape[:-2]) > 1:
            windows[name] = None
            return weights
        names[name] += 1
        label = name if names[name] == 1 else f"{name} ({names[name]})"
        found.append(AttentionMap(label, *(_by_head(tensor) for tensor in (scores, weights))))
        return weights

    with watched(model, look) as opaque:
        model(image)
    _require_seen(model, found, list(windows), opaque)
    if windows and notes is not None:
        notes.append(f"not shown, since they attend within windows and not over all tokens: {', '.join(windows)}")
    return found


def _by_head(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1, *tensor.shape[-2:]).float()


def attending(model: nn.Module, scope: str) -> str:
    """The submodule that attends: what runs the softmax, or what holds it where that is a softmax alone."""
    module = model.get_submodule(scope)
    is_bare = not any(True for _ in module.children()) and not any(True for _ in module.parameters())
    return scope.rpartition(".")[0] if is_bare and scope else scope


def _require_seen(
    model: nn.Module, found: Sequence[AttentionMap], windows: Sequence[str], opaque: Sequence[tuple[str, str]]
) -> None:
    """Raise unless every layer that attends was seen.

    Raises:
        SkaprofError: a layer attends inside an op that shows no map; or no map of all tokens was seen.
    """
    name = type(model).__name__
    if opaque:
        scope, op = opaque[0]
        raise SkaprofError(
            f"{name}: {scope or 'it'} attends inside {op}, which shows no map: build the model with attention in plain "
            "PyTorch (q @ k, softmax) or through scaled_dot_product_attention"
        )
    if not found and windows:
        raise SkaprofError(
            f"{name}: {windows[0]} attends within windows: expected a model whose layers attend over all tokens"
        )
    if not found:
        raise SkaprofError(
            f"{name}: no attention map was seen, no softmax over n keys for n queries: expected attention in plain "
            "PyTorch (q @ k, softmax) or through scaled_dot_product_attention, and none tile by tile or compiled"
        )
