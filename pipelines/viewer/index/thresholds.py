"""The thresholds of a build beside the figures that they judge."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.outcomes import value_of
from webbody.model_table import FACE_DETECTOR, PERSONS, find


@dataclass(frozen=True)
class Judged:
    """A setting that judges a figure.

    outcome: of what it drops. least: whether it is the least that passes, not the most. of: what is
    compared, where that is not the figure itself, in SQL.
    """

    setting: str
    figure: str
    outcome: str
    least: bool = True
    of: str = ""

    @property
    def compared(self) -> str:
        """What is compared, in SQL."""
        return self.of or self.figure


#: Detections below `persons.confidence` are in no table, so that lowering it cannot be looked at.
JUDGED = (
    Judged("persons.confidence", "person_score", "person:none"),
    Judged("persons.min_side", "side", "person:too-small"),
    Judged("faces.min_score", "face_score", "face:low-score"),
    Judged("faces.min_size", "face_size", "face:too-small"),
    Judged(
        "download.min_side", "image_width", "image:too-small", of="least(image_width, image_height)"
    ),
    Judged("flags.min_sharpness", "flag_sharpness", "flag:blurred"),
    Judged("flags.min_brightness", "flag_brightness_99", "flag:dark"),
    Judged("flags.max_brightness", "flag_brightness_5", "flag:overexposed", least=False),
    Judged("flags.min_entropy", "flag_entropy", "flag:low_information"),
    Judged("flags.min_aspect", "flag_aspect", "flag:odd_aspect"),
    Judged("flags.min_face_sharpness", "flag_face_sharpness", "flag:face_blurred"),
    Judged("flags.max_yaw", "flag_yaw", "flag:profile", least=False, of="abs(flag_yaw)"),
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

#: Of settings that a detector's family decides where they are null: the detector, and its kind.
_MODELS = {
    "persons.confidence": ("persons.model", PERSONS),
    "faces.min_score": ("faces.detector", FACE_DETECTOR),
}


def judged(settings: Mapping[str, Any], has_quality: bool) -> tuple[Judged, ...]:
    """What judges figures in a build of this kind."""
    return (*JUDGED[:1], *OF_PHOTOS) if has_quality else JUDGED


def threshold(setting: str, settings: Mapping[str, Any]) -> float | None:
    """The value of a setting; of one that is left to the detector's family that of the family.

    None where that is not known without the detector's file: looking must fetch no model.
    """
    value = value_of(setting, settings)
    if value is None and setting in _MODELS:
        named, kind = _MODELS[setting]
        known = find(str(value_of(named, settings) or ""), kind)
        value = known.contract.threshold if known and known.contract else None
    return float(value) if isinstance(value, int | float) else None
