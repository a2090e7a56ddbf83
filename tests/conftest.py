"""Shared by all tests: drawn sizes, and the installed program run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from skaprof.model.plan import Variant
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.workload import Workload

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("skaprof", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("skaprof")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def skaprof() -> Run:
    """Run `skaprof ARGUMENTS...` in a process of its own and return what it did."""

    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
        settings = {"capture_output": True, "text": True, "env": environment, "timeout": 300, **options}
        return subprocess.run([sys.executable, "-m", "skaprof", *arguments], check=False, **settings)

    return run


def require_golden(name: str, text: str) -> None:
    """The text is that of tests/golden/NAME.txt, or becomes it where SKAPROF_WRITE_GOLDEN is set."""
    path = ROOT / "tests" / "golden" / f"{name}.txt"
    if os.environ.get("SKAPROF_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


@st.composite
def workloads(draw: st.DrawFn, spec: MixerSpec, largest: int = 6) -> Workload:
    """Small sizes at which `spec` exists, with every size apart from the others so that no two can be mixed up."""
    sides = st.integers(1, largest)
    heads, head_dim = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    dim = heads * head_dim
    if spec.options.get("query") is not False and draw(st.booleans()):
        dim = draw(st.integers(1, 40))  # attention dim apart from dim
    kernel_size = draw(st.sampled_from((1, 3, 5, 7))) if spec.mixer.kernel_size is not None else None
    channels = (heads, head_dim) if spec.mixer.has_heads else (None, None)
    return Workload(draw(st.integers(1, 3)), draw(sides), draw(sides), dim, *channels, kernel_size)


SPEC_TEXTS = (
    "mhsa",
    "mhsa:bias=true",
    "ska",
    "ska:bias=true",
    "ska:query=false",
    "ska:query=false:bias=true",
    "cska",
    "cska:conv_bias=false",
    "cska:bias=true",
    "linear",
    "linear:bias=true",
    "sepconv",
    "sepconv:bias=true:expansion=3",
    "pooling",
    "identity",
)
ATTENTION_TEXTS = tuple(text for text in SPEC_TEXTS if text.partition(":")[0] in ("mhsa", "ska", "cska"))


@st.composite
def variants(draw: st.DrawFn, modes: tuple[str, ...] = ("forward", "train")) -> tuple[Variant, Workload]:
    """Any mixer with any options, in any implementation and mode it has, at drawn sizes."""
    spec = parse_mixer(draw(st.sampled_from(SPEC_TEXTS)))
    implementation = draw(st.sampled_from(sorted(spec.mixer.op_lists)))
    dtype = draw(st.sampled_from(("float32", "bfloat16")))
    return Variant(spec, implementation, draw(st.sampled_from(modes)), dtype), draw(workloads(spec))
