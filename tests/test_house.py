"""Who may import whom (docs/architecture.md), checked on the source and in a bare interpreter."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: What `model` may take of `webbody`.
SHARED = (
    "skeleton",
    "geometry",
    "shards",
    "errors",
    "images",
    "checked_json",
    "folder_walk",
    "list_text",
    "json_text",
    "redaction",
)
BUILD_LIBRARIES = (
    "ray",
    "ultralytics",
    "insightface",
    "rtmlib",
    "img2dataset",
    "onnxruntime",
    "cv2",
)


def top_level_imports(path: Path) -> set[str]:
    """Modules imported at import time: not inside functions, not for type checkers only."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module and child.level == 0:
                found.add(child.module)
                found.update(f"{child.module}.{alias.name}" for alias in child.names)
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def imports(path: Path) -> set[str]:
    """Modules that are imported anywhere in a file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
    return found


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", sources("webbody"), ids=lambda p: str(p.relative_to(ROOT)))
def test_webbody_imports_neither_of_the_others(path: Path):
    roots = {name.split(".")[0] for name in top_level_imports(path)}
    assert not roots & {"pipelines", "model"}


@pytest.mark.parametrize("path", sources("model"), ids=lambda p: str(p.relative_to(ROOT)))
def test_model_imports_only_what_is_shared(path: Path):
    for name in top_level_imports(path):
        root, _, rest = name.partition(".")
        assert root not in ("pipelines", *BUILD_LIBRARIES)
        if root == "webbody" and rest:
            assert rest.split(".")[0] in SHARED


def test_model_imports_without_the_build_libraries():
    code = (
        "import sys\n"
        f"for name in {BUILD_LIBRARIES!r}: sys.modules[name] = None\n"
        "import model\nmodel.FaceEmbedder, model.SapiensID\n"
        "import model.features.extract, model.visualization.figures\n"
        "import model.training.start, model.training.on_ray\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_no_two_classes_bear_the_same_name():
    where: dict[str, list[str]] = {}
    for path in (
        path for package in ("webbody", "pipelines", "model") for path in sources(package)
    ):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                where.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert len(where) > 200
    assert {name: files for name, files in where.items() if len(files) > 1} == {}


def test_every_folder_says_what_happens_there():
    for package in ("webbody", "pipelines", "model"):
        for folder in {path.parent for path in sources(package)}:
            text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))
            assert text, folder


def test_no_parquet_file_is_read_ahead_by_threads():
    """Of a Python file they may outlive the interpreter, and then an exit with an error aborts."""
    by_path = ROOT / "model/features/feature_file.py"  # which filters, and opens no Python file
    for package in ("webbody", "pipelines", "model"):
        for path in sources(package):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute):
                    assert node.attr != "read_table" or path == by_path, path
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "pq.ParquetFile":
                    assert "pre_buffer=False" in ast.unparse(node), path
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and node.func.attr in ("iter_batches", "read_row_group", "read_row_groups")
                ):
                    assert "use_threads=False" in ast.unparse(node), path
