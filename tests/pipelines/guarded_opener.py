"""The guarded opener with limits that suit a test."""

import urllib.request
from typing import Any

import pytest

from pipelines.fetching.errors import FetchError
from pipelines.fetching.opener import Opener
from pipelines.fetching.web_access import WebAccess
from webbody.config import DownloadSettings

DEFAULTS: dict[str, Any] = {
    "timeout": 10,
    "deadline": 10,
    "retries": 1,
    "max_bytes": 100_000,
    "max_redirects": 3,
    "allow_private": ("127.0.0.1",),
    "per_domain": 8,
    "outage": 0,
    "robots": "ignore",
    "tdmrep": "ignore",
    "ai_txt": "ignore",
}


#: What is honoured by default.
OPT_OUT = DownloadSettings().opt_out


def opener(**options: Any) -> Opener:
    settings = DownloadSettings(**{**DEFAULTS, **options})
    return Opener(settings, WebAccess(settings, threads=8), backoff=0.02)


def get(url, **options):
    return (
        opener(**options)
        .open(urllib.request.Request(url, headers={"User-Agent": "webbody"}))
        .read()
    )


def failure(url, **options) -> FetchError:
    with pytest.raises(FetchError) as caught:
        get(url, **options)
    assert str(caught.value).startswith(caught.value.outcome)
    return caught.value
