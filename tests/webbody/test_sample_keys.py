"""Packed keys: of the picture and the place in it, and of nothing else."""

from webbody.manifest import sample_key
from webbody.sample_keys import packed_key

URL = "http://example.org/a.jpg"


def test_a_known_key():
    # sha256 of the URL, then the rectangle: written down, as released lists are joined by it.
    assert packed_key(URL, [1, 2, 30, 40]) == "1b09eede47632871c7d3"


def test_every_part_counts():
    keys = {
        packed_key(URL, [1, 2, 30, 40]),
        packed_key(URL, [1, 2, 30, 41]),
        packed_key(URL, [12, 30, 40, 1]),
        packed_key(URL + "?", [1, 2, 30, 40]),
        sample_key(URL, "Ann"),
    }
    assert len(keys) == 5
    assert {len(key) for key in keys} == {20}
