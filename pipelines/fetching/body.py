"""The body of an answer: whole, below the cap, and unpacked where a server packed it unasked."""

import http.client
import zlib

from pipelines.fetching.errors import FetchError
from webbody.images import sniff

_PACKED = ("gzip", "x-gzip", "deflate")
#: What nobody asked for, and is not unpacked here.
_UNKNOWN = ("br", "zstd", "compress", "x-compress", "dcb", "dcz")


def read_body(response: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """The whole body, decoded; FetchError `download:too-large` or `download:truncated`.

    We ask for no encoding; a server that compresses all the same must keep the cap unpacked too.
    What is a picture already is taken as it is, whatever the header says of it.
    """
    declared = response.length
    too_large = FetchError("download:too-large", f"more than {max_bytes} bytes")
    if declared is not None and declared > max_bytes:
        raise too_large
    # One more byte than allowed shows that there is more.
    body = response.read(max_bytes + 1 if declared is None else declared)
    if len(body) > max_bytes:
        raise too_large
    if declared is not None and len(body) < declared:
        raise FetchError("download:truncated", f"{len(body)} of {declared} bytes", True, network=True)
    encodings = ",".join(response.headers.get_all("Content-Encoding", [])).lower().split(",")
    for encoding in map(str.strip, reversed(encodings)):
        if sniff(body):
            return body
        if encoding in _UNKNOWN:
            raise FetchError("download:error", f"Content-Encoding {encoding} was not asked for")
        if encoding in _PACKED:
            body = _unpacked(body, encoding, max_bytes)
            if len(body) > max_bytes:
                raise too_large
    return body


def _unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """At most a byte more than allowed; raises FetchError for what is broken."""
    # deflate means zlib's form, but some servers send it bare.
    bare = encoding == "deflate" and body[:1] and body[0] & 15 != 8
    unpack = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32)
    try:
        unpacked = unpack.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise FetchError("download:error", f"Content-Encoding {encoding}: {error}") from error
    if len(unpacked) <= max_bytes and not unpack.eof:
        raise FetchError("download:truncated", f"Content-Encoding {encoding} ends early", True)
    return unpacked
