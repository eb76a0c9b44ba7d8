"""The guarded opener with limits that suit a test."""

import urllib.request

import pytest

from pipelines.fetching.addresses import FetchError
from pipelines.fetching.opener import Opener

DEFAULTS = {
    "timeout": 10,
    "deadline": 10,
    "retries": 1,
    "max_bytes": 100_000,
    "max_redirects": 3,
    "opt_out": ("noai", "noimageai", "noindex", "noimageindex"),
    "user_agent": "webbody",
    "allow_private": ("127.0.0.1",),
    "per_domain": 8,
    "threads": 8,
    "backoff": 0.02,
}


def get(url, **options):
    opener = Opener(**{**DEFAULTS, **options})
    return opener.open(urllib.request.Request(url, headers={"User-Agent": "webbody"})).read()


def failure(url, **options) -> FetchError:
    with pytest.raises(FetchError) as caught:
        get(url, **options)
    assert str(caught.value).startswith(caught.value.outcome)
    return caught.value
