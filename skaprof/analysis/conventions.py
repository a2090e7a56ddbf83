"""What a counter's figures mean, found by measuring: probes of one thing each, whose work is known, and what explains
the counts of them.

A probe's sizes are apart from each other, so that no two explanations give one figure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

TOKENS, INPUTS, OUTPUTS = 7, 11, 13
"""Of the linear layer, and of products: (tokens, inputs) times (inputs, outputs)."""
IMAGES = 3
HEIGHT, WIDTH, MAP_IN, MAP_OUT, KERNEL, GROUPS = 5, 4, 6, 10, 3, 2
"""Of the convolutions."""
STEPS = 5
"""Of the scan: so many products one after another, each of INPUTS by INPUTS."""
BESIDE = 17
"""How many numbers the parameter has that is held beside a layer."""

_ELEMENTS = TOKENS * INPUTS
_LINEAR = TOKENS * INPUTS * OUTPUTS
_TAPS = HEIGHT * WIDTH * MAP_IN * MAP_OUT * KERNEL**2
_TAPS_INSIDE = (KERNEL * HEIGHT - 2) * (KERNEL * WIDTH - 2) * MAP_IN * MAP_OUT

PROBES: dict[str, int] = {
    "linear": _LINEAR,
    "linear-bias": _LINEAR,
    "linear-images": IMAGES * _LINEAR,
    "linear-beside": _LINEAR,
    "conv": _TAPS,
    "conv-same": _TAPS,
    "conv-own": _TAPS,
    "conv-groups": _TAPS // GROUPS,
    "@": 2 * _LINEAR,
    "matmul": 2 * _LINEAR,
    "einsum": 2 * _LINEAR,
    "sdpa": 2 * _LINEAR,
    "scan": STEPS * TOKENS * INPUTS**2,
    "softmax": 0,
    "scale": 0,
    "norm": 0,
}
"""Each probe's multiply-adds: products are of two heads; those of fused attention, TOKENS queries to OUTPUTS keys."""
_LAYERS = ("linear", "linear-bias", "linear-images", "conv-same", "conv-groups", "norm")
PROBED: dict[str, tuple[str, ...]] = {
    "torch": tuple(name for name in PROBES if name != "scan"),
    "jax": ("linear", "linear-images", "conv-same", "conv-groups", "@", "einsum", "scan", "softmax", "scale"),
    "flax": _LAYERS,
    "keras": (*_LAYERS, "matmul", "einsum", "softmax", "scale"),
}
"""The probes that each framework has."""
TRAINED = ("linear", "conv-groups")
"""The probes whose training is counted, too: three times the forward's work."""
_WORDS = {
    "linear": "nn.Linear",
    "conv": "a convolution",
    "conv-same": 'a convolution with padding="same"',
    "conv-own": "a subclass of nn.Conv2d",
    "conv-groups": "a grouped convolution",
    "@": "a @ b",
    "matmul": "matmul(a, b)",
    "einsum": "einsum",
    "sdpa": "scaled_dot_product_attention",
    "scan": "a scan",
}
_CONVOLUTIONS = ("conv", "conv-same", "conv-own")
_PRODUCTS = ("@", "matmul", "einsum")
_ELEMENTWISE = {"softmax": "softmax", "scale": "a scale", "norm": "layer norm"}


class Reading(NamedTuple):
    """What a counter said of a probe: its count in its own unit, and parameters."""

    counted: float | None
    params: int | None = None


def conventions(forward: Mapping[str, Reading], trained: Mapping[str, Reading], unit: str) -> list[str]:
    """What explains a counter's counts of the probes, in words; nothing of what it counts as one would expect."""
    counted = {name: reading.counted for name, reading in forward.items() if reading.counted is not None}
    backward = {name: reading.counted for name, reading in trained.items() if reading.counted is not None}
    per_mac = _per_mac(counted)
    found = [_of_inputs(forward, trained), _of_nothing(counted)]
    if per_mac is not None:
        found += [_of_unit(per_mac, unit), _of_sums(counted, per_mac), _of_weights(counted, per_mac)]
        found += [_of_images(counted, per_mac)]
        found += [_of_padding(counted, per_mac), _of_groups(counted, per_mac), _of_scan(counted, per_mac)]
        found += _of_others(counted, per_mac)
        found += [
            _of_bias(counted, per_mac),
            _of_norms_parameters(counted),
            _of_elementwise(counted),
            _of_training(backward, per_mac),
        ]
    return [words for words in (*found, _of_parameters(forward)) if words]


def _per_mac(counted: Mapping[str, float]) -> int | None:
    """How many units one multiply-add is: by the first probe that is counted as once or twice its own."""
    for name, macs in PROBES.items():
        for units in (1, 2):
            if macs and counted.get(name) in (units * macs, units * _expected_otherwise(name)):
                return units
    return None


def _expected_otherwise(name: str) -> int:
    """The figure of a known other reading of a probe, -1 where there is none."""
    return {"linear": INPUTS * OUTPUTS, "conv": _TAPS_INSIDE}.get(name, -1)


def _of_unit(per_mac: int, unit: str) -> str:
    is_flops = "op" in unit.lower()
    if is_flops and per_mac == 1:
        return f"counts MACs as {unit}"
    return f"counts FLOPs, two a multiply-add, as {unit}" if unit and not is_flops and per_mac == 2 else ""


def _of_weights(counted: Mapping[str, float], per_mac: int) -> str:
    """What is counted as the number of its weights; some counters see an image in each head of a product."""
    once = INPUTS * OUTPUTS
    known = {"linear": (once,), **dict.fromkeys(_PRODUCTS, (2 * once, 4 * once))}
    found = [_WORDS[name] for name, figures in known.items() if counted.get(name, 0) / per_mac in figures]
    return f"counts {_listed(found)} once an image, whatever its tokens" if found else ""


def _of_images(counted: Mapping[str, float], per_mac: int) -> str:
    alike = "linear" in counted and counted.get("linear-images") == counted["linear"] == per_mac * PROBES["linear"]
    return "counts one image, whatever the batch" if alike else ""


def _of_padding(counted: Mapping[str, float], per_mac: int) -> str:
    inside = per_mac * _TAPS_INSIDE in (counted.get("conv"), counted.get("conv-same"))
    return "leaves out padded positions" if inside else ""


def _of_nothing(counted: Mapping[str, float]) -> str:
    """What is not seen at all."""
    unseen = [words for name, words in _WORDS.items() if name in counted and not _counted_work(name, counted)]
    return f"counts {_listed(unseen)} as nothing" if unseen else ""


def _counted_work(name: str, counted: Mapping[str, float]) -> float:
    """What was counted of a probe; 0 where that is an operation or two that have nothing to do with its products."""
    said = counted.get(name, 0)
    return said if said > PROBES[name] / 1_000 else 0


def _of_sums(counted: Mapping[str, float], per_mac: int) -> str:
    """A sum of n products is n - 1 additions."""
    once = per_mac == 2 and counted.get("linear") == (2 * INPUTS - 1) * TOKENS * OUTPUTS
    return "counts one addition fewer a sum than multiplications" if once else ""


def _of_groups(counted: Mapping[str, float], per_mac: int) -> str:
    forgotten = counted.get("conv-groups") == per_mac * GROUPS * PROBES["conv-groups"]
    return "takes a grouped convolution for a whole one" if forgotten else ""


def _of_scan(counted: Mapping[str, float], per_mac: int) -> str:
    """A scan's body may hold some elementwise work beside its product."""
    once = per_mac * PROBES["scan"] / STEPS
    return "counts the body of a scan once" if once <= counted.get("scan", 0) < 1.5 * once else ""


_SUMMED = {
    "linear": INPUTS,
    **dict.fromkeys(_PRODUCTS, INPUTS),
    **dict.fromkeys(_CONVOLUTIONS, MAP_IN * KERNEL**2),
    "conv-groups": MAP_IN * KERNEL**2 // GROUPS,
}
"""How many products each output of a probe is the sum of."""
_INSIDE = _TAPS_INSIDE / _TAPS
_OTHERWISE = {
    "linear": (1 / TOKENS,),
    **dict.fromkeys(_PRODUCTS, (1 / TOKENS, 2 / TOKENS)),
    **dict.fromkeys(_CONVOLUTIONS, (_INSIDE,)),
    "conv-groups": (float(GROUPS), _INSIDE),
}
_EXPLAINED = {name: (1.0, 1 - 0.5 / summed, *_OTHERWISE[name]) for name, summed in _SUMMED.items()}
"""The shares of a probe's multiply-adds that a sentence of their own names."""


def _of_others(counted: Mapping[str, float], per_mac: int) -> list[str]:
    """What is neither counted in full, nor not at all, nor as another sentence says."""
    found = []
    for name, words in _WORDS.items():
        share = _counted_work(name, counted) / (per_mac * PROBES[name])
        usual = _EXPLAINED.get(name, (1.0,)) if name != "scan" else (share,)
        if share and all(abs(share - known) > 1e-3 for known in usual):
            found.append(f"counts {words} at {share:.3g} times its multiply-adds")
    return found


def _of_bias(counted: Mapping[str, float], per_mac: int) -> str:
    """Where the layer itself is counted in full."""
    alone = per_mac * PROBES["linear"]
    added = counted.get("linear-bias", 0) - alone if counted.get("linear") == alone else 0
    return f"counts a bias at {added / (TOKENS * OUTPUTS):.3g} an element" if added > 0 else ""


def _of_elementwise(counted: Mapping[str, float]) -> str:
    """Work that is no multiply-add, an element of its output."""
    parts = [
        f"{words} {counted[name] / _ELEMENTS:.3g}"
        for name, words in _ELEMENTWISE.items()
        if counted.get(name, 0) > 0 and not _is_of_norms_parameters(name, counted)
    ]
    return f"counts elementwise work: {', '.join(parts)} an element" if parts else ""


def _of_norms_parameters(counted: Mapping[str, float]) -> str:
    return "counts the parameters of a layer norm" if _is_of_norms_parameters("norm", counted) else ""


def _is_of_norms_parameters(name: str, counted: Mapping[str, float]) -> bool:
    return name == "norm" and counted.get(name) in (INPUTS, 2 * INPUTS)


def _of_training(backward: Mapping[str, float], per_mac: int) -> str:
    """How many times the forward's work the backward is taken for, where two is right."""
    parts = []
    for name in TRAINED:
        times = backward.get(name, 3 * per_mac * PROBES[name]) / (per_mac * PROBES[name]) - 1
        if abs(times - 2) > 1e-3:
            groups = f" ({GROUPS} groups)" if name == "conv-groups" else ""
            parts.append(f"that of {_WORDS[name]}{groups} at {times:.3g} times its forward")
    return f"counts the backward, which is twice the forward: {', '.join(parts)}" if parts else ""


def _of_inputs(forward: Mapping[str, Reading], trained: Mapping[str, Reading]) -> str:
    """Six FLOPs a parameter and token, each number of the input being taken for a token."""
    weights = INPUTS * OUTPUTS
    said = trained.get("linear", Reading(None)).counted
    return "takes each number of the input for a token" if said == 6 * weights * _ELEMENTS and not forward else ""


def _of_parameters(forward: Mapping[str, Reading]) -> str:
    alone, beside = (forward.get(name, Reading(None)).params for name in ("linear", "linear-beside"))
    dropped = alone is not None and alone == beside == INPUTS * OUTPUTS
    return "leaves out parameters held beside layers" if dropped else ""


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
