"""What URLs give away: passwords, tokens, signatures, addresses; and what only looks like it."""

import pyarrow as pa
import pytest

from pipelines.verify.urls import MAIL, PASSWORD, SIGNATURE, TOKEN, no_urls, telling_urls

TELLING = {
    "https://u:p@example.org/a.jpg": PASSWORD,
    "HTTP://user@example.org/": PASSWORD,
    "https://example.org/a.jpg?w=3&access_token=x1": TOKEN,
    "https://example.org/a.jpg#id_token=x1": TOKEN,
    "https://example.org/a.jpg?API-Key=1": TOKEN,
    "https://example.org/a.jpg?a=1;password=1": TOKEN,
    "https://example.org/a?PHPSESSID=8": TOKEN,
    "https://example.org/eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.sig/a.jpg": TOKEN,
    "https://example.org/a.jpg?sig=abc": SIGNATURE,
    "https://example.org/a.jpg?AWSAccessKeyId=AK&Expires=1": SIGNATURE,
    "https://example.org/a.jpg?X-Amz-Signature=abc": SIGNATURE,
    "https://example.org/a.jpg?x=1&amp;Signature=abc": SIGNATURE,
    "https://example.org/?to=anna.b@example.co.uk": MAIL,
    "https://example.org/anna%40example.org/a.png": MAIL,
}
HARMLESS = (
    "https://example.org/image@2x.png",
    "https://example.org/photos/12345@N00/1.jpg",
    "https://example.org/@anna/1.jpg",
    "https://example.org/a.jpg?w=100&h=50&v=3",
    "https://example.org/tokens/secret/a.jpg",
    "https://example.org/a.jpg?design=4&assign=x",
    "https://example.org/a.jpg?token=",
)


def found(url: str) -> set[str]:
    return {
        what for what, rows in telling_urls(pa.chunked_array([[None, url]])) if list(rows) == [1]
    }


@pytest.mark.parametrize("url", TELLING)
def test_what_gives_something_away(url):
    assert TELLING[url] in found(url)


@pytest.mark.parametrize("url", HARMLESS)
def test_what_does_not(url):
    assert found(url) == set()


def test_what_is_no_url():
    urls = [
        "https://example.org/ä b.jpg",
        "ftp://example.org/x",
        "https:///x",
        None,
        "x",
        "http://a\n",
    ]
    assert no_urls(pa.chunked_array([urls])).tolist() == [1, 2, 4, 5]
