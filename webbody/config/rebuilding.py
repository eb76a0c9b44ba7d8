"""Settings of a build from a release."""

from typing import Literal

from pydantic import Field

from webbody.config.section import Count, Section, Unit


class RebuildSettings(Section):
    """What of a release is built, and what becomes of pictures that have changed since."""

    rows_per_shard: Count = Field(5000, description="samples a working shard has on average")
    splits: tuple[str, ...] = Field((), description="splits to build, such as [test]; [] is all")
    share: Unit = Field(
        1, description="share of the people to build, drawn by a hash of their ids with `seed`"
    )
    subset: Literal["all", "4m", "12m"] = Field(
        "all", description="of the training people those of WebBody4M's or 12M's rule"
    )
    seed: int = Field(0, ge=0, description="of the draw of people")
    near: int = Field(
        6,
        ge=0,
        le=63,
        description="a picture whose perceptual hash differs in no more bits (of 64) from the "
        "released one is the same, encoded anew",
    )
    on_changed: Literal["drop", "keep"] = Field(
        "drop", description="what becomes of a picture that is another one now"
    )
    removals: str = Field(
        "", description="list of removals to apply; empty: the one that the release names"
    )
