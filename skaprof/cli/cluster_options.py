"""`--cluster`: the same tasks on the workers of a Dask cluster, as typed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.cli import options as opt
from skaprof.cli.output import say
from skaprof.cluster.address import Address, parse_address, require_dask
from skaprof.errors import SkaprofError, bad_value
from skaprof.foreign_code import UserModule, hash_there
from skaprof.foreign_model import is_path

if TYPE_CHECKING:
    from skaprof.cli.latency_options import Measuring
    from skaprof.cluster.pool import Pool
    from skaprof.cluster.timing import ClusterTiming

_PANEL = "Many machines"


Source = tuple[str, str, str | None]
"""The option that names a file of the user's, its path, and the hash of what it holds."""


def sources(modules: Sequence[UserModule], models: Sequence[str], inputs: str | None) -> list[Source]:
    """The files of a user's code and backbones, which workers must have, too.

    Raises:
        SkaprofError: as `skaprof.foreign_code.load_callable`.
    """
    files = [model.partition("[")[0] for model in models]
    named = [("--module", module.path) for module in modules]
    named += [("--model", path) for path in files if is_path(path) or path.lower().endswith(".toml")]
    named += [("--inputs", inputs)] if inputs is not None else []
    return [(option, path, hash_there(option, path)) for option, path in named]


class Clustered(opt.Options):
    """Where tasks are done, as typed."""

    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="On the workers of a Dask scheduler, tcp://HOST:PORT, or on local:N, N workers here; each does one "
            "thing at a time. Needs the extra: pip install 'skaprof\\[cluster]'.",
            rich_help_panel=_PANEL,
        ),
    ] = None
    anonymous: Annotated[
        bool,
        typer.Option(
            "--anonymous", help="With --cluster: rows without the name of their host.", rich_help_panel=_PANEL
        ),
    ] = False
    allow_different_versions: Annotated[
        bool,
        typer.Option(
            "--allow-different-versions",
            help="With --cluster: workers of another skaprof or PyTorch measure all the same.",
            rich_help_panel=_PANEL,
        ),
    ] = False

    @property
    def address(self) -> Address | None:
        """The cluster; None for none.

        Raises:
            SkaprofError: it is no address.
        """
        return None if self.cluster is None else parse_address(self.cluster)

    def require(self) -> None:
        """Raise unless the options are valid, and what they need is installed.

        Raises:
            SkaprofError: they are not; or it is not (exit 3).
        """
        if self.address is not None:
            require_dask()
            return
        for option, given in (
            ("--anonymous", self.anonymous),
            ("--allow-different-versions", self.allow_different_versions),
        ):
            if given:
                raise SkaprofError(f"{option}: expected with --cluster, which is not given")

    @contextmanager
    def joined(
        self, function: str, task: dict[str, Any], ours: Mapping[str, str | None], device: str
    ) -> Iterator[Pool]:
        """The workers of the cluster, each of which has answered the task, and has `ours`, versions by name.

        Raises:
            SkaprofError: there is none, or one of its workers will not do (exit 3).
        """
        from skaprof.bench.environment import resolve_device
        from skaprof.cluster.joining import joined
        from skaprof.cluster.pool import Call
        from skaprof.cluster.timing import LONGEST_CHECK, Judge

        address = parse_address(str(self.cluster))
        if address.local > 1 and resolve_device(device) != "cpu":
            raise bad_value("--cluster", self.cluster, "local:1 on a GPU, or a scheduler with a worker for each GPU")
        judge = Judge(ours, allowed=self.allow_different_versions)
        with joined(address, Call(function, task, LONGEST_CHECK), judge, say) as pool:
            yield pool

    @contextmanager
    def timing(
        self,
        measuring: Measuring,
        held: dict[str, Any],
        implementations: str,
        runtimes: Sequence[str],
        own_code: tuple[Sequence[UserModule], Sequence[str], str | None],
    ) -> Iterator[ClusterTiming | None]:
        """What times there; None without a cluster. `own_code` is as `sources` takes it.

        Raises:
            SkaprofError: as `joined`.
        """
        if self.cluster is None:
            yield None
            return
        from skaprof.cli.latency_options import implementations_of
        from skaprof.cluster.timing import MACHINE, ClusterTiming, versions

        task = {
            "device": measuring.device,
            "timing": measuring.timing,
            "clock": measuring.clock,
            "tf32": measuring.tf32,
            "allocator": held["allocator"],
            "threads": held["threads"],
            "runtimes": list(runtimes),
            "implementations": list(implementations_of(implementations, on_gpu=False)),
            "folder": os.getcwd(),
            "sources": sources(*own_code),
        }
        with self.joined(MACHINE, task, versions(runtimes), measuring.device) as pool:
            anonymous, differ = self.anonymous, self.allow_different_versions
            yield ClusterTiming(pool, isolate=measuring.isolate, anonymous=anonymous, versions_differ=differ)
