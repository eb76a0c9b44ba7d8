"""Spellings of one address, and what people call a site."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webbody.url_grammar import (
    canonical_url,
    domain_of,
    domains_of,
    host_of,
    is_suffix,
    is_url,
)

TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12)
URLS = st.builds(
    "{}://{}{}/{}{}{}".format,
    st.sampled_from(["http", "HTTPS"]),
    st.sampled_from(["a.org", "EXAMPLE.Org.", "bücher.example", "[::1]", "u:p@h"]),
    st.sampled_from(["", ":80", ":443", ":8080", ":"]),
    TEXT | st.lists(st.sampled_from(["..", ".", "a", "%2e", "%2F", "%zz", ""])).map("/".join),
    st.sampled_from(["", "?", "?a=b%20c", "?a=%C3%BC&b", "?%3d"]),
    st.sampled_from(["", "#", "#part"]),
)


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("http://example.org/a.jpg", "HTTP://EXAMPLE.ORG/a.jpg"),
        ("http://example.org/a.jpg", "http://example.org:80/a.jpg#top"),
        ("https://example.org/", "https://example.org:443"),
        ("http://example.org/a.jpg", "http://example.org./b/../a.jpg"),
        ("http://example.org/a.jpg", "http://me:secret@example.org/a.jpg"),
        ("http://example.org/a~b.jpg", "http://example.org/%61%7Eb.jpg"),
        ("http://example.org/été à.jpg", "http://example.org/%c3%a9t%C3%A9%20%C3%A0.jpg"),
        ("http://example.org/a(1).jpg", "http://example.org/a%281%29.jpg"),
        ("http://example.org/?q=ü", "http://example.org/?q=%C3%BC"),
        ("http://bücher.example/a", "http://xn--bcher-kva.example/a"),
        ("http://BÜCHER.example/a", "http://bücher.example/a"),
    ],
)
def test_spellings_of_one_address(url, other):
    assert canonical_url(url) == canonical_url(other)


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("http://example.org/a.jpg", "https://example.org/a.jpg"),
        ("http://example.org/a.jpg", "http://example.org/A.jpg"),
        ("http://example.org/a.jpg", "http://example.org:8080/a.jpg"),
        ("http://example.org/a/b", "http://example.org/a%2Fb"),
        ("http://example.org/a?b=c", "http://example.org/a%3Fb=c"),
        ("http://example.org/?a=b%26c", "http://example.org/?a=b&c"),
        ("http://example.org/?a=1%2B1", "http://example.org/?a=1+1"),
        ("http://example.org/100%25", "http://example.org/100%2525"),
    ],
)
def test_other_addresses_stay_others(url, other):
    assert canonical_url(url) != canonical_url(other)


@given(URLS)
def test_the_one_spelling_is_a_url_and_stays(url):
    found = canonical_url(url)
    assert canonical_url(found) == found
    assert is_url(found) and found.isascii()
    assert host_of(found) == host_of(url)


@given(TEXT)
def test_what_is_no_url_stays(text):
    assert canonical_url(text) == text or "://" in text


def test_domains_above_a_host():
    assert domains_of("http://A.b.ORG./x") == ["a.b.org", "b.org", "org"]
    assert domains_of("http://127.0.0.1:80/x") == ["127.0.0.1"]
    assert domains_of("http://[::1]/x") == ["::1"]
    assert domains_of("http:///x") == []


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("Example.ORG.", "example.org"),
        ("*.example.org", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("localhost", "localhost"),
        (".", ""),
        ("", ""),
        ("a..b", ""),
        ("*", ""),
        ("http://example.org", ""),
        ("example.org/a", ""),
        ("example.org:80", ""),
        ("a b.org", ""),
        ("-a.org", ""),
    ],
)
def test_what_is_a_domain(text, domain):
    assert domain_of(text) == domain


def test_ends_below_which_anybody_registers():
    assert all(map(is_suffix, ["org", "co.uk", "com.au", "or.jp", "xn--p1ai"]))
    assert not any(map(is_suffix, ["example.org", "co.example", "bbc.co.uk", "127.0.0.1", "::1"]))
