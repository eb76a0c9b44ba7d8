"""Reading the body of a response: complete, below the size limit, decompressed."""

import http.client
import tempfile
import zlib
from typing import IO

from pipelines.fetching.budget import MemoryReservation
from pipelines.fetching.errors import FetchError
from webbody.images import sniff

_PACKED = ("gzip", "x-gzip", "deflate")
#: Encodings that are not supported.
_UNKNOWN = ("br", "zstd", "compress", "x-compress", "dcb", "dcz")
#: Bytes per read for responses without Content-Length.
_BLOCK = 1 << 18


def read_body(
    response: http.client.HTTPResponse, max_bytes: int, memory: MemoryReservation
) -> bytes:
    """The whole body, decoded; FetchError `download:too-large` or `download:truncated`.

    No encoding is requested; a response that is compressed nevertheless must be below the limit
    when decompressed, too. A body that is a picture already is taken as it is, whatever the header
    says. Memory is taken from `memory`; without free memory the body waits on disk.
    """
    too_large = FetchError("download:too-large", f"more than {max_bytes} bytes")
    body = _raw(response, max_bytes, memory, too_large)
    encodings = ",".join(response.headers.get_all("Content-Encoding", [])).lower().split(",")
    for encoding in map(str.strip, reversed(encodings)):
        if sniff(body):
            return body
        if encoding in _UNKNOWN:
            raise FetchError("download:error", f"Content-Encoding {encoding} was not asked for")
        if encoding in _PACKED:
            memory.wait_for(max_bytes)
            body = _unpacked(body, encoding, max_bytes)
            if len(body) > max_bytes:
                raise too_large
            memory.wait_for(len(body))
    return body


def read_text(response: http.client.HTTPResponse, most: int) -> str:
    """The first bytes of a text, decompressed; damaged parts are left out."""
    body = response.read(most)
    encoding = (response.headers.get("Content-Encoding") or "").strip().lower()
    if encoding in _PACKED:
        try:
            body = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, most)
        except zlib.error:
            return ""
    return body.decode("utf-8-sig", "replace")


def _raw(
    response: http.client.HTTPResponse,
    max_bytes: int,
    memory: MemoryReservation,
    too_large: FetchError,
) -> bytes:
    """The raw body, at most one byte more than allowed."""
    declared = response.length
    if declared is not None and declared > max_bytes:
        raise too_large
    if declared is not None and memory.try_grow(declared):
        body = response.read(declared)
    else:
        # One byte beyond the limit shows that the body is larger.
        body = _in_blocks(response, max_bytes + 1 if declared is None else declared, memory)
    if len(body) > max_bytes:
        raise too_large
    if declared is not None and len(body) < declared:
        text = f"{len(body)} of {declared} bytes"
        raise FetchError("download:truncated", text, passing=True, network=True)
    return body


def _in_blocks(response: http.client.HTTPResponse, most: int, memory: MemoryReservation) -> bytes:
    """Read a body of unknown length, or without free memory, block by block."""
    blocks: list[bytes] = []
    size = 0
    spill: IO[bytes] | None = None
    try:
        while size < most and (block := response.read(min(_BLOCK, most - size))):
            size += len(block)
            if spill is None and not memory.try_grow(len(block)):
                spill = tempfile.TemporaryFile()
                spill.writelines(blocks)
                blocks.clear()
                memory.release()
            if spill is None:
                blocks.append(block)
            else:
                spill.write(block)
        if spill is None:
            return b"".join(blocks)
        memory.wait_for(size)
        spill.seek(0)
        return spill.read()
    finally:
        if spill is not None:
            spill.close()


def _unpacked(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """Decompress to at most one byte more than allowed; FetchError for a broken body."""
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
