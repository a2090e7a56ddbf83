"""What the analytic path loads, and which way imports run: both held here, both proved able to fail."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest
from conftest import ROOT

HEAVY = ("torch", "numpy", "pandas", "sympy", "matplotlib", "fvcore")
PACKAGE = ROOT / "skaprof"

# Each layer may import itself and those to its right.
LAYERS = (
    *("cli", "api", "report", "maps", "train", "cluster", "bench", "count", "nn", "analysis", "model", "foreign_model"),
    *(
        "foreign_code",
        "error_places",
        "saved",
        "schema",
        "predictions",
        "answers",
        "changed",
        "own_rows",
        "map_rows",
        "published",
        "fleets",
        "trained",
        "measured",
        "results",
        "records",
        "files",
    ),
    *(
        "lasting_python",
        "neighbours",
        "locks",
        "toml_file",
        "inputs",
        "runtimes",
        "implementations",
        "counters",
        "shards",
        "grids",
        "workload",
        "machine",
        "where",
        "elsewhere",
        "process_wide",
        "errors",
        "flags",
        "distributions",
        "warm_python",
        "subprocesses",
        "words",
        "_version",
    ),
)
SIDEWAYS = {
    *(("report", other) for other in ("maps", "train", "bench", "count", "nn")),
    ("train", "count"),
    ("bench", "count"),
    ("nn", "analysis"),
}


PROBE = """
import json, sys
found = []
for name, code in json.loads(sys.argv.pop()).items():
    before = set(sys.modules)
    exec(code)
    found.append((name, sorted(set(sys.modules) - before)))
json.dump(found, sys.stderr)
"""


def loaded_by(codes: dict[str, str]) -> dict[str, list[str]]:
    """The heavy packages that each code brought into memory: one fresh interpreter runs them all, in this order."""
    program = [sys.executable, "-c", PROBE, json.dumps(codes)]
    done = subprocess.run(program, capture_output=True, text=True, check=True)
    found = json.loads(done.stderr.splitlines()[-1])  # above it may stand what a command wrote
    return {name: [module for module in loaded if module in HEAVY] for name, loaded in found}


def command(*arguments: str) -> str:
    return f"sys.argv = {['skaprof', *arguments]!r}\nfrom skaprof.cli.app import main\nassert main() == 0"


ANALYTIC = [
    ("flops", "--dim", "256"),
    ("flops", "--tokens", "16:256:16", "--baseline", "mhsa", "--format", "json"),
    ("flops", "--per-op", "--mode", "train", "--format", "csv"),
    ("flops", "-m", "sepconv", "-m", "linear", "--format", "markdown"),
    ("flops", "--output", "costs.json"),
    ("compare", "costs.json", "costs.json", "--fail-on", "macs>0%"),
    ("check", str(ROOT / "claims" / "paper.toml")),
    ("model", "caformer_s18"),
    ("model", "vit_small", "--mixers", "ska", "--resolution", "224,384", "--depth", "block", "--format", "json"),
    ("roofline", "--implementation", "eager,sdpa"),
    ("roofline", "--per-op", "--format", "json"),
    *((name, "--help") for name in ("audit", "roofline", "calibrate", "explain")),
    ("--version",),
]
SEARCH = ("search", "caformer_s18", "--limit", "params<=26M")
PYTHON = {
    "cost": "import skaprof; skaprof.cost('ska', tokens=196, dim=256)",
    "model_cost": "import skaprof; skaprof.model_cost('caformer_s18[stage3=ska]')",
    "roofline": "import skaprof; skaprof.roofline('ska')",
    "check": f"import skaprof; skaprof.check({str(ROOT / 'claims' / 'paper.toml')!r})",
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The heavy packages that each analytic command, and then each Python call, brought into memory."""
    codes = {" ".join(arguments): command(*arguments) for arguments in ANALYTIC}  # search last: it loads numpy
    folder = f"import os; os.chdir({str(tmp_path_factory.mktemp('analytic'))!r})"
    return loaded_by({"folder": folder, **codes, **PYTHON, "search": command(*SEARCH)})


@pytest.mark.parametrize("arguments", ANALYTIC, ids=" ".join)
def test_the_analytic_path_loads_no_heavy_package(loaded: dict[str, list[str]], arguments: tuple[str, ...]) -> None:
    assert loaded[" ".join(arguments)] == []


def test_the_python_api_answers_without_heavy_packages(loaded: dict[str, list[str]]) -> None:
    assert {name: loaded[name] for name in PYTHON} == {name: [] for name in PYTHON}


def test_a_search_loads_numpy_alone(loaded: dict[str, list[str]]) -> None:
    assert loaded["search"] == ["numpy"]


def test_the_laziness_test_can_fail() -> None:
    proof = command("model", "vit_cifar", "--verify")
    found = loaded_by({"numpy": "import numpy", "formula": command("flops", "--formula"), "proof": proof})
    assert found["numpy"] == ["numpy"]
    assert "sympy" in found["formula"]
    assert {"torch", "fvcore"} <= set(found["proof"])


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


def test_imports_run_one_way() -> None:
    wrong = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        layer = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if layer not in ("__init__", "__main__"):
            wrong[str(path.relative_to(PACKAGE))] = wrong_way(layer, path.read_text())
    assert len(wrong) > 100
    assert {path: modules for path, modules in wrong.items() if modules} == {}


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
