"""Parsing untrusted JSON."""

import json
from typing import Any


def parse_json(data: bytes | str) -> Any:
    """Parse a JSON text; ValueError for invalid or too deeply nested text."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deep") from None
