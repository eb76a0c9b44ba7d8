"""The family of a model file, and the threshold of its scores.

A model of the table has a known family. That of a file given by path is inferred from the outputs
of its graph, or from ultralytics' export metadata.
"""

from pathlib import Path

from pipelines.detection.onnx_graph import Graph, read_graph
from pipelines.detection.ultralytics_files import person_class, ultralytics_export
from webbody import model_contracts as contracts
from webbody import models
from webbody.errors import WebbodyError
from webbody.model_contracts import Contract
from webbody.model_table import FACE_DETECTOR, PERSONS, find

#: Last dimensions of the outputs of insightface's SCRFD files: scores, boxes, landmarks.
_SCRFD = {1, 4, 10}


def face_detector(model: str) -> Contract:
    """The contract of a face detector given by name or path; WebbodyError for other models."""
    path = models.resolve(model, FACE_DETECTOR)
    graph = read_graph(path)
    found = _face_detector(graph)
    known = find(model, FACE_DETECTOR)
    if found is None or (known is not None and found is not known.contract):
        what = f"{known.contract.family} face" if known and known.contract else "face"
        raise WebbodyError(
            f"{path}: is no {what} detector with five landmarks (its outputs are {graph.shapes}); "
            "choose an SCRFD file of insightface, YuNet or a RetinaFace-R50."
        )
    return found


def _face_detector(graph: Graph) -> Contract | None:
    last = [shape[-1] for shape in graph.outputs.values() if shape]
    if len(graph.outputs) in (9, 15) and set(last) <= {*_SCRFD, None}:
        return contracts.SCRFD
    if {f"{kind}_8" for kind in ("cls", "obj", "bbox", "kps")} <= set(graph.outputs):
        return contracts.YUNET
    if len(last) == 3 and set(last) == {4, 2, 10}:
        return contracts.RETINAFACE_R50
    return None


def person_detector(model: str, family: str | None = None) -> Contract:
    """The contract of a person detector, given by name or path.

    family: of an ONNX file whose outputs fit several families. Raises WebbodyError for other
    models.
    """
    path = models.resolve(model, PERSONS)
    known = find(model, PERSONS)
    stated = contracts.FAMILIES[family] if family else known.contract if known else None
    if path.suffix == ".pt":  # which of the two is told when it is loaded; they differ in no number
        pose_or_not = {contracts.YOLO_POSE, contracts.YOLO_DETECT}
        return _agreed(path, pose_or_not, stated or contracts.YOLO_POSE, "")
    export = ultralytics_export(path)
    if export is not None:
        person_class(path, export)
        found = contracts.YOLO_POSE if export.task == "pose" else contracts.YOLO_DETECT
        return _agreed(path, {found}, stated, "")
    if path.suffix != ".onnx":
        raise WebbodyError(
            f"{path}: does not say its classes and task, as files do that ultralytics exports; "
            "export it with ultralytics."
        )
    graph = read_graph(path)
    return _agreed(path, _rtmlib(graph), stated, graph.shapes)


def _rtmlib(graph: Graph) -> set[Contract]:
    """The families of rtmlib's person detectors that match an ONNX file."""
    names, shapes = set(graph.outputs), list(graph.outputs.values())
    ranks = [len(shape) for shape in shapes]
    last = [shape[-1] if shape else None for shape in shapes]
    if names == {"dets", "keypoints"} or (ranks == [3, 4] and last[0] in (5, None)):
        return {contracts.RTMO}
    if names == {"dets", "labels"} or (ranks in ([3], [3, 2]) and last[0] == 5):
        return {contracts.RTMDET, contracts.YOLOX}
    if ranks == [3] and last[0] is not None and last[0] > 5:
        return {contracts.YOLOX}
    return set()


def _agreed(path: Path, possible: set[Contract], stated: Contract | None, shapes: str) -> Contract:
    """The family of a file, from its outputs and the stated family."""
    names = " or ".join(sorted(contract.family for contract in possible))
    outputs = f" (its outputs are {shapes})" if shapes else ""
    if not possible:
        raise WebbodyError(
            f"{path}: is no person detector{outputs}; choose a file of ultralytics, or an RTMDet, "
            "YOLOX or RTMO file of rtmlib."
        )
    if stated is not None and stated not in possible:
        raise WebbodyError(
            f"{path}: is a {names} model{outputs}, not {stated.family}; choose another file or "
            "persons.family."
        )
    if stated is None and len(possible) > 1:
        raise WebbodyError(
            f"{path}: is a {names} model, which its outputs do not tell apart, and which see "
            f"colours in different ways; set persons.family to {names}."
        )
    return stated or next(iter(possible))


def threshold(contract: Contract, given: float | None, setting: str) -> float:
    """The threshold of detections: the setting's value, else the family's default.

    Raises WebbodyError if the setting's value is outside the scale of the family's scores.
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
