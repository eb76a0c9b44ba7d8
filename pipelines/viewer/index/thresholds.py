"""The thresholds of a build beside the figures that they judge."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pipelines.outcomes import value_of
from webbody.config import FacesSettings, PersonsSettings
from webbody.errors import WebbodyError


@dataclass(frozen=True)
class Judged:
    """A setting that judges a figure.

    outcome: of what it drops. least: whether it is the least that passes, not the most.
    """

    setting: str
    figure: str
    outcome: str
    least: bool = True


#: Detections below `persons.confidence` are in no table, so that lowering it cannot be looked at.
JUDGED = (
    Judged("persons.confidence", "person_score", "person:none"),
    Judged("persons.min_side", "side", "person:too-small"),
    Judged("faces.min_score", "face_score", "face:low-score"),
    Judged("faces.min_size", "face_size", "face:too-small"),
    Judged("download.min_side", "least(image_width, image_height)", "image:too-small"),
)
OF_PHOTOS = (
    Judged("quality.min_score", "person_score", "quality:low-score"),
    Judged("quality.max_text", "text_share", "quality:text", least=False),
    Judged("quality.min_texture", "texture", "quality:drawing"),
)
#: Settings that are drawn beside a figure, and of which nothing can be foretold from it alone.
DRAWN = {
    "decided": (
        "identities.duplicate", "identities.similar", "identities.ambiguous", "identities.leak",
    ),
}  # fmt: skip


def judged(settings: Mapping[str, Any], has_quality: bool) -> tuple[Judged, ...]:
    """What judges figures in a build of this kind."""
    return (*JUDGED[:1], *OF_PHOTOS) if has_quality else JUDGED


def threshold(setting: str, settings: Mapping[str, Any]) -> float | None:
    """The value of a setting; of one that is left to the detector's family that of the family."""
    value = value_of(setting, settings)
    if value is None and setting in _OF_FAMILIES:
        with suppress(WebbodyError, ValueError, OSError, ImportError):
            value = _OF_FAMILIES[setting](dict(settings))
    return float(value) if isinstance(value, int | float) else None


def _person(settings: dict[str, Any]) -> float:
    from pipelines.detection.from_settings import trusted_person

    return trusted_person(PersonsSettings.model_validate(settings.get("persons") or {}))


def _face(settings: dict[str, Any]) -> float:
    from pipelines.detection.from_settings import trusted_face

    return trusted_face(FacesSettings.model_validate(settings.get("faces") or {}))


_OF_FAMILIES: dict[str, Callable[[dict[str, Any]], float]] = {
    "persons.confidence": _person,
    "faces.min_score": _face,
}
