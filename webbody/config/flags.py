"""Settings of the flags of picture quality."""

from typing import Any, Literal, get_args

from pydantic import Field

from webbody.config.section import Section, Unit

Flag = Literal[
    "blurred", "dark", "overexposed", "low_information", "odd_aspect", "face_blurred", "profile"
]
#: All flags, in the order in which the first that drops a crop gives its outcome.
FLAGS: tuple[str, ...] = get_args(Flag)


class FlagsSettings(Section):
    """What is told of the quality of each crop and its face, and what of it drops a crop."""

    drop: tuple[Flag, ...] = Field(
        (),
        description="flags that drop a crop with a face before the faces of a name are compared, "
        "such as [blurred, profile]; [] only tells",
    )
    min_sharpness: float = Field(
        20,
        ge=0,
        description="blurred: variance of the Laplacian of the crop, its longer side reduced to "
        "256 pixels, below this",
    )
    min_brightness: Unit = Field(
        0.32, description="dark: brightness below which nearly all pixels (99 %) of the crop lie"
    )
    max_brightness: Unit = Field(
        0.95, description="overexposed: brightness above which nearly all pixels (95 %) lie"
    )
    min_entropy: float = Field(
        3.0, ge=0, description="low_information: bits of entropy of the crop's colours below this"
    )
    min_aspect: Unit = Field(
        0.2, description="odd_aspect: shorter by longer side of the crop below this"
    )
    min_face_sharpness: float = Field(
        20,
        ge=0,
        description="face_blurred: variance of the Laplacian of the aligned face (112 pixels) "
        "below this",
    )
    max_yaw: float = Field(
        45,
        ge=0,
        le=90,
        description="profile: degrees, to either side, above which a head is turned",
    )

    def deciding(self) -> dict[str, Any]:
        """Without `drop`, which is decided where names are compared: flags are as they are."""
        return {name: value for name, value in super().deciding().items() if name != "drop"}
