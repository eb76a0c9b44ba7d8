"""Photos under two people, and pictures of galleries, in made-up builds whose truth is known."""

import numpy as np
import pytest
from test_identities import Face, Made, faces, lean

from pipelines.identity.gallery_file import read_gallery, write_gallery
from pipelines.stages.identities import Identities
from webbody.storage import Folder


@pytest.fixture
def world():
    rng = np.random.default_rng(7)
    return rng, np.linalg.qr(rng.normal(size=(512, 4)))[0].T.astype(np.float32)


def told(path):
    from made_tables import table

    return table(Folder(path), "identities/near-copies.parquet").to_pylist()


def two_people(world, feature=None, apart=0b11):
    """Ann with four pictures, Bob with five, the last of which has nearly the photo of a0."""
    rng, (ann, bob, *_) = world
    hers, his = faces(rng, ann, "a"), faces(rng, bob, "b")
    hers[0].photo_hash = 0b1010 << 40
    shared = 20 * bob if feature is None else feature
    his.append(Face("b9-0", shared, photo_hash=(0b1010 << 40) ^ apart))
    made = Made()
    made.add("00", "ann", hers)
    made.add("01", "bob", his)
    return made, hers[0].feature


def test_a_photo_of_two_people_is_told_and_stays(tmp_path, world):
    made, _ = two_people(world)
    rows, _, _ = made.build(tmp_path, order=[1, 0], copies_across="drop")
    assert all(row["outcome"] is None for row in rows.values())
    (one,) = told(tmp_path)
    assert (one["crop_a"], one["crop_b"], one["bits"]) == ("b9-0", "a0-0", 2) or (
        one["crop_b"], one["crop_a"], one["bits"]) == ("b9-0", "a0-0", 2)  # fmt: skip
    assert one["person_a"] != one["person_b"]
    assert one["gallery"] is one["identity"] is None
    assert one["decision"] == "told"
    assert abs(one["similarity"]) < 0.2


def test_a_face_that_two_people_claim_is_told_or_dropped_of_both(tmp_path, world):
    _, (ann, bob, *_) = world
    for apart in (0, 0b11, 0b1111):  # of more bits than two the faces must agree
        made, _ = two_people(world, 20 * lean(ann, bob, 0.8), apart)
        rows, people, _ = made.build(tmp_path / f"told-{apart}")
        assert all(row["outcome"] is None for row in rows.values())
        path = tmp_path / f"dropped-{apart}"
        made_rows, people, _ = made.build(path, copies_across="drop", similar=0.55, ambiguous=0.54)
        out = {crop for crop, row in made_rows.items() if row["outcome"] is not None}
        assert out == {"a0-0", "b9-0"}
        assert made_rows["b9-0"]["outcome"] == "identity:two-people"
        assert made_rows["b9-0"]["similarity"] > 0.55
        assert sorted(person["images"] for person in people) == [3, 4]
        assert [one["decision"] for one in told(path)] == ["dropped"]


def test_photos_that_are_alike_by_chance_are_not_told(tmp_path, world):
    made, _ = two_people(world, apart=0b11111)
    made.build(tmp_path / "far")
    assert told(tmp_path / "far") == []
    made, _ = two_people(world)
    made.build(tmp_path / "off", near_copy=-1)
    assert told(tmp_path / "off") == []


def with_hashes(path, name, vectors, hashes):
    sums = {str(i): vector * 30 for i, vector in enumerate(vectors)}
    known = {str(i): list(some) for i, some in enumerate(hashes)}
    write_gallery(path, name, "", sums, dict.fromkeys(sums, 1), known)
    return str(path)


def test_a_picture_of_a_gallery_goes_whoever_it_stands_under(tmp_path, world):
    rng, (ann, bob, eve, other) = world
    hers = faces(rng, ann, "a", 6)
    hers[0].photo_hash = 0b111 << 20  # the very picture
    hers[1].photo_hash = (0b111 << 30) ^ 0b11111  # near, and the face agrees
    hers[1] = Face("a1-0", 20 * lean(ann, eve, 0.75), photo_hash=hers[1].photo_hash)
    hers[2].photo_hash = (0b111 << 40) ^ (0b11111 << 50)  # near by chance
    made = Made()
    made.add("00", "ann", hers)
    made.add("01", "bob", faces(rng, bob, "b"))
    hashes = [[0b111 << 20, 0b111 << 30], [0b111 << 40]]
    path = with_hashes(tmp_path / "g.parquet", "lfw", [eve, other], hashes)
    rows, people, _ = made.build(tmp_path / "on", galleries=(path,))
    gone = {crop for crop, row in rows.items() if row["outcome"] is not None}
    assert gone == {"a0-0", "a1-0"}
    assert {rows[crop]["outcome"] for crop in gone} == {"identity:leak:lfw"}
    assert sorted(person["images"] for person in people) == [4, 4]
    found = {one["crop_a"]: one for one in told(tmp_path / "on")}
    assert set(found) == gone
    known = read_gallery(path)
    for one in found.values():
        assert one["gallery"] == "lfw"
        assert known.hash_of.tolist().count(known.identities.index(one["identity"])) == 2
        assert one["decision"] == "dropped"
        assert one["crop_b"] is one["person_b"] is None
    rows, _, _ = made.build(tmp_path / "tell", galleries=(path,), gallery_copies="tell")
    assert all(row["outcome"] is None for row in rows.values())
    assert {one["decision"] for one in told(tmp_path / "tell")} == {"told"}


def test_older_galleries_have_no_pictures_to_compare(tmp_path, world):
    rng, (ann, _, eve, _) = world
    some = faces(rng, ann, "a")
    some[0].photo_hash = 0
    made = Made()
    made.add("00", "ann", some)
    write_gallery(tmp_path / "old.parquet", "old", "", {"1": eve * 30}, {"1": 1})
    assert len(read_gallery(tmp_path / "old.parquet").hashes) == 0
    rows, _, _ = made.build(tmp_path / "out", galleries=(str(tmp_path / "old.parquet"),))
    assert all(row["outcome"] is None for row in rows.values())


def test_people_of_whom_too_little_is_left_go(tmp_path, world):
    rng, (ann, _, eve, _) = world
    some = faces(rng, ann, "a", 2)
    some[0].photo_hash = 5
    made = Made()
    made.add("00", "ann", some)
    path = with_hashes(tmp_path / "g.parquet", "lfw", [eve], [[5]])
    rows, people, _ = made.build(tmp_path / "out", galleries=(path,))
    assert rows["a0-0"]["outcome"] == "identity:leak:lfw"
    assert rows["a1-0"]["outcome"] == "identity:too-few"
    assert people[0]["outcome"] == "identity:too-few"
    assert told(tmp_path / "out")[0]["person_a"] is None
    assert Identities.version == 4
