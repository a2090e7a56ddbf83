"""Shared by all tests: drawn sizes, and the installed program run as a user runs it."""

from __future__ import annotations

import gc
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run beside each other, and PyTorch's threads would wait in turn
os.environ.setdefault("TRITON_INTERPRET", "1")  # looked at when Triton is loaded: it runs its kernels on a processor

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from in_process import run_here

from skaprof.analysis.plan import Variant
from skaprof.model.backbones import BACKBONES
from skaprof.model.choice import choose
from skaprof.model.network import Network, make_network
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.workload import FORMS, Workload

gc.disable()  # until all tests are loaded: see `pytest_collection_finish`

for _ended_by in {"SIGINT", "SIGHUP", "SIGTERM"} & set(dir(signal)):  # whoever began the tests may ignore them
    if signal.getsignal(getattr(signal, _ended_by)) == signal.SIG_IGN:
        signal.signal(
            getattr(signal, _ended_by), signal.default_int_handler if _ended_by == "SIGINT" else signal.SIG_DFL
        )

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("skaprof", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("skaprof")

THOROUGH = os.environ.get("SKAPROF_THOROUGH") == "1"
"""Whether property tests draw all their examples, and the slowest tests run: some 15 minutes more."""
thorough = pytest.mark.skipif(not THOROUGH, reason="SKAPROF_THOROUGH=1 runs it")


def examples(count: int) -> int:
    """How many examples a property test draws: `count` in a thorough run, else an eighth, and 3 at the least."""
    return count if THOROUGH else max(3, count // 8)


LONGEST_FILES = (
    "backbone_proof",
    "calibration",
    "latency",
    "verify",
    "report_command",
    "audit",
    "cli",
    "latency_modules",
)
"""Test files in the order to begin with, so that no worker is left alone with a long one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first."""
    places = {f"test_{name}": place for place, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_collection_finish() -> None:
    """What is loaded stays, and is not searched for garbage: 0.3 s each time, and the timer asks for it often."""
    gc.freeze()
    gc.enable()


def pytest_sessionfinish() -> None:
    """As it was: some packages name at their end all that was never freed."""
    gc.unfreeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Each file to one worker, so that what its tests share is made once."""
    from xdist.scheduler import LoadFileScheduling

    config.option.loadscopereorder = False  # by the number of tests, which says little of their time
    return LoadFileScheduling(config, log)


@pytest.fixture(autouse=True)
def threads_stay() -> Iterator[None]:
    """Whatever a test does, PyTorch's threads are as they were: with more, all later tests take far longer."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    yield
    assert torch is None or torch.get_num_threads() == before


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def skaprof() -> Run:
    """Run `skaprof ARGUMENTS...` in this process, as `in_process.run_here` does, and return what it did."""
    return run_here


@pytest.fixture(scope="session")
def skaprof_process() -> Run:
    """Run `skaprof ARGUMENTS...` in a process of its own: for what only a process shows."""

    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
        settings = {"capture_output": True, "text": True, "env": environment, "timeout": 300, **options}
        return subprocess.run([sys.executable, "-m", "skaprof", *arguments], check=False, **settings)

    return run


@pytest.fixture(scope="session")
def skaprof_here() -> Run:
    """The same as `skaprof`."""
    return run_here


def heed_interrupts() -> None:
    """So that processes started next can be interrupted: a shell has those in its background ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_for_torch(process: subprocess.Popen[str], then: float) -> None:
    """Until a process has loaded PyTorch, or ended, and then so many seconds: it is at work."""
    deadline = time.monotonic() + 60
    maps = Path(f"/proc/{process.pid}/maps")
    while process.poll() is None and time.monotonic() < deadline and "libtorch_cpu" not in maps.read_text():
        time.sleep(0.05)
    time.sleep(then)


@pytest.fixture
def steady_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `keep_clock_steady`."""
    keep_clock_steady(monkeypatch)


def keep_clock_steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor is timed by clocks that each reading of one advances by 60 us: every call runs, no load changes
    a time, nor a call's CPU time.

    A measurement then decides at its first look; what is left to test is all but the times.
    """
    from skaprof.bench import configuration, engine
    from skaprof.bench.cpu import CpuDevice

    class SteadyCpu(CpuDevice):
        at = 0.0

        def now(self) -> float:
            self.at += 60e-6  # above what one sample must last, or calls would be repeated to fill it
            return self.at

        def cpu_seconds(self) -> float:
            return self.at

    monkeypatch.setattr(configuration, "CpuDevice", SteadyCpu)
    monkeypatch.setattr(engine, "WARM_WINDOW", 0.002)


TINY_BACKBONE = "".join(f"[[stages]]\ndepth = 1\ndim = 32\nmixer = '{mixer}'\n" for mixer in ("sepconv", *["mhsa"] * 3))


@pytest.fixture
def tiny_backbone(tmp_path: Path) -> str:
    """The file of a backbone of four small blocks."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY_BACKBONE)
    return str(path)


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
    "mhsa:learned_temperature=true",
    "ska",
    "ska:bias=true",
    "ska:query=false",
    "ska:query=false:bias=true",
    "ska:diagonal_mask=true",
    "cska",
    "cska:conv_bias=false",
    "cska:bias=true",
    "cska:learned_temperature=true:diagonal_mask=true",
    "linear",
    "linear:bias=true",
    "sepconv",
    "sepconv:bias=true:expansion=3",
    "pooling",
    "identity",
)
ATTENTION_TEXTS = tuple(text for text in SPEC_TEXTS if len(parse_mixer(text).forms()) > 1)
"""Those in several forms."""


@st.composite
def variants(draw: st.DrawFn, modes: tuple[str, ...] = ("forward", "train")) -> tuple[Variant, Workload]:
    """Any mixer with any options, in any implementation and mode it has, at drawn sizes."""
    spec = parse_mixer(draw(st.sampled_from(SPEC_TEXTS)))
    implementation = draw(st.sampled_from(sorted(spec.forms())))
    dtype = draw(st.sampled_from(("float32", "bfloat16")))
    return Variant(spec, implementation, draw(st.sampled_from(modes)), dtype), draw(workloads(spec))


PUBLISHED = [
    ("caformer_s18", 224, 26_341_656, 4_106_941_440),
    ("caformer_s18", 384, 26_341_656, 13_366_149_120),
    ("caformer_s36", 224, 39_297_102, 7_971_597_312),
    ("caformer_m36", 224, 56_204_878, 13_240_630_656),
    ("caformer_b36", 224, 98_753_614, 23_160_476_160),
    ("convformer_s18", 224, 26_774_448, 3_940_984_320),
    ("poolformerv2_s12", 224, 11_891_712, 1_812_267_008),
    ("caformer_s18[stage3=ska:query=false,stage4=ska:query=false]", 224, 23_565_336, 3_668_603_904),
    ("caformer_s18[stage2=cska:head_dim=16]", 224, 28_983_186, 6_399_181_824),
    ("vit_tiny", 224, 5_717_416, 1_253_683_200),
    ("vit_small", 224, 22_050_664, 4_598_882_304),
    ("vit_base", 224, 86_567_656, 17_563_828_224),
]
"""(backbone, resolution, parameters, MACs) of published networks."""
NETWORK_MIXERS = (
    "mhsa",
    "ska",
    "ska:query=false",
    "cska",
    "cska:head_dim=16",
    "linear",
    "sepconv",
    "pooling",
    "identity",
)


@st.composite
def networks(draw: st.DrawFn, deepest: int = 1000) -> Network:
    """Any backbone, of so many blocks at most, with any mixers at a small image, square or not, in either form, with or
    without its head."""
    names = sorted(name for name, found in BACKBONES.items() if sum(stage.depth for stage in found.stages) <= deepest)
    backbone = BACKBONES[draw(st.sampled_from(names))]
    mixers = draw(st.one_of(st.none(), st.lists(st.sampled_from(NETWORK_MIXERS), min_size=4, max_size=4)))
    step = backbone.stem_window.stride
    height, width = (step * draw(st.integers(1, 5)) for _ in range(2))
    choice = choose(backbone, None if mixers is None else ",".join(mixers[: len(backbone.stages)]), [])
    form = draw(st.sampled_from(FORMS))
    return make_network(choice, height, width, draw(st.integers(1, 3)), form, has_head=draw(st.booleans()))


@pytest.fixture
def fakes_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counters of fake_counters, here and in the counters' processes, which build no module of PyTorch's."""
    from fake_counters import BUILDERS

    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'tests'}:{ROOT}")
    monkeypatch.setattr("skaprof.count.audit.FRAMEWORKS", BUILDERS)
