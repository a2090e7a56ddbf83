"""Words that mean one of ours: another case, `_` for `-`, and what other tools call it."""

from __future__ import annotations

from collections.abc import Iterable

_ELSEWHERE = {
    "fp64": "float64",
    "double": "float64",
    "fp32": "float32",
    "float": "float32",
    "bf16": "bfloat16",
    "fp16": "float16",
    "half": "float16",
    "inference": "forward",
    "training": "train",
    "gpu": "cuda",
    "md": "markdown",
    "txt": "table",
    "batch-size": "batch",
    "seq-len": "tokens",
    "num-tokens": "tokens",
    "embed-dim": "dim",
    "hidden-size": "dim",
    "num-heads": "heads",
    "image-size": "resolution",
    "img-size": "resolution",
    "patch-size": "patch",
    "precision": "dtype",
}
"""What PyTorch, timm and other benchmarks say, and our word for it: only where it can mean nothing else."""


def meant(word: str, choices: Iterable[str]) -> str:
    """The choice that a word means, or the word itself where it means none.

    >>> meant("FP16", ("float32", "float16")), meant("channels_last", ("eager", "channels-last"))
    ('float16', 'channels-last')
    """
    known = list(choices)
    if word in known:
        return word
    plain = _plain(word)
    found = next((choice for choice in known if _plain(choice) == plain), _ELSEWHERE.get(plain))
    return found if found in known else word


def _plain(word: str) -> str:
    return word.lower().removeprefix("torch.").replace("_", "-")


def spellings(word: str) -> list[str]:
    """What other tools call what this word means here: `batch-size` for `batch`."""
    return [other for other, ours in _ELSEWHERE.items() if ours == word]
