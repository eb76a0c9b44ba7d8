"""Which outcomes are failures in passing, and what a retry names."""

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.fetching.retry import RetryRule, is_passing
from webbody.errors import WebbodyError

NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("outcome", "passing"),
    [
        ("download:refused", True),
        ("download:timeout", True),
        ("download:deadline", True),
        ("download:dns-failed", True),
        ("download:http-503", True),
        ("download:http-429", True),
        ("download:http-501", False),
        ("download:http-404", False),
        ("download:dns", False),
        ("download:opt-out", False),
        ("download:robots-unreachable", True),
        ("download:http-5030", False),
        ("image:truncated", False),
        ("kept", False),
    ],
)
def test_failures_in_passing(outcome, passing):
    assert is_passing(outcome) == passing


@pytest.mark.parametrize("texts", [(), ("",), (" , ",)])
def test_no_words_are_no_rule(texts):
    assert RetryRule.of(texts) is None


@pytest.mark.parametrize(
    ("text", "outcome", "age", "asked"),
    [
        ("passing", "download:reset", timedelta(0), True),
        ("passing", "download:http-404", timedelta(0), False),
        ("download:http-404", "download:http-404", timedelta(0), True),
        ("passing,download:opt-out", "download:opt-out", timedelta(0), True),
        ("older than 2 days", "download:http-404", timedelta(days=3), True),
        ("older than 2d", "download:http-404", timedelta(days=1), False),
        ("older than 2d", "download:http-404", -timedelta(days=999), True),  # a clock was wrong
        ("older than 90m", "image:not-an-image", timedelta(hours=2), True),
        ("older than 1h", "download:opt-out", timedelta(days=9), False),
        ("older than 1h", "download:robots", timedelta(days=9), False),
        ("older than 1h", "takedown", timedelta(days=9), False),
        ("passing, older than 1h", "download:http-404", timedelta(days=9), False),
    ],
)
def test_what_is_asked_again(text, outcome, age, asked):
    rule = RetryRule.of([text])
    assert rule is not None
    assert rule.covers(outcome, NOW - age) == asked


def test_a_row_of_unknown_age_is_old():
    rule = RetryRule.of(["older than 1d"])
    assert rule is not None
    assert rule.covers("download:reset", None)


@pytest.mark.parametrize("text", ["all", "older than", "older than 3 weeks", "http-404", "kept"])
def test_what_is_no_rule_is_told(text):
    with pytest.raises(WebbodyError, match="--retry"):
        RetryRule.of([text])
