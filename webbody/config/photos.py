"""Settings of a build of whole photos: which of them are kept, and how they are packed."""

from pydantic import Field

from webbody.config.section import Count, Section, Unit


class QualitySettings(Section):
    """Which photos are worth keeping, of a build of whole photos (docs/humans.md)."""

    min_score: Unit = Field(
        0.9, description="a photo needs a person whom the detector scores above this"
    )
    min_side: float = Field(
        300, ge=0, description="pixels that the longer side of such a person's box must exceed"
    )
    max_text: Unit | None = Field(
        0.02,
        description="share of a photo that lines of text may cover; null: text is not looked for",
    )
    min_texture: Unit | None = Field(
        0.2,
        description="share of fine texture in the box of the largest person, below which the photo "
        "counts as a drawing; null: not looked at",
    )


class PhotosSettings(Section):
    """The samples of a build of whole photos."""

    size: tuple[Count, Count] = Field(
        (1024, 1024),
        description="width and height to which every photo is resized whole, such as [768, 1024]",
    )
    quality: int = Field(90, ge=1, le=100, description="JPEG quality of the final picture")
