"""What is measured: all mixers and implementations of one size, which are timed together, and how."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from skaprof.analysis.costs import cost_row
from skaprof.analysis.plan import Plan, Variant
from skaprof.bench import statistics
from skaprof.bench.capacity import least_bytes, require_free
from skaprof.bench.contenders import Built, Exportable, build, exportable
from skaprof.bench.cpu import CpuDevice
from skaprof.bench.cuda import CudaDevice
from skaprof.bench.device import Device
from skaprof.bench.record import Settings
from skaprof.foreign_code import SOURCE_KEYS
from skaprof.implementations import IMPLEMENTATIONS, LOOKS, PYTORCH, elsewhere
from skaprof.model.mixers import MIXERS
from skaprof.model.spec import parse_mixer
from skaprof.results import SIZE_KEYS
from skaprof.workload import DTYPE_BYTES, Workload, is_fused

Row = dict[str, Any]


class InPyTorch:
    """What an entry says of where it runs, as PyTorch itself runs it."""

    __slots__ = ()
    runtime = PYTORCH
    implementation: str

    @property
    def form(self) -> str:
        """The implementation, and where it runs if that is not PyTorch."""
        return self.implementation


@dataclass(frozen=True, slots=True)
class Entry(InPyTorch):
    """One row to measure: a mixer, its sizes, and the implementation that runs it. Plain values, so that it travels."""

    mixer: str
    mode: str
    dtype: str
    implementation: str
    sizes: tuple[int | None, ...]

    @property
    def workload(self) -> Workload:
        """The sizes."""
        return Workload(*self.sizes)

    @property
    def variant(self) -> Variant:
        """The mixer in the form that the implementation runs; compiled code is the eager form."""
        form = IMPLEMENTATIONS[self.implementation].form
        spec = parse_mixer(self.mixer)
        takes = form in spec.forms() and spec.why_not(self.workload, form) is None
        return Variant(spec, form if takes else "eager", self.mode, self.dtype)

    @property
    def name(self) -> str:
        """What is timed, without its implementation."""
        return self.mixer

    @property
    def given(self) -> str:
        """What the user calls it: the same."""
        return self.mixer

    @property
    def batch(self) -> int:
        """Batch size."""
        return int(self.workload.batch)

    @property
    def foreign(self) -> bool:
        """Whether an installed package's mixer is in it."""
        return parse_mixer(self.mixer).mixer.name not in MIXERS

    def head(self) -> Row:
        """The keys of its row that timing does not add."""
        return {**cost_row(self.variant, self.workload).as_dict(), "implementation": self.implementation}

    def build(self, options: Options, device: Device) -> Built:
        """The contender.

        Raises:
            UnsupportedError, WrongOutputError, MemoryError: as `skaprof.bench.contenders.build`.
        """
        kind = options.device.partition(":")[0]
        if kind == "cpu":
            form = self.variant.implementation
            ops = self.variant.spec.ops(self.workload, form)
            require_free(least_bytes(ops, DTYPE_BYTES[self.dtype], fused=is_fused(form)), kind, "it")
        timing, cache_bytes = options.timing, device.cache_bytes
        return build(self.variant, self.workload, self.implementation, kind, timing, cache_bytes)

    def exportable(self) -> Exportable:
        """As `skaprof.bench.contenders.exportable`."""
        return exportable(self.variant, self.workload, self.implementation)


class Timed(Protocol):
    """What can be measured, a row of its own: a mixer, or a module."""

    @property
    def implementation(self) -> str:
        """A name of `skaprof.implementations.IMPLEMENTATIONS`."""

    @property
    def runtime(self) -> str:
        """A name of `skaprof.implementations.RUNTIMES`."""

    @property
    def form(self) -> str:
        """The implementation, and where it runs if that is not PyTorch."""

    @property
    def name(self) -> str:
        """What is timed, without its implementation."""

    @property
    def given(self) -> str:
        """What the user calls it."""

    @property
    def batch(self) -> int:
        """Batch size."""

    @property
    def mode(self) -> str:
        """Forward, or train."""

    @property
    def foreign(self) -> bool:
        """Whether code runs in it that is not skaprof's."""

    def head(self) -> Row:
        """The keys of its row that timing does not add."""

    def build(self, options: Options, device: Device) -> Built:
        """The contender."""

    def exportable(self) -> Exportable:
        """Its module on the processor, for a runtime that is not PyTorch.

        Raises:
            UnsupportedError: there is none.
        """


@dataclass(frozen=True, slots=True)
class Options:
    """How every configuration of a run is measured. Plain values, so that they travel and can be compared.

    `same_form`: each implementation is compared with the baseline's mixer in the same one, or else with the baseline.
    `allocator` is the one that holds, `threads` None for as many as PyTorch takes. `shard` says which share of all
    sizes this run has.
    """

    device: str = "cpu"
    timing: str = "hot"
    tolerance: float = 0.02
    tf32: bool = False
    baseline: str = ""
    samples_per_block: int | None = None
    clock: str = "auto"
    allocator: str = "as-is"
    threads: int | None = None
    rounds: int = LOOKS[-1]
    min_rounds: int = LOOKS[0]
    same_form: bool = True
    shard: str | None = None

    def settings(self, deadline: float) -> Settings:
        """For the engine: it looks after `min_rounds`, then after twice as many each time, to `rounds`."""
        looks = statistics.looks_between(self.min_rounds, self.rounds)
        return Settings(
            self.timing,
            self.tolerance,
            looks,
            deadline=deadline,
            samples_per_block=self.samples_per_block,
            clock=self.clock,
        )

    def as_dict(self) -> dict[str, Any]:
        """For the file's header."""
        return asdict(self)


def configurations(plan: Plan, implementations: tuple[str, ...]) -> list[list[Entry]]:
    """The plan's rows, once for each implementation, in groups that are timed together: those of one size.

    A mixer without heads joins the first group of its size.
    """
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    headless: list[tuple[tuple[Any, ...], list[Entry]]] = []
    for variant, w, *_ in plan.rows():
        size = (variant.mode, variant.dtype, w.batch, w.height, w.width, w.dim)
        entries = [Entry(variant.spec.text, variant.mode, variant.dtype, name, tuple(w)) for name in implementations]
        if w.heads is None:
            headless.append((size, entries))
        else:
            groups.setdefault((*size, w.heads, w.head_dim), []).extend(entries)
    for size, entries in headless:
        home = next((key for key in groups if key[: len(size)] == size), size)
        groups.setdefault(home, []).extend(entries)
    return list(groups.values())


def open_device(name: str, siblings: int = 0, runtimes: Sequence[str] = (PYTORCH,)) -> Device:
    """The device of that name, ready to time in these runtimes; `siblings` other processes of this run hold it too."""
    kind, _, index = name.partition(":")
    if kind == "cuda":
        return CudaDevice(int(index or 0), siblings)
    return CpuDevice(others_work=set(runtimes) != {PYTORCH})


def identity(row: Row | Timed) -> tuple[Any, ...]:
    """What makes two rows the same row: its sizes, mixer, implementation, mode and dtype, and a backbone's image.

    Of a user's own code, also what it was given and what its file held; where PyTorch did not run it, what did.
    """
    found = row if isinstance(row, dict) else row.head()
    sizes = (found.get(key) for key in (*SIZE_KEYS, "model", "image_height", "image_width", "input_shape"))
    where = elsewhere(found.get("runtime"), found.get("precision"))
    ran = (*where, found.get("runtime_version")) if where else ()
    return (*sizes, *(found.get(key) for key in SOURCE_KEYS), *ran)


def unmeasured(groups: Sequence[Sequence[Timed]], done: set[tuple[Any, ...]]) -> Iterator[Sequence[Timed]]:
    """The groups of which a row is missing, whole: rows of one group are compared with each other."""
    for group in groups:
        if any(identity(entry) not in done for entry in group):
            yield group
