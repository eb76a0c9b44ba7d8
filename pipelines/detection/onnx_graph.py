"""Outputs and metadata of an ONNX file."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from webbody import models


@dataclass(frozen=True)
class Graph:
    """An ONNX file's outputs by name, each with its shape (None: any), and its metadata."""

    outputs: dict[str, tuple[int | None, ...]]
    metadata: dict[str, str]

    @property
    def shapes(self) -> str:
        """The outputs in words, for messages."""
        return ", ".join(
            f"{name} {'x'.join('?' if side is None else str(side) for side in shape)}"
            for name, shape in self.outputs.items()
        )


def read_graph(path: Path) -> Graph:
    """Read an ONNX file's outputs and metadata without creating a session."""
    status = path.stat()
    return _read_graph(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _read_graph(path: str, size: int, time: int) -> Graph:
    import onnx

    with models.loading(path, "an ONNX model"):
        model = onnx.load(path, load_external_data=False)
        outputs = {
            output.name: tuple(
                dim.dim_value if dim.HasField("dim_value") else None
                for dim in output.type.tensor_type.shape.dim
            )
            for output in model.graph.output
        }
        return Graph(outputs, {entry.key: entry.value for entry in model.metadata_props})
