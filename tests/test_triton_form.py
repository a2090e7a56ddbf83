"""The triton form as rows see it, with or without Triton: what it takes, and what it says of all else."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch
from conftest import Run

import skaprof as api
from skaprof.bench.environment import require_installed
from skaprof.errors import EXIT_MISSING, SkaprofError
from skaprof.nn import ConvStaticKeyAttention, MultiHeadSelfAttention
from skaprof.nn.triton_here import why_not_timed


@pytest.mark.parametrize("found", [None, SimpleNamespace(__version__="3.1.0", __spec__=object())])
def test_triton_missing_or_too_old_is_told_with_the_cure(
    monkeypatch: pytest.MonkeyPatch, found: SimpleNamespace | None
) -> None:
    monkeypatch.setitem(sys.modules, "triton", found)
    mixer = ConvStaticKeyAttention(16, (2, 2), heads=1, implementation="triton")
    installed = "none" if found is None else "3.1.0"
    words = rf'needs Triton 3.2 or newer, and {installed} is installed here; run: pip install "skaprof\[triton\]"'
    for call in (lambda: mixer(torch.randn(1, 4, 16)), lambda: require_installed(("eager", "triton"))):
        with pytest.raises(SkaprofError, match=words) as raised:
            call()
        assert raised.value.exit_code == EXIT_MISSING
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert "pip install" in str(why_not_timed("cuda", "float32"))


def test_the_proof_needs_no_triton_and_says_what_is_no_second_account(
    skaprof: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "triton", None)
    done = skaprof("flops", "--mixer", "cska", "--implementation", "triton", "--verify", "--mode", "forward,train")
    assert done.returncode == 0, done.stderr
    assert "Verified 2 of 2 rows" in done.stdout
    assert "FlopCounterMode by a formula of skaprof's own, which is no second account" in done.stdout
    assert "hold at once in a call of each triton form" in done.stdout


@pytest.mark.usefixtures("steady_clock")
def test_what_is_not_timed_is_a_row_that_says_why() -> None:
    for mixer, why in {
        "mhsa": "no static key in it, which Triton's kernels are for",
        "ska:head_dim=128": "Triton's kernels take heads of at most 64, and these are 128 wide",
        "cska": "on a processor only to be checked, with TRITON_INTERPRET=1, and not timed",
    }.items():
        (row,) = api.latency(mixer, tokens=4, dim=128, implementation="triton", device="cpu", max_seconds=1)
        assert (row.verdict, row.implementation) == ("unsupported", "triton")
        assert why in str(row.error)


def test_times_are_of_kernels_and_never_of_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert "interpreter would be timed" in str(why_not_timed("cuda", "bfloat16"))
    monkeypatch.delenv("TRITON_INTERPRET")
    assert "take float32, float16, bfloat16" in str(why_not_timed("cuda", "float64"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ConvStaticKeyAttention(65, (2, 2), heads=1, implementation="triton"), "head_dim: '65' .* at most 64"),
        (lambda: MultiHeadSelfAttention(16, implementation="triton"), "expected one of eager, sdpa, tiled"),
        (lambda: api.cost("cska", dim=128, head_dim=128, implementation="triton"), "at most 64, and these are 128"),
        (lambda: api.cost("mhsa", implementation="triton"), "has no 'triton' form"),
    ],
)
def test_what_has_no_such_form_is_refused(make: object, words: str) -> None:
    with pytest.raises(SkaprofError, match=words):
        make()  # type: ignore[operator]


def test_a_network_has_it_where_its_mixers_have(skaprof: Run) -> None:
    done = skaprof("model", "caformer_s18[stage3=ska]", "--implementation", "triton", "--depth", "total", "--verify")
    assert done.returncode == 0, done.stderr
    assert "Without a triton form here, and eager in the triton rows: mhsa" in done.stdout
