"""Nothing is timed that computes something else: the gate, the replay check, and what PyTorch's errors become."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch
from conftest import ATTENTION_TEXTS
from torch import Tensor, nn

from skaprof.analysis.plan import Variant
from skaprof.bench import failures, gate, graphs
from skaprof.bench.contenders import build
from skaprof.bench.failures import UnsupportedError
from skaprof.bench.gate import WrongOutputError, check_output
from skaprof.bench.graphs import capture, replayed_follows_input
from skaprof.bench.kernels import attention_backend, split_at_waits
from skaprof.errors import SkaprofError
from skaprof.model.spec import parse_mixer
from skaprof.nn import build_mixer
from skaprof.nn.layers import UnfoldedQueries
from skaprof.workload import Workload


def sizes(text: str, batch: int = 3) -> Workload:
    return Workload(batch, 3, 4, 16, 2, 8, 3 if text.startswith("cska") else None)


def gated(text: str, mode: str, spoil: Callable[[nn.Module, Tensor], Tensor], dtype: str = "float32") -> None:
    """The sdpa form of a mixer through the gate, as `spoil` runs it."""
    variant = Variant(parse_mixer(text), "sdpa", mode, dtype)
    module = build_mixer(variant.spec, sizes(text), "sdpa").to(getattr(torch, dtype))
    gate.check(lambda x: spoil(module, x), module, variant, sizes(text), "cpu")


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("mode", ["forward", "train"])
@pytest.mark.parametrize("text", ATTENTION_TEXTS)
def test_sound_forms_pass_in_every_dtype(text: str, mode: str, dtype: str) -> None:
    gated(text, mode, lambda module, x: module(x), dtype)


def test_output_that_is_off_is_refused() -> None:
    with pytest.raises(WrongOutputError, match="the output differs"):
        gated("mhsa", "forward", lambda module, x: module(x) * 1.001)


def test_an_output_wrong_beyond_the_first_batch_item_is_refused() -> None:
    def first_item_for_all(module: nn.Module, x: Tensor) -> Tensor:
        return module(x[:1]).expand(x.shape[0], -1, -1)

    with pytest.raises(WrongOutputError):
        gated("ska", "forward", first_item_for_all)


def test_a_lost_input_gradient_is_refused() -> None:
    def half(module: nn.Module, x: Tensor) -> Tensor:
        return module(x.detach() / 2 + x / 2)

    gated("mhsa", "forward", half)
    with pytest.raises(WrongOutputError, match="the gradient of the input"):
        gated("mhsa", "train", half)


def test_a_lost_parameter_gradient_is_refused() -> None:
    class Half(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, weight: Tensor) -> Tensor:
            return weight.clone()

        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:
            return gradient / 2

    def halved(module: nn.Module, x: Tensor) -> Tensor:
        weight = Half.apply(module.output.weight)
        return torch.func.functional_call(module, {"output.weight": weight}, (x,))

    with pytest.raises(WrongOutputError, match=r"the gradient of output\.weight"):
        gated("mhsa", "train", halved)


def test_a_key_bias_whose_gradient_is_nothing_but_rounding_passes() -> None:
    """A bias on all keys moves all scores of a query alike, which softmax does not see."""
    gated("mhsa:bias=true", "train", lambda module, x: module(x), "bfloat16")


def test_the_gate_refuses_wrong_and_unfinished_output() -> None:
    expected = torch.ones(4, dtype=torch.float64)
    check_output(torch.ones(4) * 1.00001, expected, 1e-4)
    for wrong in (torch.ones(4) * 1.01, torch.full((4,), float("nan")), torch.zeros(4)):
        with pytest.raises(WrongOutputError):
            check_output(wrong, expected, 1e-4)


def test_where_the_reference_does_not_fit_a_smaller_size_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    variant, w = Variant(parse_mixer("ska"), "sdpa"), Workload(2, 64, 64, 16, 2, 8)
    assert gate.checkable(variant, w, "cpu") == w
    monkeypatch.setattr(gate, "free_bytes", lambda device: 2**27)
    smaller = gate.checkable(variant, w, "cpu")
    assert (smaller.batch, smaller.height, smaller.width) == (2, 32, 32)
    assert build(variant, w, "sdpa", "cpu", "hot", 0).checked_tokens == 32 * 32


def test_a_replay_that_leaves_the_output_stale_is_caught() -> None:
    buffer = torch.randn(8)
    output = buffer * 2
    replayed_follows_input(lambda: output.copy_(buffer * 2), buffer, output, lambda x: x * 2)
    with pytest.raises(WrongOutputError, match="replayed"):
        replayed_follows_input(lambda: None, buffer, output, lambda x: x * 2)


class ReplayedCalls:
    """Stands in for a CUDA graph: a replay computes every captured call anew, from its buffer into its output."""

    def __init__(self, captured: list[Callable[[], None]]) -> None:
        self.captured = captured

    def replay(self) -> None:
        for call in self.captured:
            call()


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """Calls made while the stand-in for a graph captures; `record` is how the tests' functions join it."""
    calls: list[Callable[[], None]] = []

    class Stream:
        def wait_stream(self, other: object) -> None: ...

    @contextmanager
    def entered(*_: object, **__: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(graphs.torch.cuda, "CUDAGraph", lambda: ReplayedCalls(calls))
    monkeypatch.setattr(graphs.torch.cuda, "Stream", Stream)
    monkeypatch.setattr(graphs.torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(graphs.torch.cuda, "set_stream", lambda stream: None)
    for name in ("stream", "graph"):
        monkeypatch.setattr(graphs.torch.cuda, name, entered)
    return calls


class Recording(nn.Module):
    """Doubles its input into a buffer of its own, and can do so again when replayed."""

    def __init__(self, captured: list[Callable[[], None]]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((8,), 2.0))
        self.captured = captured

    def __deepcopy__(self, memo: object) -> Recording:
        return Recording(self.captured)

    def forward(self, x: Tensor) -> Tensor:
        output = x * self.weight
        self.captured.append(lambda: output.copy_(x * self.weight))
        return output


@pytest.mark.parametrize("rotate_weights", [True, False])
def test_a_graph_rotates_enough_buffers_and_keeps_them_alive(
    captured: list[Callable[[], None]], rotate_weights: bool
) -> None:
    module, x = Recording(captured), torch.randn(8)
    found = capture(module, module, x, 1000, nullcontext, rotate_weights=rotate_weights)
    own = 4 * 8 * (2 if rotate_weights else 1)
    assert found.rotated_bytes >= 5 * 1000
    assert found.calls == -(-5000 // own) + 1
    assert len({buffer.data_ptr() for buffer in found.inputs}) == found.calls
    assert len({id(function) for function in found.modules}) == (found.calls if rotate_weights else 1)
    found()
    assert all(torch.equal(y, 2 * buffer) for y, buffer in zip(found.outputs, found.inputs, strict=True))


def test_a_graph_is_checked_under_its_pinned_backend(captured: list[Callable[[], None]]) -> None:
    depth = [0]

    @contextmanager
    def pinned() -> Iterator[None]:
        depth[0] += 1
        yield
        depth[0] -= 1

    class Watching(Recording):
        def forward(self, x: Tensor) -> Tensor:
            assert depth[0] == 1
            return super().forward(x)

    module = Watching(captured)
    capture(module, module, torch.randn(8), 100, pinned, rotate_weights=False)


def test_inputs_so_small_that_a_graph_would_need_too_many_are_refused(captured: list[Callable[[], None]]) -> None:
    module = Recording(captured)
    with pytest.raises(RuntimeError, match="calls would be needed"):
        capture(module, module, torch.randn(8), 2**30, nullcontext, rotate_weights=False)


def test_kernels_are_told_apart_by_the_waits_between_calls() -> None:
    wait = "spin_kernel(long)"
    names = [wait, wait, wait, "gemm", "softmax", "gemm", wait, wait, "gemm"]
    assert split_at_waits(names, 3) == [("gemm", "softmax"), (), ("gemm",)]
    assert split_at_waits(names[3:], 3) == [(), (), ()]
    assert attention_backend(()) == ""
    assert attention_backend(("flash_fwd_kernel",)) == "flash"


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_windows_for_cuda_are_the_columns_of_unfold(kernel_size: int) -> None:
    unfold = UnfoldedQueries(2, kernel_size, 8)
    query_map = torch.randn(3, 10, 4, 6, requires_grad=True)
    columns, windows = unfold._columns(query_map), unfold._windows(query_map)
    assert torch.equal(columns, windows)
    gradient = torch.randn_like(columns)
    found = [torch.autograd.grad(patches, query_map, gradient)[0] for patches in (columns, windows)]
    torch.testing.assert_close(*found)


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), MemoryError),
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError),
        (RuntimeError("No available kernel. Aborting execution."), UnsupportedError),
        (ImportError("no compiler"), UnsupportedError),
        (WrongOutputError("off"), WrongOutputError),
        (TypeError("a fault of ours"), TypeError),
    ],
)
def test_errors_become_what_they_mean(error: Exception, becomes: type[Exception]) -> None:
    with pytest.raises(becomes), failures.explained("cpu"):
        raise error


def test_a_lost_gpu_ends_the_run_and_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_context_is_lost", lambda: True)
    with pytest.raises(SkaprofError, match="with isolate"), failures.explained("cuda"):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
