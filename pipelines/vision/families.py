"""Which family a model file is of, and from which score on its detections are trusted.

A name of the table says its family. A file given by path says it by what it is: the outputs of its
graph, or what ultralytics writes into the files that it exports.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from webbody import model_contracts as contracts
from webbody import models
from webbody.errors import WebbodyError
from webbody.model_contracts import Contract
from webbody.model_table import FACE_DETECTOR, find

#: Last dimensions of the outputs of insightface's SCRFD files: scores, boxes, landmarks.
_SCRFD = {1, 4, 10}


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


def face_detector(model: str) -> Contract:
    """The contract of a face detector, given by name or path; WebbodyError where it is none."""
    path = models.resolve(model, FACE_DETECTOR)
    graph = look(path)
    found = _face_detector(graph)
    known = find(model, FACE_DETECTOR)
    if found is None or (known is not None and found is not known.contract):
        what = f"{known.contract.family} face" if known and known.contract else "face"
        raise WebbodyError(
            f"{path}: is no {what} detector with five landmarks (its outputs are {graph.shapes}); "
            "choose an SCRFD file of insightface."
        )
    return found


def _face_detector(graph: Graph) -> Contract | None:
    last = [shape[-1] for shape in graph.outputs.values() if shape]
    if len(graph.outputs) in (9, 15) and set(last) <= {*_SCRFD, None}:
        return contracts.SCRFD
    return None


def threshold(contract: Contract, given: float | None, setting: str) -> float:
    """The score from which detections are trusted: the setting's value, else the family's own.

    Raises WebbodyError where the setting's value lies outside the scale of the family's scores.
    """
    if given is None:
        assert contract.threshold is not None, contract.family
        return contract.threshold
    if not contract.accepts(given):
        low, high = contract.scale or (0, 0)
        raise WebbodyError(
            f"{setting} is {given:g}, but the scores of {contract.family} models lie between "
            f"{low:g} and {high:g}; the family's own threshold is {contract.threshold:g}."
        )
    return given


def look(path: Path) -> Graph:
    """An ONNX file's outputs and metadata, without its weights being loaded into a session."""
    status = path.stat()
    return _look(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=16)
def _look(path: str, size: int, time: int) -> Graph:
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
