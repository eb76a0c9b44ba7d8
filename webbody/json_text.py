"""JSON that others wrote."""

import json
from typing import Any


def parse_json(data: bytes | str) -> Any:
    """The values of a JSON text; ValueError for whatever is none, also one that is nested too deep
    for a parser."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deep") from None
