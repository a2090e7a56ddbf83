"""Predicted calls: ops seen on shapes are those that run, surfaces find the truth, and files are read back."""

from __future__ import annotations

import json
from math import exp, log
from pathlib import Path
from random import Random

import pytest
import torch
from conftest import Run
from torch import nn

from skaprof.analysis.kernel_model import KernelModel, call_costs
from skaprof.analysis.kernel_surface import OUTSIDE
from skaprof.analysis.search import PLACES
from skaprof.bench import chains
from skaprof.bench.chains import call_of, timed_chain
from skaprof.bench.dispatched import dispatched, shapes_alone
from skaprof.bench.kernel_times import measured_kernels
from skaprof.bench.predicting import Predictor
from skaprof.errors import SkaprofError
from skaprof.model.choice import open_backbone
from skaprof.model.hardware import find_hardware
from skaprof.model.kernel_times import VIEW, CallCosts, DispatchedKernel, KernelTime, KernelTimes, TimedCall, averaged
from skaprof.model.kernel_times import kernel_times_text as text_of
from skaprof.model.network import Network, make_network
from skaprof.model.spec import parse_mixer
from skaprof.nn.backbones import build_network
from skaprof.nn.build import build_mixer
from skaprof.workload import MODES, Workload

NOTHING = {"forward": CallCosts(1.0, 0.0, 0.0, 0.0)}
TOUCHED = 4096
"""KiB of the calls that kernels of these tests stand in, where that is not what is tested."""
MACHINE = (
    '[[hardware]]\nid = "m"\nname = "M"\npeak_float32 = "100 TFLOP/s"\nbandwidth = "10 GB/s"\nlaunch = "1 us"\n'
    'source = "a test"\ndate = "2026-01-01"\n'
)


CALLS = "[calls]\nforward = { scale = 1, per_op_us = 0, per_call_us = 0, spread = 0 }\n"
KERNEL = '[[kernels]]\nkind = "a"\ndtype = "b"\n'


def truth(kernel: DispatchedKernel) -> float:
    """A machine whose products get faster as they grow, and are slower where columns are few."""
    rows, inner, columns, _ = kernel.sizes
    work = rows * inner * columns
    return 1e-6 + work / (2e9 * (1 + log(1 + work) / 20)) * (1 + 3 / columns)


def product(*sizes: int, touched: int = TOUCHED) -> DispatchedKernel:
    return DispatchedKernel("mm/c/dpn", "float32", (*sizes, touched))


def error_of(model: KernelModel, times: list[KernelTime]) -> float:
    """The median error."""
    found = model.seconds([time.kernel for time in times])
    off = [abs((seconds or 0) / truth(time.kernel) - 1) for seconds, time in zip(found, times, strict=True)]
    return sorted(off)[len(off) // 2]


def drawn(count: int, seed: int = 0) -> list[KernelTime]:
    numbers = Random(seed)
    sizes = [[round(exp(numbers.uniform(log(16), log(1024)))) for _ in range(3)] for _ in range(count)]
    noise = [exp(numbers.gauss(0, 0.01)) for _ in sizes]
    return [KernelTime(product(*of), truth(product(*of)) * n) for of, n in zip(sizes, noise, strict=True)]


def test_a_surface_finds_times_between_those_that_were_measured() -> None:
    off = error_of(KernelModel(drawn(80), NOTHING), drawn(60, seed=1))
    assert off < 0.02
    assert error_of(KernelModel(drawn(80)[:6], NOTHING), drawn(60, seed=1)) > 2 * off, "with fewer it knows less"


def test_far_from_what_was_measured_is_said_and_an_op_that_never_ran_is_not_predicted() -> None:
    model = KernelModel(drawn(40), {"forward": CallCosts(1.0, 0.0, 0.0, 0.1)})
    inside, far = product(100, 100, 100), product(100, 100, round(1024 * exp(2 * OUTSIDE)))
    near = model.predict([inside, DispatchedKernel(f"{VIEW}/t", "", ())])
    assert near.seconds is not None
    assert near.low == pytest.approx(near.seconds / 1.1)
    assert near.high == pytest.approx(near.seconds * 1.1)
    assert (near.outside, model.predict([inside, far]).outside) == ((), ("mm",))
    costly = KernelModel(drawn(40), {"forward": CallCosts(1.2, 1e-3, 2e-3, 0.1)}).predict([inside, inside])
    assert costly.seconds == pytest.approx(1.2 * 2 * near.seconds + 2 * 1e-3 + 2e-3)
    unknown = model.predict([inside, DispatchedKernel("erfinv/c", "float32", (4, 4, TOUCHED))])
    assert (unknown.seconds, unknown.unknown) == (None, ("erfinv",))
    other_layout = model.predict([DispatchedKernel("mm/c/c", "float32", (100, 100, 100, TOUCHED))])
    assert other_layout.seconds == pytest.approx(near.seconds, rel=0.2)
    assert model.predict([product(100, 100, 100)._replace(dtype="bfloat16")]).unknown == ("mm",)


def test_what_calls_cost_beside_their_ops_is_learned_and_their_spread_holds_nine_in_ten() -> None:
    numbers = Random(2)
    times = drawn(200, seed=3)
    calls = []
    for _ in range(60):
        of = tuple(numbers.sample(times, numbers.randint(4, 12)))
        whole = 1.05 * sum(time.seconds for time in of) + len(of) * 2e-5 + 1e-4
        calls.append(TimedCall(of, whole * exp(numbers.gauss(0, 0.02))))
    costs = call_costs(calls)["forward"]
    assert costs.scale == pytest.approx(1.05, abs=0.03)
    assert costs.per_op == pytest.approx(2e-5, rel=0.5)
    assert costs.per_call == pytest.approx(1e-4, rel=0.9)
    assert 0.02 < costs.spread < 0.12


MIXED = [("mhsa", "eager"), ("mhsa", "sdpa"), ("ska", "eager"), ("ska", "sdpa"), ("cska", "eager"), ("cska", "sdpa")]


@pytest.mark.parametrize(("text", "form"), [*MIXED, ("sepconv", "eager"), ("pooling", "eager")])
@pytest.mark.parametrize("trains", [False, True], ids=["forward", "train"])
def test_the_ops_seen_on_shapes_alone_are_those_that_run(text: str, form: str, trains: bool) -> None:
    spec = parse_mixer(text)
    w = Workload(2, 5, 4, *spec.resolve_channels(64), spec.resolve_kernel_size())

    def build() -> nn.Module:
        return build_mixer(spec, w, form)

    module, shape = build().eval(), (2, 5, 4, 64)
    ran = dispatched(call_of(module, torch.randn(shape), trains=trains))
    with shapes_alone(build) as alone:
        seen = dispatched(call_of(alone, torch.empty(shape), trains=trains))
    assert seen == ran
    touching = {kernel.op for kernel in ran if not kernel.is_view}
    assert touching
    assert not touching & {"view", "t", "transpose", "permute", "expand"}, "views touch no memory"


def test_ops_of_a_call_add_up_to_about_the_call() -> None:
    """Ten times too much or too little would be another unit."""
    call = timed_chain(next(chains.chains()), 0.05)
    assert 0.1 < sum(time.seconds for time in call.times) / call.seconds < 10


def test_a_short_calibration_predicts_a_mixer_and_its_file_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skaprof: Run
) -> None:
    monkeypatch.setattr(chains, "PASS_SECONDS", 0.001)
    monkeypatch.setattr(chains, "CALLS", 1)
    monkeypatch.setattr(chains, "TOKENS", (16, 64))
    monkeypatch.setattr(chains, "DIMS", (64, 128))
    where = {"cpu": "A CPU", "torch": torch.__version__, "threads": 1}
    kept = str(tmp_path / "calls.jsonl")
    found = measured_kernels(0.01, where, resume=kept)
    again = measured_kernels(0.01, where, resume=kept)
    assert len(again.times) > len(found.times), "it goes on after the calls that are there"
    with pytest.raises(SkaprofError, match="was timed with threads '1': expected '2'"):
        measured_kernels(0.01, where | {"threads": 2}, resume=kept)
    path = tmp_path / "m.toml"
    path.write_text(MACHINE + "".join(text_of(found)))
    read = find_hardware(str(path)).kernels
    assert read is not None
    assert read.conditions == {"cpu": "A CPU", "torch": torch.__version__, "threads": "1"}
    assert [time.kernel for time in read.times] == [time.kernel for time in found.times]
    assert [time.seconds for time in read.times] == pytest.approx([time.seconds for time in found.times], rel=1e-3)
    spec = parse_mixer("mhsa")
    said = Predictor(read).mixer(spec, Workload(1, 5, 5, *spec.resolve_channels(64), None), "eager")
    assert said.seconds is not None
    assert 1e-6 < said.seconds < 1
    done = skaprof("roofline", "--hardware", str(path), "--tokens", "25", "--dim", "64", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert '"predicted_low_ms": 0' in done.stdout


def everything(*networks: Network) -> str:
    """A machine on which each op of these networks takes 2 us."""
    found: dict[DispatchedKernel, float] = {}
    for network in networks:
        for mode in ("forward", "train"):
            for kernel in seen_in(network, mode):
                found[kernel] = 2e-6
    times = tuple(KernelTime(kernel, seconds) for kernel, seconds in found.items())
    costs = dict.fromkeys(MODES, CallCosts(1.0, 0.0, 0.0, 0.25))
    return MACHINE + "".join(text_of(KernelTimes(times, costs, {"torch": torch.__version__})))


def seen_in(network: Network, mode: str) -> list[DispatchedKernel]:
    shape = (network.batch, 3, network.height, network.width)
    with shapes_alone(lambda: build_network(network)) as module:
        return dispatched(call_of(module, torch.empty(shape), trains=mode == "train"))


SMALL = """
resolution = 32
[[stages]]
depth = 2
dim = 32
mixer = "sepconv"
[[stages]]
depth = 3
dim = 64
mixer = "mhsa"
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The paths of a small backbone and of a machine that knows its ops and those of SKA in its place."""
    folder = tmp_path_factory.mktemp("machine")
    small, path = folder / "small.toml", folder / "m.toml"
    small.write_text(SMALL)
    swapped = ("", "[stage2=ska]", "[stage2=sepconv]")
    path.write_text(everything(*(small_network(str(small) + mixers) for mixers in swapped)))
    return str(small), str(path)


def small_network(text: str) -> Network:
    return make_network(open_backbone(text), 32, 32)


def test_a_networks_stages_add_up_to_its_predicted_time(machine: tuple[str, str], skaprof: Run) -> None:
    """Where every op takes 2 us, a scope takes 2 us times its ops."""
    small, path = machine
    arguments = (f"{small}[stage2=ska]", "--hardware", path)
    done = skaprof("model", *arguments, "--depth", "stage", "--format", "json")
    assert done.returncode == 0, done.stderr
    parts = {row["scope"]: row["predicted_ms"] for row in json.loads(done.stdout)["rows"]}
    network = small_network(f"{small}[stage2=ska]")
    assert sum(parts.values()) == pytest.approx(2e-3 * len(seen_in(network, "forward")), rel=0.02)
    assert parts["stage2"] > parts["stage1"] > parts["stem"]
    trained = skaprof("model", *arguments, "--mode", "train", "--depth", "total", "--format", "json")
    (total,) = json.loads(trained.stdout)["rows"]
    assert total["predicted_ms"] == pytest.approx(2e-3 * len(seen_in(network, "train")))
    assert total["predicted_high_ms"] == pytest.approx(1.25 * total["predicted_ms"])
    shown = skaprof("model", *arguments, "--mode", "train")
    assert "as far as nine in ten calls of the calibration were off" in " ".join(shown.stdout.split())


def test_a_search_by_predicted_time_has_the_times_that_model_predicts(machine: tuple[str, str], skaprof: Run) -> None:
    """By stage and by block: sums of what each candidate adds are the network's own, to the nanosecond's rounding."""
    small, path = machine
    arguments = (small, "--hardware", path, "--format", "json")
    stages = ("--stage", "1=sepconv", "-m", "mhsa", "-m", "ska", "-m", "sepconv")
    for per in PLACES:
        asked = ("--objective", "predicted_ms,params", "--limit", "predicted_ms<=1s", "--per", per)
        done = skaprof("search", *arguments, *stages, *asked)
        assert done.returncode == 0, done.stderr
        row = json.loads(done.stdout)["rows"][-1]
        shown = skaprof("model", *arguments, "--mixers", row["mixer"], "--depth", "total")
        (total,) = json.loads(shown.stdout)["rows"]
        assert row["predicted_ms"] == pytest.approx(total["predicted_ms"], abs=1e-4)
    done = skaprof("search", small, "--limit", "predicted_ms<=1ms")
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected a machine with it, --hardware FILE.toml" in done.stderr


def test_an_op_that_was_never_timed_is_named(machine: tuple[str, str], skaprof: Run) -> None:
    done = skaprof("model", "vit_cifar", "--hardware", machine[1], "--depth", "total")
    assert done.returncode == 0
    assert "nothing, as these ops were never timed there: " in " ".join(done.stdout.split())
    assert "gelu" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--hardware", "l4"), "--hardware: 'l4' is not valid: expected a file of skaprof calibrate"),
        (("--hardware", "none.toml"), "'none.toml' cannot be read"),
        (("--hardware", "l4", "--verify"), "a prediction is no proof and no measurement: expected no --verify"),
    ],
)
def test_a_machine_whose_ops_were_not_timed_predicts_no_network(
    skaprof: Run, arguments: tuple[str, ...], words: str
) -> None:
    done = skaprof("model", "vit_tiny", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (
            "[calls]\nscale = 1\nper_op_us = 0\nspread = 0\n",
            "kernels: missing: expected [calls] and [[kernels]] together",
        ),
        (CALLS.replace("= 1", "= '1'") + KERNEL, "forward.scale: '1' is not valid"),
        (
            CALLS + KERNEL + "sizes = [[1], [2]]\nmicroseconds = [1]",
            "as many lists of sizes as microseconds",
        ),
        (
            CALLS + KERNEL + "sizes = [[1], [2, 3]]\nmicroseconds = [1, 1]",
            "all of one length",
        ),
    ],
)
def test_a_damaged_calibration_has_one_clear_message(tmp_path: Path, broken: str, words: str) -> None:
    path = tmp_path / "m.toml"
    path.write_text(MACHINE + broken)
    with pytest.raises(SkaprofError) as raised:
        find_hardware(str(path))
    assert words in raised.value.message


def test_times_of_one_kernel_are_told_once() -> None:
    times = [KernelTime(product(8, 8, 8), seconds) for seconds in (4e-6, 1e-6, 2e-6, 3e-6)]
    assert averaged(times) == [KernelTime(product(8, 8, 8), pytest.approx(24**0.25 * 1e-6))]
    assert KernelModel(times, NOTHING).seconds([product(8, 8, 8)]) == [pytest.approx(24**0.25 * 1e-6)]


def test_what_is_touched_between_calls_is_a_size_held_at_the_most_that_was_measured() -> None:
    """A weight that has left the caches takes a quarter more; beyond the largest calls measured nothing changes."""
    touched = (1024, 8192, 65536)
    times = [
        KernelTime(product(*time.kernel.sizes[:3], touched=kib), time.seconds * (1 + 0.25 * place / 2))
        for time in drawn(90)
        for place, kib in enumerate(touched)
    ]
    model = KernelModel(times, NOTHING)
    warm, _, cold, colder = model.seconds([product(200, 150, 300, touched=kib) for kib in (*touched, 2**30)])
    assert warm is not None
    assert cold == pytest.approx(1.25 * warm, rel=0.05)
    assert colder == cold
    assert model.predict([product(200, 150, 300, touched=2**30)]).outside == ()


def test_no_kernel_is_beyond_the_peak_or_much_faster_than_a_smaller_one() -> None:
    """Where one time is wrong by a factor of 8, others with more work stay above what was measured of less."""
    times = drawn(60)
    small = product(100, 100, 100)
    wrong = [*times, KernelTime(product(300, 300, 300), truth(product(300, 300, 300)) / 8), KernelTime(small, 1e-3)]
    found = KernelModel(wrong, NOTHING).seconds([product(310, 310, 310), product(1000, 1000, 1000)])
    assert all(seconds is not None and seconds > 1e-3 / 1.11 for seconds in found)
    peak = 2 * 1000**3 / 1.0
    (bound,) = KernelModel(times, NOTHING, {"float32": peak}).seconds([product(1000, 1000, 1000)])
    assert bound == pytest.approx(1.0)
