"""Pairs of near copies go with either of their crops; those of galleries' pictures, too."""

from types import SimpleNamespace

import pyarrow as pa

from pipelines.takedown.people import without_crops


def test_a_pair_goes_with_either_crop():
    pairs = [("a1-0", "b1-0"), ("b2-1", "a1-0"), ("c1-0", None), ("c2-0", None), ("d1-0", "d2-0")]
    table = pa.table({"crop_a": [a for a, _ in pairs], "crop_b": [b for _, b in pairs]})
    work = SimpleNamespace(taken=SimpleNamespace(keys={"00": {"a1"}, "01": {"c2"}}))
    left = without_crops(work, table)
    assert left["crop_a"].to_pylist() == ["c1-0", "d1-0"]
    assert without_crops(work, table.slice(0, 0)).num_rows == 0
