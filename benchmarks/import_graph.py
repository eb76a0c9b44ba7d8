"""The import graph of the packages: circles, and imports that run back up.

    python -m benchmarks.import_graph [FOLDER]

An edge is an import anywhere in a file, also inside a function, but for those that only a type
checker reads; or a text such as `pipelines.stages.plan:Plan`, which names what is imported where it
runs. A room is a folder; a file directly in a package is a room of its own. tests/test_import_graph
fails on what this prints as circles and imports back up.
"""

import argparse
import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("webbody", "model", "pipelines")

#: The rooms of each package from the ground up: a room imports only rooms before it. Files of a
#: package that are not named here are bound by the absence of circles alone.
LAYERS = {
    "webbody": (
        "webbody.errors",
        "webbody.config",
        "webbody.manifest",
        "webbody.picture_files",
        "webbody.images",
        "webbody.decoders",
        "webbody.releases",
        "webbody.demo.drawing",
        "webbody.demo.vision_sets",
        "webbody.demo.website",
        "webbody.demo",
        "webbody.doctor",
        "webbody.cli",
        "webbody.__main__",
    ),
    "model": (
        "model.encoder",
        "model.folder_writing",
        "model.losses",
        "model.sapiensid.heads",
        "model.sapiensid",
        "model.sapiens.vocabulary",
        "model.sapiens",
        "model.sapiens.metrics",
        "model.sapiens.data",
        "model.sapiens.augmentation",
        "model.sapiens.prediction",
        "model.sapiens.evaluation",
        "model.faces",
        "model.visualization",
        "model.features",
        "model.evaluation",
        "model.evaluation.readers",
        "model.evaluation.studies",
        "model.training.steps",
        "model.training.data",
        "model.training.monitoring",
        "model.training",
        "model.training.faces",
        "model.training.estimate",
        "model.sapiens.training",
    ),
    "pipelines": (
        "pipelines.outcomes",
        "pipelines.base",
        "pipelines.quality",
        "pipelines.fetching",
        "pipelines.sampling",
        "pipelines.detection",
        "pipelines.identity",
        "pipelines.corrections",
        "pipelines.galleries",
        "pipelines.stages",
        "pipelines.stages.released",
        "pipelines.stages.photos",
        "pipelines.takedown",
        "pipelines.monitoring",
        "pipelines.engine",
        "pipelines.calibration",
        "pipelines.diagnostics",
        "pipelines.inspection",
        "pipelines.export",
        "pipelines.release",
        "pipelines.build_result",
        "pipelines.build",
        "pipelines.inference",
        "pipelines.inference.sapiens",
        "pipelines.evaluate.images",
        "pipelines.evaluate.models",
        "pipelines.evaluate.tasks",
        "pipelines.evaluate",
        "pipelines.evaluate.report",
        "pipelines.reid",
        "pipelines.verify",
        "pipelines.statistics",
        "pipelines.study",
        "pipelines.training_report",
        "pipelines.viewer.index",
        "pipelines.viewer.pictures",
        "pipelines.viewer.pages",
        "pipelines.viewer",
    ),
}

_NAMED = re.compile(r"(?:webbody|model|pipelines)(?:\.\w+)+(?=:\w+$)")


@dataclass(frozen=True)
class Graph:
    """imports: of each module those of the packages. rooms: the room of each module."""

    imports: Mapping[str, frozenset[str]]
    rooms: Mapping[str, str]

    @property
    def edges(self) -> Iterator[tuple[str, str]]:
        for module, others in sorted(self.imports.items()):
            for other in sorted(others):
                yield module, other

    def is_folder(self, room: str) -> bool:
        return any(module != room and self.rooms[module] == room for module in self.rooms)

    def file_circles(self) -> list[list[str]]:
        """The groups of files that import one another in a circle."""
        return circles(self.imports)

    def room_circles(self) -> list[list[str]]:
        """The groups of rooms of one package that import one another in a circle."""
        found: dict[str, set[str]] = defaultdict(set)
        for module, other in self.edges:
            room, another = self.rooms[module], self.rooms[other]
            if room != another and _package(room) == _package(another):
                found[room].add(another)
        return circles(found)

    def back_up(self) -> list[tuple[str, str]]:
        """Imports inside a package that lead from a room to one above it in LAYERS."""
        return [
            (module, other)
            for module, other in self.edges
            if _package(module) == _package(other)
            and None not in (low := _layer(module), high := _layer(other))
            and low < high
        ]


def read_graph(root: Path) -> Graph:
    """The graph of the packages below a folder."""
    files = {
        _module(path.relative_to(root)): path
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
    }
    imports = {
        module: frozenset(_known(imported(path.read_text(encoding="utf-8")), files) - {module})
        for module, path in files.items()
    }
    rooms = {module: _room(path.relative_to(root), module) for module, path in files.items()}
    return Graph(imports, rooms)


def imported(source: str) -> set[str]:
    """What a file imports: modules, and `module.name` of each name that it takes out of one."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                for other in child.orelse:
                    visit(ast.Module([other], []))
                continue
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom) and child.module and child.level == 0:
                found.update(f"{child.module}.{alias.name}" for alias in child.names)
            elif isinstance(child, ast.Constant) and isinstance(child.value, str):
                found.update(_NAMED.findall(child.value))
            visit(child)

    visit(ast.parse(source))
    return found


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The strongly connected groups of more than one node, each and all sorted (Tarjan)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in number:
                visit(other)
            if other in stack:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == number[node]:
            at = stack.index(node)
            group, stack[at:] = stack[at:], []
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in number:
            visit(node)
    return sorted(found)


def _known(names: set[str], files: Mapping[str, Path]) -> set[str]:
    """The modules behind names: a name taken out of a module counts as that module."""
    out = set()
    for name in names:
        module = name if name in files else name.rpartition(".")[0]
        if module in files:
            out.add(module)
    return out


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(path: Path, module: str) -> str:
    return ".".join(path.parts[:-1]) if len(path.parts) > 2 else module


def _package(module: str) -> str:
    return module.partition(".")[0]


def _layer(module: str) -> int | None:
    """Where in LAYERS the room is that holds the module; the longest name that fits says it."""
    layers = LAYERS[_package(module)]
    fitting = [name for name in layers if module == name or module.startswith(f"{name}.")]
    return layers.index(max(fitting, key=len)) if fitting else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parents[1])
    graph = read_graph(parser.parse_args().folder)
    back = graph.back_up()
    print(f"{len(graph.imports)} files, {sum(map(len, graph.imports.values()))} imports")
    print(f"{len(set(graph.rooms.values()))} rooms")
    print(f"{len(graph.file_circles())} circles of files: {graph.file_circles()}")
    print(f"{len(graph.room_circles())} circles of rooms: {graph.room_circles()}")
    print(f"{len(back)} imports back up")
    for module, other in back:
        print(f"  {module} -> {other}")


if __name__ == "__main__":
    main()
