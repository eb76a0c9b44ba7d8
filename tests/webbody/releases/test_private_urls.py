"""What URLs give away: passwords, tokens, signatures, addresses; and what only looks like it."""

import pyarrow as pa
import pytest

from webbody.releases.private_urls import (
    MAIL,
    PASSWORD,
    SIGNATURE,
    TOKEN,
    no_urls,
    private_urls,
    urls_granting_access,
)

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
        what for what, rows in private_urls(pa.chunked_array([[None, url]])) if list(rows) == [1]
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


@pytest.mark.parametrize(
    ("url", "opens"),
    [
        ("https://u:p@a.org/1.jpg", True),
        ("https://token@a.org/1.jpg", True),
        ("https://b.s3.amazonaws.com/1.jpg?X-Amz-Algorithm=x&X-Amz-Signature=00ff", True),
        ("https://b.s3.amazonaws.com/1.jpg?AWSAccessKeyId=A&Expires=1&Signature=b", True),
        ("https://storage.googleapis.com/b/1.jpg?X-Goog-Signature=00", True),
        ("https://x.blob.core.windows.net/c/1.jpg?sv=2022-11-02&se=2026&sr=b&sig=a%3D", True),
        ("https://x.blob.core.windows.net/c/1.jpg?sig=a%3D&amp;se=2026&sp=r", True),
        ("https://cdn.net/1.jpg?Policy=e&Signature=s&Key-Pair-Id=K", True),
        ("https://b.oss-cn.aliyuncs.com/1.jpg?OSSAccessKeyId=A&Signature=s", True),
        ("https://b.cos.myqcloud.com/1.jpg?q-sign-algorithm=sha1&q-signature=00", True),
        ("https://i.example.org/1.jpg?width=300&s=0011", False),
        ("https://i.example.org/1.jpg?signature=0011", False),
        ("https://i.example.org/1.jpg?sig=0011&w=3", False),
        ("https://i.example.org/a@b.jpg?key=cat", False),
        ("https://i.example.org/X-Amz-Signature=00.jpg", False),
        (None, False),
    ],
)
def test_addresses_that_open_a_store(url, opens):
    assert urls_granting_access(pa.chunked_array([[url]], pa.string())).tolist() == [0] * opens
