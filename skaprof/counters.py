"""The FLOP counters that `skaprof audit` puts to the test, and the spellings it tries (imports nothing heavy)."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import NamedTuple

from skaprof.errors import EXIT_MISSING, SkaprofError, named
from skaprof.workload import check_choice


class Counter(NamedTuple):
    """A counter of somebody else's.

    `package` is what pip installs, `module` what Python imports, `needs` what it imports without declaring it.
    `per_mac` says how many of its units one MAC is; `unit` is what it calls them. `loader` names, as
    "module:function", what makes its counting function: imported in a process of its own.
    """

    name: str
    package: str
    module: str
    unit: str
    per_mac: int
    loader: str
    needs: tuple[str, ...] = ()

    @property
    def installed(self) -> bool:
        """Whether it can be found here; whether it also works, only running it tells."""
        return find_spec(self.module) is not None

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install {' '.join((self.package, *self.needs))}"

    @property
    def version(self) -> str | None:
        """The installed version, None where there is none."""
        from importlib.metadata import PackageNotFoundError, version  # slow, and few rows need it

        try:
            return version(self.package)
        except PackageNotFoundError:
            return None


_LOADERS = "skaprof.count.other_counters"

COUNTERS: dict[str, Counter] = {
    counter.name: counter
    for counter in (
        Counter("fvcore", "fvcore", "fvcore", "flops", 1, f"{_LOADERS}:load_fvcore"),
        Counter("torch", "torch", "torch", "FLOPs", 2, f"{_LOADERS}:load_torch"),
        Counter("ptflops-pytorch", "ptflops", "ptflops", "MACs", 1, f"{_LOADERS}:load_ptflops_pytorch"),
        Counter("ptflops-aten", "ptflops", "ptflops", "MACs", 1, f"{_LOADERS}:load_ptflops_aten"),
        Counter("calflops", "calflops", "calflops", "MACs", 1, f"{_LOADERS}:load_calflops", ("transformers",)),
        Counter("torchinfo", "torchinfo", "torchinfo", "mult-adds", 1, f"{_LOADERS}:load_torchinfo"),
        Counter("thop", "thop", "thop", "MACs", 1, f"{_LOADERS}:load_thop"),
        Counter("torchprofile", "torchprofile", "torchprofile", "MACs", 1, f"{_LOADERS}:load_torchprofile"),
        Counter("deepspeed", "deepspeed", "deepspeed", "MACs", 1, f"{_LOADERS}:load_deepspeed"),
    )
}
"""Every counter by the name users type.

Sources of `unit` and `per_mac`, each the counter's own documentation: fvcore docs/flop_count.md ("flop" is one
multiply-add); torch/utils/flop_counter.py (2 FLOPs a multiply-add); the READMEs of ptflops, calflops, torchinfo, thop
and torchprofile; DeepSpeed's flops profiler tutorial. Of those that give FLOPs beside MACs, the MACs are taken.
"""


class Spelling(NamedTuple):
    """One way to write a mixer in PyTorch: its name, what it means, and which form's op list it runs."""

    name: str
    words: str
    form: str = "eager"


SPELLINGS: dict[str, Spelling] = {
    spelling.name: spelling
    for spelling in (
        Spelling("@", "products as a @ b"),
        Spelling("matmul", "as torch.matmul(a, b)"),
        Spelling("einsum", "as torch.einsum"),
        Spelling("sdpa", "attention as F.scaled_dot_product_attention", "sdpa"),
        Spelling("mha", "nn.MultiheadAttention, its fast path off", "sdpa"),
        Spelling("mha-fast", "nn.MultiheadAttention in eval and no_grad, its fast path on", "sdpa"),
        Spelling("modules", "no product but in nn.Linear and nn.Conv2d"),
    )
}
"""Every spelling by the name that rows carry."""
WITH_BIASES = ("mha", "mha-fast")
"""Spellings whose module has biases whatever the spec says: without them the fast path is never taken."""


def chosen_counters(names: Iterable[str] | None) -> tuple[list[Counter], list[Counter]]:
    """The counters named, or all: those that are installed, and those that are not.

    Raises:
        SkaprofError: an unknown name, or one that is named and not installed (exit 3), or none is.
    """
    texts = None if names is None else list(dict.fromkeys(names))
    known = tuple(COUNTERS)
    wanted = [COUNTERS[check_choice(named("counter"), name, known)] for name in texts or known]
    present = [counter for counter in wanted if counter.installed]
    absent = [counter for counter in wanted if not counter.installed]
    if absent and (texts or not present):
        said = f"{absent[0].name} is not installed; run: {absent[0].install}"
        raise SkaprofError(f"{named('counter')}: {said}", EXIT_MISSING)
    return present, absent
