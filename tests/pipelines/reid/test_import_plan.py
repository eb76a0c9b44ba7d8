"""What planning an import does with pictures as they come."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from model.evaluation.readers.image_table import ImageRow, image_table
from pipelines.base.stage import run_shard
from pipelines.reid.plan import ImportPlanSettings, PlanImport, person_numbers
from webbody.images import encode_jpeg
from webbody.storage import Folder


def plain(value, width=8, height=20):
    return encode_jpeg(np.full((height, width, 3), value, np.uint8), 90)


def planned(root, pictures, per_shard=100, seed=0, tracks=None):
    """pictures: bytes and person by name. The record, the shards' rows, and those left out.

    tracks: of some names.
    """
    rows = []
    for name, (data, person) in pictures.items():
        (root / "images").mkdir(exist_ok=True)
        if data is not None:
            (root / "images" / name).write_bytes(data)
        rows.append(ImageRow(name, person, "train", track=(tracks or {}).get(name, -1)))
    settings = ImportPlanSettings(seed=seed, samples_per_shard=per_shard, max_pixels=10_000)
    stage = PlanImport(settings, "market1501", image_table(rows, root / "images"))
    folder = Folder(root / "out")
    record = run_shard(stage, folder, "all", "f", {})
    tables = {name: pq.read_table(root / "out/plan" / name) for name in record.outputs}
    left = tables.pop("left-out.parquet")
    return record, [tables[name] for name in sorted(tables)], left


def test_keys_are_digests_of_the_bytes_alone(tmp_path):
    data = plain(10, 8, 20)
    _, (table,), _ = planned(tmp_path, {"0001_anna.jpg": (data, 1)})
    (row,) = table.to_pylist()
    assert row["key"] == hashlib.blake2b(data, digest_size=10).hexdigest()
    assert row["sha256"] == hashlib.sha256(data).hexdigest()
    assert (row["width"], row["height"]) == (8, 20)


def test_copies_and_pictures_of_two_people_are_left_out(tmp_path):
    one, two, three = plain(10), plain(20), plain(30)
    pictures = {
        "a.jpg": (one, 1), "b.jpg": (one, 1), "c.jpg": (two, 1), "d.jpg": (two, 2),
        "e.jpg": (three, 2),
    }  # fmt: skip
    record, (table,), left = planned(tmp_path, pictures)
    assert sorted(table["image"].to_pylist()) == ["a.jpg", "e.jpg"]
    assert {row["image"]: row["outcome"] for row in left.to_pylist()} == {
        "b.jpg": "image:duplicate",
        "c.jpg": "image:two-people",
        "d.jpg": "image:two-people",
    }
    assert (record.counts["in"], record.counts["out"]) == (5, 2)


def test_pictures_that_cannot_be_read_are_left_out(tmp_path):
    pictures = {
        "good.jpg": (plain(1), 1), "text.jpg": (b"<html>", 1), "gone.jpg": (None, 1),
        "empty.jpg": (b"", 1), "huge.jpg": (plain(2, 200, 200), 1),
    }  # fmt: skip
    _, (table,), left = planned(tmp_path, pictures)
    assert table["image"].to_pylist() == ["good.jpg"]
    outcomes = {row["image"]: row["outcome"] for row in left.to_pylist()}
    assert outcomes.keys() == {"text.jpg", "gone.jpg", "empty.jpg", "huge.jpg"}
    assert outcomes["gone.jpg"] == "image:unreadable"
    assert outcomes["huge.jpg"] == "image:too-large"
    assert all(outcome.startswith("image:") for outcome in outcomes.values())


def test_shards_are_even_and_their_order_follows_from_the_bytes(tmp_path):
    pictures = {f"{n:02}.jpg": (plain(n * 9), n // 2) for n in range(23)}
    _, shards, _ = planned(tmp_path, pictures, per_shard=10)
    assert [len(shard) for shard in shards] == [8, 8, 7]
    order = [key for shard in shards for key in shard["key"].to_pylist()]
    # Other names, the same bytes.
    (tmp_path / "other").mkdir()
    renamed = {f"x{n}.jpg": pictures[f"{n:02}.jpg"] for n in reversed(range(23))}
    _, again, _ = planned(tmp_path / "other", renamed, per_shard=10)
    assert [key for shard in again for key in shard["key"].to_pylist()] == order
    (tmp_path / "seed").mkdir()
    _, seeded, _ = planned(tmp_path / "seed", pictures, per_shard=10, seed=1)
    keys = [key for shard in seeded for key in shard["key"].to_pylist()]
    assert keys != order and sorted(keys) == sorted(order)


def test_nothing_to_plan(tmp_path):
    record, shards, left = planned(tmp_path, {})
    assert shards == [] and len(left) == 0 and record.counts["in"] == 0


def test_ids_of_people_meet_in_no_two_data_sets():
    numbers = np.arange(5000)
    ids = [person_numbers(name, numbers) for name in ("market1501", "prcc")]
    assert ids[0].min() >= 0 and ids[0].max() < 2**48 and ids[0].dtype == np.int64
    assert len(np.unique(np.concatenate(ids))) == 10_000
    # A person's id depends on nobody else, and on no order.
    some = np.array([7, 3, 7])
    np.testing.assert_array_equal(person_numbers("prcc", some), ids[1][some])
    assert pa.array(ids[0]).type == pa.int64()


def test_nobody_gets_an_id_that_is_taken(monkeypatch):
    # With one byte for an id 256 people meet often.
    monkeypatch.setattr("pipelines.reid.plan._ID_BITS", 8)
    assert sorted(person_numbers("prcc", np.arange(256))) == list(range(256))


def test_the_frames_of_a_track_lie_together_in_their_order(tmp_path):
    tracks = {f"{track}_{frame}.jpg": track for track in range(6) for frame in range(7)}
    pictures = {name: (plain(n, 8, 9 + n), 1) for n, name in enumerate(tracks)}
    pictures |= {f"loose_{n}.jpg": (plain(200, 9 + n, 8), 1) for n in range(10)}
    record, tables, _ = planned(tmp_path, pictures, per_shard=10, tracks=tracks)
    assert record.counts["shards"] == len(tables) > 3
    where = {}
    for number, table in enumerate(tables):
        rows = table.to_pylist()
        for track in {row["track"] for row in rows} - {None}:
            places = [place for place, row in enumerate(rows) if row["track"] == track]
            assert places == list(range(places[0], places[0] + 7))
            assert [rows[place]["frame"] for place in places] == list(range(7))
            assert where.setdefault(track, number) == number
    assert sorted(where) == list(range(6))
    assert sum(len(table) for table in tables) == 52
    loose = [row for table in tables for row in table.to_pylist() if row["track"] is None]
    assert len(loose) == 10 and all(row["frame"] is None for row in loose)
