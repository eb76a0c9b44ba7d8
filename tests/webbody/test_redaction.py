"""Secrets in addresses are hidden, and nothing else is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webbody.checked_json import checked_json, is_altered
from webbody.errors import WebbodyError, error_context
from webbody.plain_text import plain_text
from webbody.redaction import redacted, redacted_json

SECRET = "S3cr3t-%2Fvalue+x"

SIGNED = [
    f"https://user:{SECRET}@host.org/list.parquet",
    f"https://{SECRET}@host.org/list.parquet",
    f"s3://key:{SECRET}@bucket/a",
    f"https://user:a@{SECRET}@host.org/",
    f"ftp://u:{SECRET}@[2001:db8::1]:21/a",
    f"https://b.s3.amazonaws.com/a?X-Amz-Algorithm=AWS4&X-Amz-Signature={SECRET}&X-Amz-Expires=9",
    f"https://b.s3.amazonaws.com/a?X-Amz-Credential={SECRET}",
    f"https://b.s3.amazonaws.com/a?x-amz-security-token={SECRET}",
    f"https://b.s3.amazonaws.com/a?AWSAccessKeyId={SECRET}&Signature={SECRET}&Expires=1",
    f"https://storage.googleapis.com/a?X-Goog-Signature={SECRET}&X-Goog-Credential={SECRET}",
    f"https://storage.googleapis.com/a?GoogleAccessId={SECRET}",
    f"https://x.blob.core.windows.net/c/a?sv=2022&se=2026&sig={SECRET}",
    f"https://cdn.net/a?Policy={SECRET}&Signature={SECRET}&Key-Pair-Id={SECRET}",
    f"https://host.org/a?token={SECRET}",
    f"https://host.org/a?page=1&access_token={SECRET}#frag",
    f"https://host.org/a#access_token={SECRET}",
    f"https://host.org/a?api_key={SECRET}",
    f"https://host.org/a?apikey={SECRET};b=1",
    f"https://host.org/a?client_secret={SECRET}",
    f"https://host.org/a?password={SECRET}",
    f"https://host.org/a?Authorization={SECRET}",
    f"https://x.org/go?to=https%3A%2F%2Fy.org%2F%3Ftoken%3D{SECRET}",
]


@pytest.mark.parametrize("url", SIGNED)
@pytest.mark.parametrize("form", ["{}", "Cannot read {} (denied).", "('{}', 3)", "a\n{}\nb"])
def test_secrets_are_hidden_wherever_an_address_stands(url, form):
    text = form.format(url)
    assert SECRET not in redacted(text) and "***" in redacted(text)
    assert SECRET not in plain_text(text)
    assert SECRET not in json.dumps(redacted_json({"a": [text, {text: 1}], "b": (text,)}))
    assert redacted(redacted(text)) == redacted(text)
    start, _, end = form.partition("{}")
    assert redacted(text).startswith(start) and redacted(text).endswith(end)


@pytest.mark.parametrize(
    "text",
    [
        "https://host.org/a@b.jpg",
        "https://host.org/path/user:name@x?size=3&page=token",
        "https://host.org/a?width=300&height=200&keyword=cat&design=2",
        "persons.confidence=0.5",
        "mailto:a@b.org",
        "token=3 of the list",
        "a://",
        "",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


@given(st.text())
def test_any_text_can_be_redacted(text):
    once = redacted(text)
    assert redacted(once) == once


def test_errors_and_checked_files_hold_no_secret():
    error = WebbodyError(f"Cannot read {SIGNED[0]}")
    assert SECRET not in str(error) and SECRET not in error.sentence
    with pytest.raises(WebbodyError) as caught, error_context(f"{SIGNED[5]}: "):
        raise WebbodyError(f"no {SIGNED[1]}.")
    assert SECRET not in str(caught.value)
    data = checked_json({"manifest": SIGNED[0], "config": {"out": SIGNED[5]}})
    assert SECRET.encode() not in data
    assert not is_altered(data, json.loads(data))
