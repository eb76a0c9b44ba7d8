"""What Kubernetes lets stand in a manifest: the fields of its types, read from lightkube's models.

The models are generated from Kubernetes' published interface; only their text is read.
"""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: Types of Python in the models; what a quantity or a map holds is looked at elsewhere.
_PLAIN = {
    "str": str, "int": int, "bool": bool, "float": (int, float), "dict": dict,
    "Quantity": (str, int), "IntOrString": (str, int), "Any": object,
}  # fmt: skip


@cache
def _classes() -> dict[str, dict[str, tuple[str, bool]]]:
    """Class -> field -> its type, and whether it must be there."""
    spec = find_spec("lightkube.models")
    assert spec is not None and spec.submodule_search_locations is not None
    (folder,) = spec.submodule_search_locations
    found: dict[str, dict[str, tuple[str, bool]]] = {}
    for module in ("core_v1", "meta_v1"):
        for node in ast.parse(Path(folder, f"{module}.py").read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = dict(_fields(node))
    return found


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, tuple[str, bool]]]:
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            kind = ast.literal_eval(line.annotation)
            yield line.target.id, (kind.removeprefix("Optional[").rstrip("]"), line.value is None)


def problems(value: Any, kind: str, where: str = "") -> list[str]:
    """What is wrong with a value of a type, such as `PodTemplateSpec`: a line each."""
    if kind.startswith("List["):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        inner = kind.removeprefix("List[").rstrip("]")
        return [p for i, one in enumerate(value) for p in problems(one, inner, f"{where}[{i}]")]
    name = kind.rpartition(".")[2]
    if name in _PLAIN:
        fits = isinstance(value, _PLAIN[name]) and (name != "int" or not isinstance(value, bool))
        return [] if fits else [f"{where} is {value!r}, no {name}"]
    fields = _classes()[name]
    if not isinstance(value, dict):
        return [f"{where} is no {name}"]
    found = [f"{where} lacks {f}" for f, (_, must) in fields.items() if must and f not in value]
    for field, one in value.items():
        if field not in fields:
            found.append(f"{where} has {field}, which a {name} has not")
        else:
            found += problems(one, fields[field][0], f"{where}.{field}")
    return found
