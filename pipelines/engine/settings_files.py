"""What settings name: models and galleries, which must be there, and the families' thresholds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.base.custom_filter import FilterSource, find_filter
from pipelines.detection import families
from webbody import models
from webbody.config import BuildConfig
from webbody.errors import WebbodyError
from webbody.model_table import SEGMENTATION

#: The stage that runs the filters after another: it reads the images anyway, or has few to read.
RUN_BY: Mapping[str, str] = {"download": "persons", "persons": "faces", "faces": "clusters"}
#: The same of a build of whole photos.
PHOTOS_RUN_BY: Mapping[str, str] = {"download": "persons", "persons": "quality"}

PERSON_MODEL = ("persons", "model", "persons")


def with_thresholds(config: BuildConfig) -> BuildConfig:
    """The settings with numbers where they leave a threshold to the model's family.

    So the number that holds is in the fingerprints, and in what a build remembers of its settings.
    """
    out = with_person_threshold(config)
    family = families.face_detector(config.faces.detector)
    out.faces.min_score = families.threshold(family, config.faces.min_score, "faces.min_score")
    return out


def with_person_threshold(config: BuildConfig) -> BuildConfig:
    """The settings with the person detector's threshold as a number."""
    out = config.model_copy(deep=True)
    family = families.person_detector(config.persons.model, config.persons.family)
    confidence = config.persons.confidence
    out.persons.confidence = families.threshold(family, confidence, "persons.confidence")
    return out


def model_files(config: BuildConfig, *which: tuple[str, str, str]) -> dict[str, tuple[Any, Any]]:
    """`stage.field` of models -> path and sha256. which: stage, field and backend of each."""
    out = {}
    for stage, name, backend in which:
        path = models.resolve(getattr(getattr(config, stage), name), backend)
        out[f"{stage}.{name}"] = (str(path), models.digest(path))
    return out


def foreground_model(config: BuildConfig) -> list[tuple[str, str, str]]:
    """The model of samples' foregrounds, where they are to have any; as `model_files` takes it."""
    return [("pack", "foreground", SEGMENTATION)] if config.pack.foreground else []


def files_of(config: BuildConfig) -> dict[str, tuple[Any, Any]]:
    """`stage.field` of each file that settings name -> path and sha256; all must be there."""
    out = model_files(
        config,
        PERSON_MODEL,
        ("faces", "detector", "face-detector"),
        ("faces", "embedder", "face-embedder"),
        ("keypoints", "model", "keypoints"),
        *foreground_model(config),
    )
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


def filters_of(
    config: BuildConfig, run_by: Mapping[str, str]
) -> dict[str, tuple[FilterSource, ...]]:
    """The user's filters by the stage that runs them; run_by: that stage by the one before.

    Raises WebbodyError where a module is missing, or the build has no such place.
    """
    out: dict[str, tuple[FilterSource, ...]] = {}
    for one in config.filters:
        if one.after not in run_by:
            raise WebbodyError(
                f"filters: {one.function} is to run after {one.after}, which this build does not "
                f"have; choose {' or '.join(run_by)}."
            )
        stage = run_by[one.after]
        found = find_filter(one.function, one.folder, one.settings)
        out[stage] = (*out.get(stage, ()), found)
    return out
