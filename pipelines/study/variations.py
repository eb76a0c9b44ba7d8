"""The studies that change what the model sees or gives, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import nn

from model.evaluation.studies.keypoint_noise import KeypointNoise
from model.evaluation.studies.masks import TokenCounts
from model.evaluation.studies.parts import PartErasing
from model.evaluation.studies.strips import StripErasing
from model.evaluation.studies.study import Study
from model.evaluation.studies.zoom import Zoom
from model.sapiensid.sapiensid import SapiensID


@dataclass(frozen=True)
class Variation:
    """title: what is changed, and where the paper has it. make: the model in all its variants.

    takes: the kind of model. mixed: conditions whose queries are of another variant than the
    gallery, by name.
    """

    title: str
    make: Callable[..., Study]
    takes: type = SapiensID
    mixed: Mapping[str, tuple[str, str]] = field(default_factory=dict)


VARIATIONS = {
    "parts": Variation("Features of some body parts only (Tables 6 and 10)", PartErasing),
    "strips": Variation("Some strips of the image only (Table 11)", StripErasing, nn.Module),
    "keypoints": Variation("Noise on the keypoints (B.6 a)", KeypointNoise),
    "zoom": Variation(
        "5 % closer and farther (B.6 b)",
        Zoom,
        nn.Module,
        {
            "queries closer": ("closer", "original"),
            "queries farther": ("farther", "original"),
        },
    ),
    "masks": Variation("A share of the tokens only (B.9)", TokenCounts),
}
