"""Settings of the stages that make the data set: its split and its samples."""

from typing import Any

from pydantic import Field

from webbody.config.section import Count, ModelFile, Section


class SplitSettings(Section):
    """Training and test people, and the global shuffle into output shards.

    The paper's test set (C.2) is 4,000 people with 30 to 150 images, 30 to 70 of which show lower
    body or limbs while the face is not fully visible; the authors' script excludes these bounds.
    """

    test_people: int = Field(4000, ge=0, description="people drawn for the test set, with `seed`")
    test_images: tuple[int, int] = Field(
        (31, 149), description="least and most images of a test person"
    )
    test_body_images: tuple[int, int] = Field(
        (31, 69),
        description="of these, images that show body or limbs while the face is not fully visible",
    )
    validation_people: int = Field(
        0, ge=0, description="other people kept apart to validate a training, drawn with `seed`"
    )
    seed: int = Field(0, ge=0, description="of the draws of people and of the global shuffle")
    samples_per_shard: Count = Field(
        5000, description="samples that an output shard has on average, at most"
    )
    shards: dict[str, Count] = Field(
        {},
        description="output shards of each split, such as {train: 20, test: 2}; of others it "
        "follows from samples_per_shard",
    )


class PackSettings(Section):
    """The final samples: white-letterboxed squares in WebDataset shards."""

    size: int = Field(384, ge=32, description="side of the final image in pixels")
    quality: int = Field(90, ge=1, le=100, description="JPEG quality of the final image")
    foreground: ModelFile = Field(
        "",
        description="Sapiens segmentation model that marks each sample's person; '': samples have "
        "no foreground",
    )

    def deciding(self) -> dict[str, Any]:
        """Without a foreground the settings are those of before it could be asked for."""
        out = super().deciding()
        return out if self.foreground else {k: v for k, v in out.items() if k != "foreground"}
