"""The import table of the design: who may import whom, who may know Dagster, and nothing heavy at module level."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "llmops_pipelines"
FOLDERS = {  # folder -> folders of ours that it may import
    "config": set(),
    "lifecycle": {"config"},
    "resources": {"config", "lifecycle"},
    "assets": {"config", "lifecycle", "resources"},
}
STAGES = ["lake", "compute", "corpus", "index", "datasets", "training", "evaluation", "release", "monitoring", "lineage"]
HEAVY = {
    "torch", "transformers", "peft", "deepspeed", "trl", "datasets", "sentence_transformers", "mlflow", "ragas", "ray",
    "pandas", "pyarrow", "numpy", "matplotlib", "sklearn", "scipy", "deltalake", "qdrant_client", "qdrant_edge", "trafilatura",
    "optuna", "torchao", "ir_measures", "openlineage",
}  # fmt: skip
CHILD = PACKAGE / "lifecycle" / "training" / "child.py"  # the training process itself; nothing imports it


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Absolute dotted names that a file imports; `if TYPE_CHECKING:` does not count."""
    here = path.relative_to(PACKAGE.parent).with_suffix("").parts
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level]) + "." if node.level else ""
            origin = (base + (node.module or "")).rstrip(".")
            found.update([origin, *(f"{origin}.{alias.name}" for alias in node.names)])
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text("utf-8")))
    return found


def ours(path: Path) -> set[tuple[str, ...]]:
    """The parts of this package that a file imports, as ("lifecycle", "lake") and so on."""
    return {tuple(name.split(".")[1:3]) for name in imports(path) if name.startswith("llmops_pipelines.")}


def files(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((PACKAGE / folder).rglob("*.py"))]


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_import_only_what_lies_below_them(folder):
    allowed = FOLDERS[folder] | {folder}
    wrong = {
        named(path): part for path in files(folder) for part in ours(path) if part[0] in FOLDERS and part[0] not in allowed
    }
    assert wrong == {}


def test_stages_import_only_stages_above_them():
    wrong = {}
    for path in files("lifecycle"):
        own = path.relative_to(PACKAGE / "lifecycle").parts[0]
        for part in ours(path):
            other = part[1] if len(part) > 1 and part[0] == "lifecycle" else None
            if own in STAGES and other in STAGES and STAGES.index(other) > STAGES.index(own):
                wrong[named(path)] = other
    assert wrong == {}


def test_every_stage_is_in_the_list():
    assert {path.parent.name for path in (PACKAGE / "lifecycle").glob("*/__init__.py")} == set(STAGES)


def test_dagster_is_unknown_below_the_graph():
    wrong = {
        named(path)
        for path in files("config", "lifecycle")
        for name in imports(path)
        if name.split(".")[0].startswith("dagster") and not (name.startswith("dagster_pipes") and "training" in path.parts)
    }
    assert wrong == set()


def test_nothing_heavy_is_imported_at_module_level():
    everything = [path for path in sorted(PACKAGE.rglob("*.py")) if path != CHILD]
    wrong = {
        named(path): name for path in everything for name in imports(path, top_level_only=True) if name.split(".")[0] in HEAVY
    }
    assert wrong == {}


@pytest.mark.parametrize("word", ["os.environ", "os.getenv"])
def test_only_doors_and_the_command_read_the_environment(word):
    reads = {named(path) for path in files("config", "lifecycle", "assets") if word in path.read_text("utf-8")}
    allowed = {
        "lifecycle/compute/worker.py",
        "lifecycle/corpus/children/child.py",
        "lifecycle/training/child.py",
        "lifecycle/training/launch.py",
        "lifecycle/evaluation/ragas_metrics.py",
    }
    assert reads <= allowed, reads - allowed


def test_loading_the_code_location_imports_nothing_heavy():
    code = f"import sys, llmops_pipelines.definitions as d; d.defs(); print(sorted(set(sys.modules) & {HEAVY!r}))"
    shown = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent, check=True
    )
    assert shown.stdout.strip() == "[]"


def test_the_checker_sees_what_it_should_see(tmp_path, monkeypatch):
    """The bad control: planted faults are found."""
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path / "llmops_pipelines")
    bad = tmp_path / "llmops_pipelines" / "config" / "bad.py"
    bad.parent.mkdir(parents=True)
    bad.write_text("import torch\nfrom ..lifecycle import lake\ndef f():\n    import numpy\n")
    assert ours(bad) >= {("lifecycle", "lake")}
    assert {"torch"} == imports(bad, top_level_only=True) & HEAVY
