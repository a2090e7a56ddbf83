"""What a counter's figures mean, from its counts of probes; and which package a module is of."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

import pytest

from skaprof.analysis import conventions as sizes
from skaprof.analysis.conventions import PROBES, TRAINED, Reading, conventions
from skaprof.distributions import Owner, owner_of

INSIDE = 13 * 10 * sizes.MAP_IN * sizes.MAP_OUT
"""Taps of a 3 x 3 kernel that fall inside a map of 5 x 4, of each pair of channels."""


def named(
    changes: Mapping[str, float], unit: str = "MACs", per_mac: int = 1, trained: Mapping[str, float] = {}
) -> list[str]:
    """What is said of a counter that is right but for these."""
    forward = {name: per_mac * macs for name, macs in PROBES.items()} | changes
    training = {name: 3 * per_mac * PROBES[name] for name in TRAINED} | trained
    read = [{name: Reading(value) for name, value in said.items()} for said in (forward, training)]
    return conventions(*read, unit)


def test_of_a_counter_that_is_right_nothing_is_said() -> None:
    assert named({}) == named({}, "FLOPs", 2) == named({}, "") == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"linear": 11 * 13}, "counts nn.Linear once an image, whatever its tokens"),
        ({"linear-images": 7 * 11 * 13}, "counts one image, whatever the batch"),
        ({"conv": INSIDE, "conv-same": INSIDE}, "leaves out padded positions"),
        ({"@": 4 * 11 * 13, "matmul": 2 * 11 * 13}, "counts a @ b and matmul(a, b) once an image, whatever its tokens"),
        ({"norm": 2 * 11}, "counts the parameters of a layer norm"),
        ({"einsum": 1}, "counts einsum as nothing"),
        ({"conv-same": 0}, 'counts a convolution with padding="same" as nothing'),
        ({"@": 0, "einsum": 0, "sdpa": 0}, "counts a @ b, einsum and scaled_dot_product_attention as nothing"),
        ({"conv-groups": PROBES["conv"]}, "takes a grouped convolution for a whole one"),
        ({"scan": 7 * 11 * 11 + 40}, "counts the body of a scan once"),
        ({"matmul": 3003}, "counts matmul(a, b) at 1.5 times its multiply-adds"),
        ({"linear-bias": 7 * 11 * 13 + 7 * 13}, "counts a bias at 1 an element"),
        ({"softmax": 5 * 77, "norm": 77}, "counts elementwise work: softmax 5, layer norm 1 an element"),
    ],
)
def test_a_difference_is_named(changes: Mapping[str, float], sentence: str) -> None:
    assert named(changes) == [sentence]


def test_a_unit_is_what_one_multiply_add_counts() -> None:
    assert named({}, "flops") == ["counts MACs as flops"]
    assert named({}, "MACs", 2) == ["counts FLOPs, two a multiply-add, as MACs"]
    assert named({"linear": 21 * 7 * 13, "conv": 107 * 5 * 4 * 10}, "FLOPs", 2) == [
        "counts one addition fewer a sum than multiplications"
    ]
    assert named({"linear": 2 * 11 * 13}, "FLOPs", 2) == ["counts nn.Linear once an image, whatever its tokens"]


def test_a_backward_that_is_not_twice_the_forward_is_named() -> None:
    found = named({}, trained={"conv-groups": 6 * PROBES["conv-groups"], "linear": PROBES["linear"]})
    assert found == [
        "counts the backward, which is twice the forward: that of nn.Linear at 0 times its forward, that of a grouped "
        "convolution (2 groups) at 5 times its forward"
    ]


def test_what_takes_numbers_for_tokens_or_drops_parameters_is_named() -> None:
    assert conventions({}, {"linear": Reading(6 * 11 * 13 * 77)}, "FLOPs") == [
        "takes each number of the input for a token"
    ]
    summary = {"linear": Reading(None, 143), "linear-beside": Reading(None, 143)}
    assert conventions(summary, {}, "") == ["leaves out parameters held beside layers"]
    assert conventions(summary | {"linear-beside": Reading(None, 160)}, {}, "") == []


def installed(folder: Path, name: str, version: str, code: str, *, writes: bool = True) -> None:
    """A distribution whose one module is audited_twice, as pip would have put it there."""
    module = folder / "audited_twice.py"
    if writes:
        module.write_text(code)
    digest = urlsafe_b64encode(hashlib.sha256(code.encode()).digest()).decode().rstrip("=")
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"audited_twice.py,sha256={digest},{len(code)}\n{info.name}/RECORD,,\n")


@pytest.mark.parametrize("last", ["first-of-two", "second-of-two"])
def test_a_module_is_of_the_package_that_wrote_it_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    for name, version in (("first-of-two", "1.0"), ("second-of-two", "2.0")):
        installed(tmp_path, name, version, f"by = {name!r}", writes=name == last)
    monkeypatch.syspath_prepend(tmp_path)
    owner_of.cache_clear()
    owner = owner_of("audited_twice")
    owner_of.cache_clear()
    assert owner == Owner(last, "1.0" if last == "first-of-two" else "2.0")
    assert owner.is_called(last.replace("-", "_").upper())
    assert owner_of("no_such_module_here") is None
