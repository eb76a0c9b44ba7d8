"""Settings of the stages that tell who is who, for a name and for the whole build."""

from typing import Literal

from pydantic import Field

from webbody.config.section import Count, Section


class ClustersSettings(Section):
    """DBSCAN over the faces of a name; the largest cluster is the person."""

    eps: float = Field(
        0.7, gt=0, le=2, description="distance 1 - cosine at which two faces are linked"
    )
    min_samples: Count = Field(
        2, description="faces (itself included) a core point needs within eps"
    )
    min_images: Count = Field(2, description="a name with fewer images in its cluster is dropped")


class IdentitiesSettings(Section):
    """Cross-name cleaning, leaked validation people, duplicates. Similarities are cosines."""

    similar: float = Field(
        0.7, ge=-1, le=1, description="two names above this are one person and merged"
    )
    ambiguous: float = Field(
        0.6, ge=-1, le=1, description="between this and `similar` the smaller name is dropped"
    )
    leak: float = Field(
        0.7, ge=-1, le=1, description="people above this to a gallery identity are dropped"
    )
    duplicate: float = Field(
        0.9, ge=-1, le=1, description="of two faces of a person above this the later is dropped"
    )
    near_copy: int = Field(
        6,
        ge=-1,
        le=63,
        description="of two photos of a person whose perceptual hashes differ in no more bits (of "
        "64) the later is dropped; -1: never",
    )
    cropped_copy: int = Field(
        14,
        ge=-1,
        le=63,
        description="hashes that differ in fewer bits speak for copies, too, as of photos whose "
        "margins were cut off: for each bit fewer 0.02 less than `duplicate` is enough; -1: never",
    )
    copies_across: Literal["tell", "drop"] = Field(
        "tell",
        description="what becomes of a photo that stands under two people with the same face "
        "(`near_copy`): told in identities/near-copies.parquet, or dropped of both",
    )
    gallery_copies: Literal["tell", "drop"] = Field(
        "drop",
        description="the same of a photo that is a picture of a gallery, whoever it stands under",
    )
    min_images: Count = Field(2, description="people with fewer images left are dropped")
    galleries: tuple[str, ...] = Field(
        (),
        description="files of `webbody gallery`: validation people who must not be in the data",
    )
    person_key: str = Field(
        "",
        description="secret from which the ids of new people are drawn; empty: the manifest's "
        "digest. Ids that were given stay",
    )
