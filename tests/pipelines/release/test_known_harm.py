"""Lists of known harm: what is on them is found, also when it was scaled; nothing else is."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.release.known_harm import NEAR, KnownHarm
from webbody.errors import WebbodyError

HASHES = st.integers(0, 2**64 - 1)


def table(sha256, phash) -> pa.Table:
    signed = np.array(phash, np.uint64).view(np.int64)
    return pa.table({"sha256": pa.array(sha256, pa.string()), "phash": signed})


@given(st.lists(HASHES, min_size=1, max_size=6), st.data())
def test_hashes_are_found_up_to_the_distance(listed, data):
    close = []
    for _ in range(8):
        one = data.draw(st.sampled_from(listed))
        bits = data.draw(st.sets(st.integers(0, 63), max_size=NEAR + 2))
        close.append(one ^ sum(1 << bit for bit in bits))
    harm = KnownHarm(frozenset(), np.array(sorted(set(listed)), np.uint64))
    found = harm.found(table(["x"] * 8, close))
    assert found.tolist() == [
        min((one ^ other).bit_count() for other in listed) <= NEAR for one in close
    ]


def test_a_list_has_both_kinds_in_any_case(tmp_path):
    digest = hashlib.sha256(b"a").hexdigest()
    path = tmp_path / "list.txt"
    path.write_bytes(
        f"\ufeff# harm\r\n{digest.upper()}  # a note\r\n\r\n0x00000000000000ff\n".encode()
    )
    harm = KnownHarm.read(path)
    rows = table([digest, "b", "c"], [2**60 - 1, 0xFE, 2**40 - 1])
    assert harm.found(rows).tolist() == [True, True, False]


@pytest.mark.parametrize("line", ["abc", "g" * 64, "0" * 63, "0" * 17, "https://a/b"])
def test_a_line_that_is_no_digest_is_told_by_its_number(tmp_path, line):
    path = tmp_path / "list.txt"
    path.write_text(f"{'0' * 64}\n{line}\n")
    with pytest.raises(WebbodyError, match="line 2"):
        KnownHarm.read(path)


def test_an_empty_or_missing_list_is_told(tmp_path):
    (tmp_path / "list.txt").write_text("# nothing\n")
    with pytest.raises(WebbodyError, match="lists nothing"):
        KnownHarm.read(tmp_path / "list.txt")
    with pytest.raises(WebbodyError, match="cannot be read"):
        KnownHarm.read(tmp_path / "absent")
