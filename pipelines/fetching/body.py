"""The body of an answer: whole, below the cap, and unpacked where a server packed it unasked."""

import http.client
import tempfile
import zlib
from typing import IO

from pipelines.fetching.budget import Room
from pipelines.fetching.errors import FetchError
from webbody.images import sniff

_PACKED = ("gzip", "x-gzip", "deflate")
#: What nobody asked for, and is not unpacked here.
_UNKNOWN = ("br", "zstd", "compress", "x-compress", "dcb", "dcz")
#: Bytes that are read at a time where a server does not say how many there are.
_BLOCK = 1 << 18


def read_body(response: http.client.HTTPResponse, max_bytes: int, room: Room) -> bytes:
    """The whole body, decoded; FetchError `download:too-large` or `download:truncated`.

    We ask for no encoding; a server that compresses all the same must keep the cap unpacked too.
    What is a picture already is taken as it is, whatever the header says of it. The body takes its
    memory from `room`; where there is none, it waits on disk until there is.
    """
    too_large = FetchError("download:too-large", f"more than {max_bytes} bytes")
    body = _raw(response, max_bytes, room, too_large)
    encodings = ",".join(response.headers.get_all("Content-Encoding", [])).lower().split(",")
    for encoding in map(str.strip, reversed(encodings)):
        if sniff(body):
            return body
        if encoding in _UNKNOWN:
            raise FetchError("download:error", f"Content-Encoding {encoding} was not asked for")
        if encoding in _PACKED:
            room.wait_for(max_bytes)
            body = _unpacked(body, encoding, max_bytes)
            if len(body) > max_bytes:
                raise too_large
            room.wait_for(len(body))
    return body


def read_text(response: http.client.HTTPResponse, most: int) -> str:
    """The first bytes of a text, unpacked where it was packed; what is damaged is left out."""
    body = response.read(most)
    encoding = (response.headers.get("Content-Encoding") or "").strip().lower()
    if encoding in _PACKED:
        try:
            body = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, most)
        except zlib.error:
            return ""
    return body.decode("utf-8-sig", "replace")


def _raw(
    response: http.client.HTTPResponse, max_bytes: int, room: Room, too_large: FetchError
) -> bytes:
    """The body as it came, at most one byte more than allowed."""
    declared = response.length
    if declared is not None and declared > max_bytes:
        raise too_large
    if declared is not None and room.grows(declared):
        body = response.read(declared)
    else:
        # One more byte than allowed shows that there is more.
        body = _in_blocks(response, max_bytes + 1 if declared is None else declared, room)
    if len(body) > max_bytes:
        raise too_large
    if declared is not None and len(body) < declared:
        text = f"{len(body)} of {declared} bytes"
        raise FetchError("download:truncated", text, passing=True, network=True)
    return body


def _in_blocks(response: http.client.HTTPResponse, most: int, room: Room) -> bytes:
    """A body of unknown length, or one for which there is no room now."""
    blocks: list[bytes] = []
    size = 0
    spill: IO[bytes] | None = None
    try:
        while size < most and (block := response.read(min(_BLOCK, most - size))):
            size += len(block)
            if spill is None and not room.grows(len(block)):
                spill = tempfile.TemporaryFile()
                spill.writelines(blocks)
                blocks.clear()
                room.leave()
            if spill is None:
                blocks.append(block)
            else:
                spill.write(block)
        if spill is None:
            return b"".join(blocks)
        room.wait_for(size)
        spill.seek(0)
        return spill.read()
    finally:
        if spill is not None:
            spill.close()


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
