"""Settings of the stages that read the manifest and fetch its images."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from webbody.config.section import Count, Section


class PlanSettings(Section):
    """Cutting the manifest into shards; a name never straddles two of them."""

    rows_per_shard: Count = Field(5000, description="rows a shard has on average")


def _header(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ValueError("must be one line of printable ASCII characters")
    return value


#: A header's value: a line break in it would be another header.
_Header = Annotated[str, AfterValidator(_header)]


class DownloadSettings(Section):
    """Fetching the images; safe by default."""

    manners: ClassVar[frozenset[str]] = frozenset(
        {
            "timeout", "deadline", "retries", "per_domain", "interval", "contact", "accept",
            "referer", "dns_servers", "outage", "memory", "retry",
        }
    )  # fmt: skip

    timeout: float = Field(
        20, gt=0, description="seconds without any byte before a connection is given up"
    )
    deadline: float = Field(
        60, gt=0, description="seconds in total for one URL, all redirects and retries"
    )
    retries: int = Field(
        1, ge=0, description="further tries after a failure that can pass (5xx, 429, time-out)"
    )
    outage: float = Field(
        600,
        ge=0,
        description="seconds to wait for the network when no host answers any more, before a shard "
        "fails; 0: such failures count as the hosts' own",
    )
    retry: tuple[str, ...] = Field(
        (),
        description="outcomes to ask again in this run: passing, names such as download:http-404, "
        '"older than 30d"; what --retry sets',
    )
    max_bytes: int = Field(50_000_000, gt=0, description="larger bodies are cut off and rejected")
    memory: int = Field(
        512_000_000,
        gt=0,
        description="bytes that the bodies of all connections of a worker take in memory; what is "
        "more lies on disk",
    )
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
        ("noai", "noimageai", "noml", "noimageml", "noindex", "noimageindex"),
        description="X-Robots-Tag directives to honour, and with them the headers tdm-reservation "
        "and Content-Usage; [] ignores them all",
    )
    robots: Literal["respect", "ignore"] = Field(
        "respect", description="robots.txt of each host (RFC 9309), its crawl-delay too"
    )
    robots_agents: tuple[str, ...] = Field(
        (),
        description="agents whose robots.txt rules count beside our own: names, or ai for the "
        "well-known collectors of training data",
    )
    max_crawl_delay: float = Field(
        60, gt=0, description="seconds; what asks for a longer crawl-delay is not fetched"
    )
    tdmrep: Literal["respect", "ignore"] = Field(
        "respect", description="/.well-known/tdmrep.json of each host (TDM Reservation Protocol)"
    )
    ai_txt: Literal["respect", "ignore"] = Field("respect", description="/ai.txt of each host")
    user_agent: _Header = Field(
        "webbody", description="token in the User-Agent that opt-outs can address"
    )
    contact: _Header = Field(
        "", description="mail address or page in the User-Agent, for owners of sites"
    )
    accept: _Header = Field("image/*,*/*;q=0.5", description="the Accept header")
    referer: _Header = Field("", description="the Referer header; none is sent by default")
    allow_private: tuple[str, ...] = Field(
        (), description="hosts on loopback or private addresses that may be fetched, e.g. 127.0.0.1"
    )
    dns_servers: tuple[str, ...] = Field(
        (), description="addresses of name servers; those of the machine by default"
    )
    per_domain: Count = Field(
        8, description="requests at the same time to one host, of all workers together"
    )
    interval: float = Field(
        0, ge=0, description="seconds between two requests to one host, of all workers together"
    )
    verify: Literal["keep", "reject"] = Field(
        "keep",
        description="when the manifest's sha256 does not match: keep and mark, or reject",
    )
