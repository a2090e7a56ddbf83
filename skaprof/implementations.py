"""The ways a mixer can run and be timed, by the names users type (imports nothing heavy)."""

from typing import NamedTuple

from skaprof.workload import FUSED, TRITON

GRAPHS = ("graph", "graph-resident")
TIMINGS = ("cold", "hot", *GRAPHS, "wall")
"""How samples are taken (docs/timing.md).

graph: a CUDA graph that rotates inputs and weights; graph-resident: inputs alone, as successive batches do.
"""
LOOKS = (8, 16, 32)
"""After how many rounds a timing looks whether it may stop, where nobody says otherwise."""
ALLOCATORS = ("keep", "as-is")
"""keep: malloc keeps freed memory for later calls; as-is: as the process was started."""
PYTORCH = "pytorch"
RUNTIMES = (PYTORCH, "onnxruntime", "openvino")
"""What runs a contender: PyTorch itself, or a runtime that loads its export to ONNX."""
INT8 = ("int8-weights", "uint8-weights")
PRECISIONS = ("float32", "bfloat16", "float16", *INT8)
"""What another runtime computes in. Of INT8, weights are stored in a byte, and inputs of products rounded to one."""
DECIDING_CLOCKS = ("cpu", "wall", "events")
"""Whose time a row rests on: events are a GPU's."""
CLOCKS = ("auto", "wall", "cpu")
"""Whose time decides on a processor: auto is CPU time where one thread works and never waits, else the wall clock."""


class Implementation(NamedTuple):
    """Which form of the module runs, through which attention backend, compiled or not, in which layout.

    `form` is one of `skaprof.workload.FORMS`; `backend` is "" where PyTorch picks; `channels_last` stores convolution
    weights with channels innermost, as the mixers' feature maps are, so that no convolution converts them.
    """

    form: str
    backend: str = ""
    compiled: bool = False
    channels_last: bool = False

    @property
    def has_backend(self) -> bool:
        """Whether one of PyTorch's attention backends runs it."""
        return self.form == FUSED

    @property
    def needs_gpu(self) -> bool:
        """Whether `all` on a processor leaves it out: it cannot run there, or is what another one runs."""
        return bool(self.backend) or self.form == TRITON


IMPLEMENTATIONS = {
    "eager": Implementation("eager"),
    "channels-last": Implementation("eager", channels_last=True),
    "sdpa": Implementation("sdpa"),
    "sdpa-flash": Implementation("sdpa", "flash"),
    "sdpa-efficient": Implementation("sdpa", "efficient"),
    "sdpa-cudnn": Implementation("sdpa", "cudnn"),
    "sdpa-math": Implementation("sdpa", "math"),
    "tiled": Implementation("tiled"),
    "triton": Implementation("triton"),
    "compile": Implementation("eager", compiled=True),
}
INITIALISATIONS = TORCH, TIMM = "torch", "timm"
"""How weights start that are trained from scratch."""


def elsewhere(runtime: str | None, precision: str | None) -> tuple[str, ...]:
    """The runtime, and its precision where that is not float32; () for PyTorch, whose precision is the dtype."""
    if runtime is None or runtime == PYTORCH:
        return ()
    return (runtime,) if precision is None or precision == PRECISIONS[0] else (runtime, precision)


def form_of(implementation: str, runtime: str | None, precision: str | None) -> str:
    """A form as labels have it: `eager`; `eager, onnxruntime`; `eager, onnxruntime, int8-weights`."""
    return ", ".join((implementation, *elsewhere(runtime, precision)))


def all_implementations(*, on_gpu: bool) -> tuple[str, ...]:
    """What `--implementation all` means: on a processor, without Triton, and the backend that PyTorch picks alone."""
    return tuple(name for name, how in IMPLEMENTATIONS.items() if on_gpu or not how.needs_gpu)
