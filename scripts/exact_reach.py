"""Writes docs/exact-counter-modules.md: many ordinary modules, each counted exactly and in a second, independent way.

python scripts/exact_reach.py            # needs timm, torchvision, transformers and einops beside skaprof; minutes

PyTorch's layers and hand-written attention have their MACs by hand (tests/counted_modules.py). The models of other
packages have them from the calls of PyTorch's functions, above autograd and by the definition of each, which shares no
table with the exact counter. Weights are random, on meta tensors: nothing is downloaded.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from skaprof.count.exact import count_exact
from skaprof.foreign_code import reason_of

HERE = Path(__file__).parent.parent
SMALL = 150_000_000
"""Parameters of a model that is run on the processor where it does not run on meta."""
PAGE = HERE / "docs" / "exact-counter-modules.md"
sys.path.insert(0, str(HERE / "tests"))


class Found(NamedTuple):
    """One module: its exact count or why there is none, and what it should be."""

    name: str
    macs: int | None
    error: str | None
    expected: int
    source: str

    @property
    def is_wrong(self) -> bool:
        """Whether it has a count that is not what it should be."""
        return self.macs is not None and self.macs != self.expected


class ByDefinition(TorchFunctionMode):
    """Sums the multiply-adds of the functions that a module calls, by what each is defined to compute."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        count = _DEFINED.get(getattr(func, "__name__", ""))
        if count is not None:
            self.macs += count(result, *args, **(kwargs or {}))
        return result


def _product(out: Tensor, a: Tensor, b: Tensor, *_: Any, **__: Any) -> int:
    return out.numel() * int(a.shape[-1])


def _turned(out: Tensor, b: Tensor, a: Tensor, *_: Any, **__: Any) -> int:
    return _product(out, a, b)


def _added(out: Tensor, bias: Tensor, *products: Tensor, batch1: Tensor | None = None, **_: Any) -> int:
    return out.numel() * int((products[0] if batch1 is None else batch1).shape[-1])


def _linear(out: Tensor, input: Tensor, weight: Tensor, *_: Any, **__: Any) -> int:
    return out.numel() * int(weight.shape[1])


def _convolution(out: Tensor, input: Tensor, weight: Tensor, *_: Any, **__: Any) -> int:
    return out.numel() * prod(weight.shape[1:])


def _transposed(out: Tensor, input: Tensor, weight: Tensor, *_: Any, **__: Any) -> int:
    return input.numel() * prod(weight.shape[1:])


def _attention(out: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    return prod(query.shape[:-1]) * int(key.shape[-2]) * int(query.shape[-1] + value.shape[-1])


def _multi_head(out: Any, q: Tensor, k: Tensor, v: Tensor, dim: int, heads: int, *_: Any, **__: Any) -> int:
    """(tokens, batch, dim) or (tokens, dim)."""
    pairs = q.numel() // q.shape[-1] * int(k.shape[0])
    return dim * (2 * q.numel() + k.numel() + v.numel()) + 2 * pairs * dim


def _einsum(out: Tensor, equation: str, *operands: Any, **__: Any) -> int:
    """Of two operands; the axes of an ellipsis are capital letters."""
    tensors = operands[0] if isinstance(operands[0], list | tuple) else operands
    if len(tensors) != 2:
        raise NotImplementedError(f"an einsum of {len(tensors)} operands")
    terms, _, result = equation.replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    named = []
    for term, tensor in zip(terms.split(","), tensors, strict=True):
        extra = tensor.dim() - len(term.replace("...", ""))
        letters = term.replace("...", "".join("ZYXWV"[extra - 1 - place] for place in range(extra)))
        named.append(set(letters))
        for letter, size in zip(letters, tensor.shape, strict=True):
            sizes[letter] = max(sizes.get(letter, 1), int(size))
    kept = set(result.replace("...", "ZYXWV"))
    both = named[0] & named[1]
    if not any(sizes[letter] > 1 for letter in both - kept):  # nothing is summed: elementwise
        return 0
    alone = {letter for letter in sizes if letter not in both and letter not in kept}
    return prod(size for letter, size in sizes.items() if letter not in alone)


def _recurrent(out: Any, input: Tensor, state: Any, weights: Any, *_: Any, **__: Any) -> int:
    return prod(input.shape[:-1]) * sum(weight.numel() for weight in weights if weight.dim() == 2)


_DEFINED: dict[str, Callable[..., int]] = {
    **dict.fromkeys(("matmul", "__matmul__", "bmm", "mm", "mv", "dot"), _product),
    "__rmatmul__": _turned,
    **dict.fromkeys(("addmm", "baddbmm", "addmv"), _added),
    "linear": _linear,
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed),
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head,
    "einsum": _einsum,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent),
}


def by_definition(module: nn.Module, call: Callable[[], Any]) -> int:
    """MACs of a call by the definition of each function."""
    was = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), ByDefinition() as counted:
            call()
    finally:
        torch.backends.mha.set_fastpath_enabled(was)
    return counted.macs


def found_of(name: str, module: nn.Module, call: Callable[[], Any], expected: int | None, source: str) -> Found:
    """The exact count of a call, and the other one where it is not given."""
    exact = count_exact(module, call)
    return Found(name, exact.macs, exact.error, by_definition(module, call) if expected is None else expected, source)


def hand() -> Iterator[Found]:
    """What was counted by hand."""
    from counted_modules import hand_cases

    for name, case in hand_cases().items():
        module, inputs = case.build().eval(), case.tensors()
        yield found_of(name, module, lambda: module(*inputs), case.macs, "by hand")  # noqa: B023  # called at once


def einops() -> Iterator[Found]:
    """einops' layers."""
    from einops.layers.torch import EinMix, Rearrange, Reduce

    x = torch.randn(2, 6, 12)
    mixing = EinMix("b n (h c) -> b n (h d)", weight_shape="h c d", h=3, c=4, d=5)
    tokens = EinMix("b n c -> b m c", weight_shape="n m", bias_shape="m", n=6, m=7)
    for name, module, macs in (
        ("einops Rearrange", Rearrange("b n (h c) -> b h n c", h=3), 0),
        ("einops Reduce", Reduce("b n c -> b c", "mean"), 0),
        ("einops EinMix by heads", mixing, 2 * 6 * 3 * 4 * 5),
        ("einops EinMix over tokens", tokens, 2 * 6 * 7 * 12),
    ):
        yield found_of(name, module, lambda: module(x), macs, "by hand")  # noqa: B023  # called at once


def vision() -> Iterator[Found]:
    """torchvision's and timm's families, one model each, at the image size that each is made for."""
    import timm
    import torchvision

    seen: dict[str, str] = {}
    for name in sorted(torchvision.models.list_models(module=torchvision.models), key=len):
        seen.setdefault(torchvision.models.get_model_builder(name).__module__, name)
    for name in seen.values():
        yield from tried(f"torchvision {name}", lambda: torchvision.models.get_model(name), 224)  # noqa: B023
    for family in timm.list_modules():
        names = timm.list_models(module=family)
        if names:
            model = sorted(names, key=len)[0]
            size = (timm.get_pretrained_cfg(model) or timm.create_model(model).pretrained_cfg).input_size[-1]
            yield from tried(f"timm {model}", lambda: timm.create_model(model), size)  # noqa: B023


def tried(name: str, make: Callable[[], nn.Module], side: int) -> Iterator[Found]:
    """A model on an image on meta, where it builds and runs there; on the processor where it does not."""
    for device in ("meta", "cpu"):
        try:
            with torch.device(device):
                module, image = make().eval(), torch.zeros(1, 3, side, side)
            yield found_of(name, module, lambda: module(image), None, "by definition")  # noqa: B023  # called at once
        except Exception as error:  # whatever keeps a model of others from running here
            print(f"{name} on {device}: {reason_of(error)}", file=sys.stderr)
            continue
        return


def text() -> Iterator[Found]:
    """transformers' families: the base model of each default configuration, on 16 tokens or an image."""
    from transformers.models.auto.modeling_auto import MODEL_MAPPING

    for config_class in list(MODEL_MAPPING):
        yield from family(config_class.model_type)


def family(model_type: str) -> Iterator[Found]:
    """One of transformers' models on meta, or on the processor where it needs values and is small."""
    from transformers import AutoConfig, AutoModel

    name = f"transformers {model_type}"
    params = 0
    for device in ("meta", "cpu"):
        try:
            config = AutoConfig.for_model(model_type)
            with torch.device(device):
                module = AutoModel.from_config(config).eval()
                inputs = inputs_of(module, config)
            params = sum(parameter.numel() for parameter in module.parameters())
            yield found_of(name, module, lambda: module(**inputs), None, "by definition")  # noqa: B023  # called at once
        except Exception as error:  # whatever keeps a model of others from running here
            print(f"{name} on {device}: {reason_of(error)}", file=sys.stderr)
            if params < SMALL and is_narrow(config):
                continue
        return


def is_narrow(config: Any) -> bool:
    """Whether the configuration is of a base size."""
    width = getattr(config, "hidden_size", None) or getattr(config, "d_model", None)
    return isinstance(width, int) and width <= 1024


def inputs_of(module: Any, config: Any) -> dict[str, Tensor]:
    """16 tokens, or an image of the size in the configuration."""
    ids = torch.zeros(1, 16, dtype=torch.int64)
    inputs = {"input_ids": ids}
    if module.main_input_name == "pixel_values":
        side = config.image_size if isinstance(getattr(config, "image_size", None), int) else 224
        inputs = {"pixel_values": torch.zeros(1, getattr(config, "num_channels", 3), side, side)}
    elif module.main_input_name == "input_values":
        inputs = {"input_values": torch.zeros(1, 8000)}
    if config.is_encoder_decoder and "input_ids" in inputs:
        inputs["decoder_input_ids"] = ids
    return inputs


_PACKAGES = ("torch", "timm", "torchvision", "transformers", "einops")


def page(rows: list[Found]) -> str:
    """The page: how many of each result, and every module."""
    wrong, refused = sum(row.is_wrong for row in rows), sum(row.macs is None for row in rows)
    counted = len(rows) - wrong - refused
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "timm", "torchvision", "transformers", "einops")
    )
    lines = [
        "# Modules that the exact counter was tried on",
        "",
        "Made by `scripts/exact_reach.py`: each module is counted by [the exact counter](exact-counter.md), and by",
        "hand or, for models of other packages, by the definition of each function called: a counter above autograd",
        f"that shares no formula with the exact one. Random weights; {packages}.",
        "",
        f"Of {len(rows):,} modules {counted:,} ({100 * counted / len(rows):.1f} %) are counted exactly, {refused:,} "
        f"are refused by name, {wrong:,} wrong. Models that do not build or run on one image, 16 tokens or a sound, as",
        "they come, are not in the list.",
        "",
        "| module | MACs | checked | result |",
        "|---|---:|---|---|",
    ]
    for row in rows:
        result = f"**wrong: {row.expected:,}**" if row.is_wrong else "exact" if row.macs is not None else row.error
        macs = "" if row.macs is None else f"{row.macs:,}"
        lines.append(f"| {row.name.replace('|', ' ')} | {macs} | {row.source} | {result} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parts = {"hand": hand, "einops": einops, "vision": vision, "text": text}
    chosen = [row for name in sys.argv[1:] or parts for row in parts[name]()]
    for row in chosen:
        if row.macs != row.expected:
            print(row, file=sys.stderr)
    if not sys.argv[1:]:
        PAGE.write_text(page(chosen))
