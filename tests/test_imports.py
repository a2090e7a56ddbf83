"""What the analytic path loads, and which way imports run: both held here, both proved able to fail."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

HEAVY = ("torch", "numpy", "pandas", "sympy", "matplotlib", "fvcore")
PACKAGE = ROOT / "skaprof"

# Each layer may import itself and those to its right.
LAYERS = (
    *("cli", "api", "report", "bench", "count", "nn", "analysis", "model", "foreign_code", "saved", "schema"),
    *("answers", "measured", "results", "records"),
    *(
        "toml_file",
        "implementations",
        "grids",
        "workload",
        "machine",
        "errors",
        "flags",
        "counters",
        "subprocesses",
        "_version",
    ),
)
SIDEWAYS = {
    *(("report", other) for other in ("bench", "count", "nn")),
    ("bench", "count"),
    ("nn", "analysis"),
}


def loaded_by(code: str) -> list[str]:
    """The heavy packages in memory after `code` ran in a fresh interpreter."""
    probe = f"import sys\n{code}\nprint('|', *(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return done.stdout.rpartition("|")[2].split()


def command(*arguments: str) -> str:
    return f"sys.argv = {['skaprof', *arguments]!r}\nfrom skaprof.cli.app import main\nassert main() == 0"


@pytest.mark.parametrize(
    "arguments",
    [
        ("flops", "--dim", "256"),
        ("flops", "--tokens", "16:256:16", "--baseline", "mhsa", "--format", "json"),
        ("flops", "--per-op", "--mode", "train", "--format", "csv"),
        ("flops", "-m", "sepconv", "-m", "linear", "--format", "markdown"),
        ("compare", "{costs}", "{costs}", "--fail-on", "macs>0%"),
        ("check", str(ROOT / "claims" / "paper.toml")),
        ("model", "caformer_s18"),
        ("model", "vit_small", "--mixers", "ska", "--resolution", "224,384", "--depth", "block", "--format", "json"),
        ("roofline", "--implementation", "eager,sdpa"),
        ("roofline", "--per-op", "--format", "json"),
        *((name, "--help") for name in ("audit", "roofline", "calibrate", "explain")),
        ("search", "caformer_s18", "--limit", "params<=26M"),
        ("--version",),
    ],
)
def test_the_analytic_path_loads_no_heavy_package(arguments: tuple[str, ...], tmp_path: Path) -> None:
    costs = tmp_path / "costs.json"
    if "{costs}" in arguments:
        assert loaded_by(command("flops", "--output", str(costs))) == []
    assert loaded_by(command(*(word.format(costs=costs) for word in arguments))) == []


def test_the_python_api_answers_without_heavy_packages() -> None:
    assert loaded_by("import skaprof; skaprof.cost('ska', tokens=196, dim=256)") == []
    assert loaded_by("import skaprof; skaprof.model_cost('caformer_s18[stage3=ska]')") == []


def test_the_laziness_test_can_fail() -> None:
    assert "sympy" in loaded_by(command("flops", "--formula"))
    assert {"torch", "fvcore"} <= set(loaded_by(command("model", "vit_cifar", "--verify")))
    assert loaded_by("import numpy") == ["numpy"]


def imports_of(source: str) -> set[str]:
    """The skaprof modules a source imports while it runs (not those under TYPE_CHECKING)."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            return
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("skaprof."):
            found.add(node.module)
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name.startswith("skaprof."))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(source))
    return found


def wrong_way(layer: str, source: str) -> set[str]:
    """The imports of a source in `layer` that run the wrong way."""
    wrong = set()
    for module in imports_of(source):
        other = module.split(".")[1]
        if other != layer and (LAYERS.index(other) < LAYERS.index(layer) or (layer, other) in SIDEWAYS):
            wrong.add(module)
    return wrong


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if layer in ("__init__", "__main__"):
        return
    assert wrong_way(layer, path.read_text()) == set()


def test_the_layer_test_can_fail() -> None:
    assert wrong_way("model", "def f():\n    from skaprof.cli.run import x\n") == {"skaprof.cli.run"}
    assert wrong_way("report", "import skaprof.nn.mixers") == {"skaprof.nn.mixers"}
    assert wrong_way("cli", "from skaprof.model.cost import total") == set()


def packages_of(source: str) -> set[str]:
    """The packages that a source names in any import, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found.update(name.split(".")[0] for name in names)
    return found


def sources_in(folder: str) -> str:
    return "\n".join(path.read_text() for path in sorted((PACKAGE / folder).rglob("*.py")))


def test_the_model_is_standard_library_only() -> None:
    assert packages_of(sources_in("model")) <= {"skaprof"} | set(sys.stdlib_module_names)


def test_questions_are_answered_without_torch_and_without_a_screen() -> None:
    assert packages_of(sources_in("analysis")) & {"torch", "fvcore", "rich", "typer", "matplotlib"} == set()
    assert "torch" in packages_of("def f():\n    from torch import nn")
