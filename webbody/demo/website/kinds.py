"""What can be odd about a URL of the synthetic web, and what a build should make of it.

Two tables: how the server behaves, and how the image file is made. Each entry gives the outcome
that the ledger should show: `FETCHED` (downloaded and decoded), or outcomes of which any is right,
separated by `|`.
"""

from __future__ import annotations

FETCHED = "fetched"
PLAIN = "plain"

#: How the server answers -> expected outcome. `webbody.demo.website.server` has a method for each.
BEHAVIOURS = {
    PLAIN: FETCHED,
    "missing": "download:http-404",
    "gone": "download:http-410",
    "forbidden": "download:http-403",
    "broken": "download:http-500",
    "closed-port": "download:refused",
    "opt-out-robots": "download:opt-out",  # X-Robots-Tag: noai
    "opt-out-agent": "download:opt-out",  # X-Robots-Tag: webbody: noimageai
    "opt-out-other": FETCHED,  # X-Robots-Tag: otherbot: noai, which does not concern us
    "opt-out-tdm": "download:opt-out",  # tdm-reservation: 1
    "error-once": FETCHED,  # 500, then 200
    "busy-once": FETCHED,  # 503 with Retry-After: 1, then 200
    "redirect": FETCHED,
    "redirect-loop": "download:redirects",
    "redirect-private": "download:private-address",
    "redirect-file": "download:scheme",
    "slow": FETCHED,  # about a second
    "endless": "download:deadline|download:timeout",
    "cut-body": "download:truncated|download:reset|download:error|image:truncated",
    "reset": "download:reset|download:truncated|download:error",
    "oversized": "download:too-large",
    "oversized-undeclared": "download:too-large",  # without a Content-Length
    "html": "image:not-an-image|download:content-type",
    "html-as-jpeg": "image:not-an-image",
    "empty": "image:not-an-image|download:truncated|download:error",
    "wrong-type": FETCHED,  # an image sent as text/plain
    "header-odd": FETCHED,  # lines that are no headers before those that are
    "header-odd-opt-out": "download:opt-out",  # the same before X-Robots-Tag: noai
    "opt-out-date": "download:opt-out",  # noai behind a date with a comma
    "opt-out-words": "download:opt-out",  # noai noimageai, without a comma
    "coding-odd": FETCHED,  # Content-Encoding: aws-chunked around an image as it is
    "redirect-latin": FETCHED,  # to a path of raw Latin-1 bytes
}

#: How the file is made -> expected outcome. `webbody.demo.website.encodings` makes them.
ENCODINGS = {
    PLAIN: FETCHED,  # baseline JPEG
    "progressive": FETCHED,
    "exif": FETCHED,  # stored turned or mirrored, with the EXIF orientation that undoes it
    "cmyk": FETCHED,
    "palette-png": FETCHED,
    "alpha-png": FETCHED,
    "png16": FETCHED,
    "gif": FETCHED,  # animated; the first frame counts
    "webp": FETCHED,
    "bmp": FETCHED,
    "pixel": "image:too-small",
    "bomb": "image:too-large",  # a small PNG that declares 30,000 x 30,000 pixels
    "cut-file": "image:truncated|image:unreadable",
    "avif": FETCHED,  # called .jpg
    "heic": FETCHED,
    "p3": FETCHED,  # pixels in Display P3, with its profile
    "profile-broken": FETCHED,  # a profile that is cut off
    "text-png": FETCHED,  # with two megabytes of text
    "tiff16": FETCHED,  # of 16 bits
    "avif-bomb": "image:too-large",  # a small AVIF that declares 30,000 x 30,000 pixels
    "jxl": "image:unsupported-format",  # JPEG XL
}

#: Encodings that show nothing that was drawn.
UNDRAWN = ("pixel", "bomb", "avif-bomb", "jxl")
#: Kinds that came later than the webs: they are dealt out by a draw of their own, so that a seed's
#: people and scenes stay what they were.
LATER = (
    "header-odd", "header-odd-opt-out", "opt-out-date", "opt-out-words", "coding-odd",
    "redirect-latin", "avif", "heic", "p3", "profile-broken", "text-png", "tiff16", "avif-bomb",
    "jxl",
)  # fmt: skip

#: Ways to make a near duplicate.
NEAR = ("recompressed", "resized", "cropped")

#: Settings of a build under which the expected outcomes hold (`section.field`: value).
BUILD_SETTINGS: dict[str, object] = {
    "download.allow_private": ["127.0.0.1"],
    "download.timeout": 3.0,
    "download.deadline": 5.0,
    "download.retries": 1,
    "download.max_bytes": 8_000_000,
    "download.max_pixels": 100_000_000,
    "download.min_side": 32,
}
#: Bytes that an oversized body has at least.
OVERSIZED = 9_000_000


def expected(behaviour: str, encoding: str) -> str:
    """The outcome of a URL: the server's behaviour shows first, then the file."""
    return ENCODINGS[encoding] if BEHAVIOURS[behaviour] == FETCHED else BEHAVIOURS[behaviour]


def is_expected(outcome: str, expected: str) -> bool:
    """Whether a ledger's outcome is the expected one (the notation of the tables above)."""
    if expected == FETCHED:
        return not outcome.startswith(("manifest:", "download:", "image:"))
    return outcome in expected.split("|")
