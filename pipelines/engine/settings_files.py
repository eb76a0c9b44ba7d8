"""What settings name: models and galleries, which must be there, and the families' thresholds."""

from pathlib import Path
from typing import Any

from pipelines.base.custom_filter import FilterSource, find_filter
from pipelines.detection import families
from webbody import models
from webbody.config import BuildConfig
from webbody.errors import WebbodyError

#: The stage that runs the filters after another: it reads the images anyway, or has few to read.
RUN_BY = {"download": "persons", "persons": "faces", "faces": "clusters"}


def with_thresholds(config: BuildConfig) -> BuildConfig:
    """The settings with numbers where they leave a threshold to the model's family.

    So the number that holds is in the fingerprints, and in what a build remembers of its settings.
    """
    out = config.model_copy(deep=True)
    family = families.person_detector(config.persons.model, config.persons.family)
    confidence = config.persons.confidence
    out.persons.confidence = families.threshold(family, confidence, "persons.confidence")
    family = families.face_detector(config.faces.detector)
    out.faces.min_score = families.threshold(family, config.faces.min_score, "faces.min_score")
    return out


def files_of(config: BuildConfig) -> dict[str, tuple[Any, Any]]:
    """`stage.field` of each file that settings name -> path and sha256; all must be there."""
    out: dict[str, tuple[Any, Any]] = {}
    for stage, name, backend in (
        ("persons", "model", "persons"),
        ("faces", "detector", "face-detector"),
        ("faces", "embedder", "face-embedder"),
        ("keypoints", "model", "keypoints"),
    ):
        path = models.resolve(getattr(getattr(config, stage), name), backend)
        out[f"{stage}.{name}"] = (str(path), models.digest(path))
    for gallery in config.identities.galleries:
        if not Path(gallery).is_file():
            raise WebbodyError(
                f"Gallery {gallery} does not exist; make it with `webbody gallery` or mend "
                "identities.galleries."
            )
    out["identities.galleries"] = (
        config.identities.galleries,
        sorted(models.digest(Path(gallery)) for gallery in config.identities.galleries),
    )
    return out


def filters_of(config: BuildConfig) -> dict[str, tuple[FilterSource, ...]]:
    """The user's filters by the stage that runs them; WebbodyError where a module is missing."""
    out: dict[str, tuple[FilterSource, ...]] = {}
    for one in config.filters:
        stage = RUN_BY[one.after]
        found = find_filter(one.function, one.folder, one.settings)
        out[stage] = (*out.get(stage, ()), found)
    return out
