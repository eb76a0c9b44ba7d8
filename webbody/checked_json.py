"""JSON files with a digest of their content, which detects changes."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from webbody.redaction import redacted_json

#: The key of the digest: blake2b-80 of the file in which it is still empty, 20 hex digits.
CHECK = "check"
_LINE = re.compile(rb'^ "check": "([0-9a-f]{20})"', re.MULTILINE)


def checked_json(values: Mapping[str, Any], redact: bool = True) -> bytes:
    """The values as JSON, sorted, an item a line, with the digest as `check`.

    redact: secrets in addresses go. Not for texts of strangers whose every character counts.
    """
    kept = redacted_json(dict(values)) if redact else values
    data = (json.dumps({**kept, CHECK: ""}, indent=1, sort_keys=True) + "\n").encode()
    return data.replace(b'\n "check": ""', f'\n "check": "{_digest(data)}"'.encode(), 1)


def is_altered(data: bytes, values: Mapping[str, Any]) -> bool:
    """Whether a file's content, parsed as `values`, was changed after writing.

    False for files of older versions, which have no digest.
    """
    if CHECK not in values:
        return False
    found = _LINE.search(data)
    if found is None:
        return True
    start, stop = found.span(1)
    return _digest(data[:start] + data[stop:]) != found[1].decode()


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=10).hexdigest()
