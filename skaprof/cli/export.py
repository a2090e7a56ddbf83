"""`skaprof export`: a mixer or a whole model as an ONNX file, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.answers import ExportRow
from skaprof.cli import latency_networks as networks
from skaprof.cli import latency_own as own_models
from skaprof.cli import options as opt
from skaprof.cli.output import say
from skaprof.cli.own_model import OwnModel
from skaprof.cli.show import Page, View, show
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError, bad_value, printable, require_package
from skaprof.files import require_writable, write_whole
from skaprof.implementations import RUNTIMES
from skaprof.runtimes import EXPORT, require_packages
from skaprof.workload import DEFAULT_DTYPE, FORMS, check_choice

if TYPE_CHECKING:
    from skaprof.bench.configuration import Timed

_FILE = "FILE.onnx"
_CHECKED_BY = RUNTIMES[1]


class _Sizes(opt.Sizes):
    """The one mixer and its sizes, as typed."""

    mixer: Annotated[
        list[str] | None,
        typer.Option("--mixer", "-m", metavar="SPEC", help="The mixer, such as ska or cska:kernel_size=5."),
    ] = None


class _Models(networks.Backbones):
    """The whole model to export instead of a mixer, as typed."""

    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A whole model instead of a mixer: caformer_s18, caformer_s18\\[stage3=ska], a TOML file, or "
            "FILE.py:NAME, a model of your own. --resolution is the image's.",
            rich_help_panel=networks.PANEL,
        ),
    ] = None


@opt.with_options
def export(
    file: Annotated[str, typer.Argument(metavar=_FILE, help="The file to write.")],
    *,
    sizes: _Sizes,
    implementation: Annotated[
        str, typer.Option(metavar="FORM", help="eager, sdpa or tiled.", rich_help_panel="Sizes")
    ] = "eager",
    backbones: _Models,
    own_model: OwnModel,
    to: opt.Tabled,
) -> None:
    """Write one mixer, or a whole model, as an ONNX file for these sizes, in float32, forward.

    ONNX Runtime has run it, and its output is within 1e-4 of the largest output of float64. Its metadata has the sizes.
    """
    to.require()
    if not file.lower().endswith(".onnx"):
        raise bad_value(_FILE, file, "a file name that ends in .onnx")
    require_writable(_FILE, file)
    form = check_choice("--implementation", implementation, FORMS)
    require_packages("skaprof export", (*EXPORT, _CHECKED_BY))
    require_package("torch", "skaprof export")
    entry = _entry(sizes, form, backbones, own_model)
    row, data = _exported(entry, file)
    write_whole(_FILE, file, [data])
    say(f"wrote {printable(file)}")
    show([row], to, View(lambda: _page(row)))


def _entry(sizes: opt.Sizes, form: str, backbones: networks.Backbones, own_model: OwnModel) -> Timed:
    """The one mixer or model that is asked for.

    Raises:
        SkaprofError: several are, or none.
    """
    backbones.require_apart({"--mixer": sizes.mixer, **sizes.given("class_token", "resolution", "batch")})
    of_backbones = {"--mixers": backbones.mixers, "--resolution": sizes.resolution, "--batch": sizes.batch}
    named, paths = own_models.split(backbones.model or (), of_backbones)
    counts = own_models.counted(paths, own_model, None, "forward")
    wanted = networks.parse(named, backbones.mixers, sizes.resolution, sizes.batch, DEFAULT_DTYPE, "forward")
    if not backbones.model and len(sizes.mixer or ()) != 1:
        given = ", ".join(sizes.mixer or ()) or "none"
        raise bad_value("--mixer", given, "one, or one --model: a file holds one of them")
    plan = (sizes.but(resolution=None) if backbones.model else sizes).plan(DEFAULT_DTYPE, "forward")
    from skaprof.bench.configuration import configurations

    of_models = own_models.groups(counts, networks.groups(wanted, (form,)), (form,))
    found = [entry for group in of_models or configurations(plan, (form,)) for entry in group]
    if len(found) != 1:
        raise SkaprofError(f"{_FILE}: {len(found):,} mixers, models and sizes are asked for: expected one")
    return found[0]


def _exported(entry: Timed, file: str) -> tuple[ExportRow, bytes]:
    """The row of the file, and what is to be in it.

    Raises:
        SkaprofError: it does not export, does not fit, or computes something else (exit 1).
    """
    from importlib.metadata import version

    from skaprof._version import __version__
    from skaprof.bench.failures import UnsupportedError
    from skaprof.bench.gate import WrongOutputError
    from skaprof.bench.onnx_export import with_metadata
    from skaprof.bench.runtimes import InRuntime

    try:
        found = InRuntime(entry, _CHECKED_BY, "float32").checked()
    except (UnsupportedError, WrongOutputError, MemoryError) as error:
        raise SkaprofError(f"{entry.name} ({entry.form}): {error}", EXIT_CHECK_FAILED) from None
    head: dict[str, Any] = entry.head()
    about = {key: head.get(key) for key in ExportRow.fields if head.get(key) is not None}
    told = {"version": __version__, **about, "output_error": found.error}
    data = with_metadata(found.model.data, told)
    row: dict[str, Any] = {key: head.get(key) for key in ExportRow.fields} | {
        "file": file,
        "opset": found.model.opset,
        "nodes": len(found.model.ops),
        "model_bytes": len(data),
        "output_error": found.error,
        "checked_tokens": found.tokens,
        "runtime": _CHECKED_BY,
        "runtime_version": version(_CHECKED_BY),
    }
    return ExportRow(**row), data


def _page(row: ExportRow) -> Page:
    from skaprof.report import export as report

    return Page(report.export_table(row), report.caption(row), report.sentences(row))
