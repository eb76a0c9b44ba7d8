"""Detectors and embedders made from a build's settings."""

from pipelines.detection import families
from pipelines.detection.embedding import Embedder
from pipelines.detection.face_choice import FLOOR
from pipelines.detection.face_detection import FaceDetector
from pipelines.detection.keypoint_detection import KeypointDetector
from pipelines.detection.person_detection import PersonDetector
from pipelines.detection.sapiens_keypoints import SUFFIXES, SapiensKeypoints
from webbody.config import FacesSettings, KeypointsSettings, PersonsSettings, WorkerResources
from webbody.errors import WebbodyError


def person_detector(
    settings: PersonsSettings, resources: WorkerResources, floor: float | None = None
) -> PersonDetector:
    """A person detector; floor: the lowest reported score, by default the threshold."""
    return PersonDetector(
        settings.model,
        settings.confidence if floor is None else floor,
        settings.iou,
        settings.image_size,
        resources.device,
        resources.batch,
        resources.threads,
        settings.family,
    )


def trusted_person(settings: PersonsSettings) -> float:
    """The threshold of person scores."""
    family = families.person_detector(settings.model, settings.family)
    return families.threshold(family, settings.confidence, "persons.confidence")


def face_detector(
    settings: FacesSettings, resources: WorkerResources, floor: float | None = None
) -> FaceDetector:
    """A face detector; floor: the lowest reported score, by default that of the faces stage."""
    if floor is None:
        floor = min(FLOOR, trusted_face(settings))
    return FaceDetector(
        settings.detector, settings.detector_size, floor, resources.device, resources.threads
    )


def trusted_face(settings: FacesSettings) -> float:
    """The threshold of face scores."""
    family = families.face_detector(settings.detector)
    return families.threshold(family, settings.min_score, "faces.min_score")


def face_embedder(settings: FacesSettings, resources: WorkerResources) -> Embedder:
    return Embedder(settings.embedder, resources.device, resources.batch, resources.threads)


def keypoint_detector(
    settings: KeypointsSettings, resources: WorkerResources
) -> KeypointDetector | SapiensKeypoints:
    """A SimCC model of rtmlib (ONNX), or a Sapiens pose model (weights of torch)."""
    how = (
        settings.model,
        settings.input_size,
        resources.device,
        resources.batch,
        resources.threads,
    )
    if settings.model.endswith(SUFFIXES):
        if settings.beta is not None:
            raise WebbodyError(
                "keypoints.beta: is of SimCC models (ONNX); a Sapiens model has none, leave it out."
            )
        return SapiensKeypoints(*how)
    return KeypointDetector(*how, settings.beta)
