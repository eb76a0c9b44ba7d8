"""A changed byte of a checked file is found, whichever it is."""

import json

from hypothesis import given
from hypothesis import strategies as st

from webbody.checked_json import CHECK, checked_json, is_altered

VALUES = {"b": [1, 2], "a": {"check": "x", "n": 1.5}, "z": "text\nof lines"}


def test_it_is_json_with_the_values():
    data = checked_json(VALUES)
    assert {k: v for k, v in json.loads(data).items() if k != CHECK} == VALUES
    assert not is_altered(data, json.loads(data))
    assert checked_json(VALUES) == data


def test_files_of_older_versions_hold_no_digest():
    data = json.dumps(VALUES).encode()
    assert not is_altered(data, VALUES)


@given(st.integers(0, len(checked_json(VALUES)) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found(place, change):
    data = bytearray(checked_json(VALUES))
    data[place] ^= change
    try:
        values = json.loads(bytes(data))
    except ValueError:
        return
    # Where the digest's own name was changed it is a value that no file of ours has.
    assert is_altered(bytes(data), values) or set(values) - {*VALUES, CHECK}
