"""Settings of the stages that read the manifest and fetch its images."""

from typing import Literal

from pydantic import Field

from webbody.config.section import Count, Section


class PlanSettings(Section):
    """Cutting the manifest into shards; a name never straddles two of them."""

    rows_per_shard: Count = Field(5000, description="rows a shard has on average")


class DownloadSettings(Section):
    """Fetching the images; safe by default."""

    timeout: float = Field(
        20, gt=0, description="seconds without any byte before a connection is given up"
    )
    deadline: float = Field(
        60, gt=0, description="seconds in total for one URL, all redirects and retries"
    )
    retries: int = Field(
        1, ge=0, description="further tries after a failure that can pass (5xx, 429, time-out)"
    )
    max_bytes: int = Field(50_000_000, gt=0, description="larger bodies are cut off and rejected")
    max_pixels: int = Field(
        100_000_000, gt=0, description="larger images are rejected before they are decoded"
    )
    min_side: int = Field(
        32, ge=1, description="images with a shorter side than this (pixels) are rejected"
    )
    max_redirects: int = Field(
        5, ge=0, description="redirects that are followed, each one checked anew"
    )
    opt_out: tuple[str, ...] = Field(
        ("noai", "noimageai", "noindex", "noimageindex"),
        description="X-Robots-Tag directives to honour, and tdm-reservation; [] ignores them",
    )
    user_agent: str = Field(
        "webbody", description="token in the User-Agent that opt-outs can address"
    )
    allow_private: tuple[str, ...] = Field(
        (), description="hosts on loopback or private addresses that may be fetched, e.g. 127.0.0.1"
    )
    per_domain: Count = Field(8, description="requests at the same time to one host")
    verify: Literal["keep", "reject"] = Field(
        "keep",
        description="when the manifest's sha256 does not match: keep and mark, or reject",
    )
