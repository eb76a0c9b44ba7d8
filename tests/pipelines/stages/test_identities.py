"""Identities on made-up builds whose truth is known."""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_stages import with_settings
from made_tables import near, put, put_faces, run, table

from pipelines.identity.features import EMBEDDER
from pipelines.identity.gallery_file import read_gallery, write_gallery
from pipelines.stages.identities import Identities
from webbody.errors import WebbodyError
from webbody.sample_keys import packed_key
from webbody.storage import Folder

DIM = 512
AREA = [0, 0, 9, 9]
SETTINGS = {
    "similar": 0.7,
    "ambiguous": 0.6,
    "leak": 0.7,
    "duplicate": 0.9,
    "near_copy": 6,
    "min_images": 2,
    "galleries": (),
    "device": "cpu",
}


@dataclass
class Face:
    crop: str
    feature: np.ndarray
    sha256: str = ""
    photo_hash: int | None = None


@dataclass
class Made:
    """Shards of names of faces; written as clusters, faces and download tables."""

    shards: dict[str, dict[str, list[Face]]] = field(default_factory=dict)

    def add(self, shard: str, name: str, faces: list[Face]) -> None:
        self.shards.setdefault(shard, {})[name] = faces

    def build(self, path, order=None, seed=None, **settings):
        """Run the stage; (crop -> row, people rows, pairs rows)."""
        folder = Folder(path)
        for shard, names in self.shards.items():
            rows = [(name, face) for name, faces in names.items() for face in faces]
            if seed is not None:
                rows = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
            crops = [face.crop for _, face in rows]
            keys = [crop[:-2] for crop in crops]
            features = np.array([face.feature for _, face in rows], np.float32).reshape(-1, DIM)
            put_faces(folder, shard, crops, features)
            put(
                folder,
                "clusters",
                shard,
                crop=pa.array(crops, pa.string()),
                key=pa.array(keys, pa.string()),
                name=pa.array([name for name, _ in rows], pa.string()),
                outcome=pa.nulls(len(rows), pa.string()),
            )
            digests = {
                crop[:-2]: face.sha256 or crop for crop, (_, face) in zip(crops, rows, strict=True)
            }
            put(
                folder,
                "download",
                shard,
                key=pa.array(list(digests), pa.string()),
                url=pa.array([url_of(key) for key in digests], pa.string()),
                sha256=pa.array(list(digests.values()), pa.string()),
            )
            hashes = [face.photo_hash for _, face in rows]
            put_persons(folder, shard, crops, hashes)
        shards = [list(self.shards)[i] for i in order] if order is not None else list(self.shards)
        stage = with_settings(Identities, **{**SETTINGS, **settings})
        record = run(stage, folder, "all", shards)
        found = {}
        for shard in self.shards:
            for row in table(folder, f"identities/{shard}.parquet").to_pylist():
                found[row["crop"]] = row
        assert len(found) == record.counts["in"]
        assert record.counts["out"] == sum(row["outcome"] is None for row in found.values())
        assert all(
            (row["person"] is None) == (row["outcome"] is not None) for row in found.values()
        )
        people = table(folder, "identities/people.parquet").to_pylist()
        pairs = table(folder, "identities/pairs.parquet").to_pylist()
        labels = [row["person"] for row in people if row["person"] is not None]
        assert len(set(labels)) == len(labels)
        assert {row["person"] for row in found.values()} - {None} == set(labels)
        number = {label: i for i, label in enumerate(labels)} | {None: None}
        for row in (*found.values(), *people):
            row["person"] = number[row["person"]]
        return found, people, pairs


@cache
def url_of(key: str) -> str:
    """A URL for a key of a letter and a digit whose packed key sorts as the key does."""
    if len(key) != 2:
        return f"http://example.org/{key.rstrip('+')}"
    wanted = f"{(ord(key[0]) - ord('a')) * 10 + int(key[1]):02x}"
    urls = (f"http://example.org/{number}" for number in range(1 << 20))
    return next(url for url in urls if packed_key(url, AREA).startswith(wanted))


def put_persons(folder: Folder, shard: str, crops: list[str], hashes: list[int | None]) -> None:
    """The persons table; photos without a hash of their own get one that is like no other."""
    bits = np.random.default_rng((len(crops), int(shard, 36)))
    unlike = bits.integers(-(2**63), 2**63, len(crops)).tolist()
    filled = [unlike[i] if value is None else value for i, value in enumerate(hashes)]
    columns = {
        "crop": pa.array(crops, pa.string()),
        "area": pa.array([AREA] * len(crops), pa.list_(pa.int32())),
    }
    put(folder, "persons", shard, **columns, photo_hash=pa.array(filled, pa.int64()))


def faces(rng, anchor, prefix: str, count: int = 4, cosine: float = 0.8) -> list[Face]:
    """Faces with about cosine^2 to each other; none is a duplicate of another."""
    return [Face(f"{prefix}{i}-0", f) for i, f in enumerate(near(rng, anchor, cosine, count))]


def lean(anchor, other, cosine):
    """A unit vector at this cosine to `anchor`, leaning towards `other` (orthogonal to it)."""
    return cosine * anchor + np.sqrt(1 - cosine**2) * other


@pytest.fixture
def world():
    rng = np.random.default_rng(0)
    return rng, np.linalg.qr(rng.normal(size=(DIM, 12)))[0].T


def exact(anchor, prefix, count):
    """Faces whose sum points exactly along `anchor`, too different to be duplicates."""
    rng = np.random.default_rng(ord(prefix))
    away = np.linalg.qr(rng.normal(size=(DIM, count)))[0].T
    away -= np.outer(away @ anchor, anchor)
    away -= away.mean(0)
    away /= np.linalg.norm(away, axis=1).mean()
    return [Face(f"{prefix}{i}-0", 20 * (0.8 * anchor + 0.6 * a)) for i, a in enumerate(away)]


def people_by_name(people):
    return {name: row for row in people for name in row["names"]}


def test_clean_people_keep_their_images(tmp_path, world):
    rng, (ann, bob, *_) = world
    made = Made()
    made.add("01", "bob", faces(rng, bob, "a"))
    made.add("00", "ann", faces(rng, ann, "b"))
    rows, people, pairs = made.build(tmp_path)
    assert {row["outcome"] for row in rows.values()} == {None}
    assert [row["names"] for row in people] == [["bob"], ["ann"]]  # by crop, not by name or shard
    assert rows["a0-0"]["person"] == 0
    assert rows["b3-0"]["person"] == 1
    assert [row["images"] for row in people] == [4, 4]
    assert pairs == []


def test_names_in_two_shards_become_one_person(tmp_path, world):
    rng, (ann, bob, *_) = world
    made = Made()
    made.add("00", "ann", faces(rng, ann, "b"))
    made.add("00", "bob", faces(rng, bob, "c"))
    made.add("01", "anna", faces(rng, ann, "a"))
    rows, people, pairs = made.build(tmp_path)
    assert {rows[f"{name}{i}-0"]["person"] for name in "ab" for i in range(4)} == {0}
    assert {rows[f"c{i}-0"]["person"] for i in range(4)} == {1}
    assert people[0]["names"] == ["anna", "ann"]
    assert people[0]["names_merged"] == 2
    assert people[0]["images"] == 8
    assert [(p["name_a"], p["name_b"], p["decision"]) for p in pairs] == [("anna", "ann", "merged")]


def test_ambiguous_the_smaller_goes(tmp_path, world):
    _, (ann, away, *_) = world
    made = Made()
    made.add("00", "ann", exact(ann, "a", 5))
    made.add("01", "anne", exact(lean(ann, away, 0.65), "b", 6))
    rows, people, pairs = made.build(tmp_path)
    assert {rows[f"a{i}-0"]["outcome"] for i in range(5)} == {"identity:ambiguous"}
    assert rows["a0-0"]["similarity"] == pytest.approx(0.65, abs=0.01)
    assert {rows[f"b{i}-0"]["person"] for i in range(6)} == {0}
    assert people_by_name(people)["ann"]["outcome"] == "identity:ambiguous"
    assert [(p["name_a"], p["name_b"], p["decision"]) for p in pairs] == [
        ("anne", "ann", "ambiguous")
    ]


def test_ambiguity_is_judged_after_merging(tmp_path, world):
    """Bea (4) is ambiguous to ann (3) and anna (3), who are one person with more images."""
    _, (ann, away, *_) = world
    made = Made()
    made.add("00", "ann", exact(ann, "a", 3))
    made.add("00", "anna", exact(lean(ann, away, 0.98), "b", 3))
    made.add("00", "bea", exact(lean(ann, -away, 0.64), "c", 4))
    rows, people, _ = made.build(tmp_path, ambiguous=0.45)
    assert people_by_name(people)["bea"]["outcome"] == "identity:ambiguous"
    assert rows["a0-0"]["person"] == rows["b0-0"]["person"] == 0


def test_unmerged_members_of_a_component_go(tmp_path, world):
    _, (ann, away, *_) = world
    made = Made()
    made.add("00", "a", exact(ann, "a", 4))
    made.add("00", "b", exact(lean(ann, away, np.cos(0.7)), "b", 4))
    made.add("00", "c", exact(lean(ann, away, np.cos(1.45)), "c", 9))
    rows, people, pairs = made.build(tmp_path)
    assert people_by_name(people)["c"]["outcome"] == "identity:unmerged"
    assert rows["c0-0"]["outcome"] == "identity:unmerged"
    assert rows["c0-0"]["similarity"] == pytest.approx(np.cos(0.75), abs=0.01)
    assert rows["a0-0"]["person"] == rows["b0-0"]["person"] == 0
    assert {p["decision"] for p in pairs} == {"merged", "unmerged"}


def gallery(path, name, vectors, embedder=""):
    sums = {str(i): vector * 30 for i, vector in enumerate(vectors)}
    write_gallery(path, name, embedder, sums, dict.fromkeys(sums, 1))
    return str(path)


def test_leaked_people_go(tmp_path, world):
    rng, (ann, bob, eve, *_) = world
    made = Made()
    made.add("00", "ann", faces(rng, ann, "a"))
    made.add("01", "bob", faces(rng, bob, "b"))
    galleries = (
        gallery(tmp_path / "lfw.parquet", "lfw", [eve, lean(bob, eve, 0.95)]),
        gallery(tmp_path / "cfp.parquet", "cfp", [lean(bob, eve, 0.85)]),
    )
    rows, people, pairs = made.build(tmp_path, galleries=galleries)
    assert {rows[f"b{i}-0"]["outcome"] for i in range(4)} == {"identity:leak:lfw"}
    assert rows["b0-0"]["similarity"] > 0.7
    assert {rows[f"a{i}-0"]["person"] for i in range(4)} == {0}
    assert people_by_name(people)["bob"]["outcome"] == "identity:leak:lfw"
    known = [f"lfw:{one}" for one in read_gallery(galleries[0]).identities]
    (leak,) = [p for p in pairs if p["decision"] == "leak" and p["name_b"].startswith("lfw:")]
    assert leak["name_a"] == "bob"
    assert leak["name_b"] in known


def test_a_gallery_of_another_embedder_is_refused(tmp_path, world):
    _, (ann, *_) = world
    made = Made()
    made.add("00", "ann", exact(ann, "a", 3))
    path = gallery(tmp_path / "lfw.parquet", "lfw", [ann], embedder="f00d" * 16)
    made.build(tmp_path / "unknown", galleries=(path,))  # tables that do not say are accepted
    folder = Folder(tmp_path / "unknown")
    faces = table(folder, "faces/00.parquet").replace_schema_metadata({EMBEDDER: b"cafe" * 16})
    pq.write_table(faces, folder.path("faces/00.parquet"))
    with pytest.raises(WebbodyError, match="make the gallery again"):
        run(with_settings(Identities, **{**SETTINGS, "galleries": (path,)}), folder, "all", ["00"])


def test_widths_are_not_mixed(tmp_path, world):
    rng, (ann, bob, *_) = world
    made = Made()
    made.add("00", "ann", faces(rng, ann, "a"))
    made.add("01", "bob", faces(rng, bob, "b"))
    path = gallery(tmp_path / "narrow.parquet", "narrow", [ann[:128]])
    with pytest.raises(WebbodyError, match=r"128 numbers.*512.*make the gallery again"):
        made.build(tmp_path / "a", galleries=(path,))
    made.build(tmp_path / "b")
    folder = Folder(tmp_path / "b")
    narrow = np.array([face.feature[:128] for face in made.shards["01"]["bob"]])
    put_faces(folder, "01", [f"b{i}-0" for i in range(4)], narrow)
    with pytest.raises(WebbodyError, match=r"shard 01: 128 numbers.*shard 00: 512 numbers"):
        run(with_settings(Identities, **SETTINGS), folder, "all", ["00", "01"])


def test_narrow_features_are_matched_as_wide_ones(tmp_path):
    rng = np.random.default_rng(0)
    ann, bob, eve = np.linalg.qr(rng.normal(size=(128, 3)))[0].T
    folder, crops = Folder(tmp_path), []
    for shard, name, anchor in (("00", "ann", ann), ("01", "ann too", ann), ("02", "bob", bob)):
        some = [f"{shard}{i}-0" for i in range(4)]
        put_faces(folder, shard, some, near(rng, anchor, 0.8, 4))
        columns = {"crop": some, "key": [crop[:-2] for crop in some], "name": [name] * 4}
        put(folder, "clusters", shard, **columns, outcome=pa.nulls(4, pa.string()))
        urls = [url_of(key) for key in columns["key"]]
        put(folder, "download", shard, key=columns["key"], url=urls, sha256=some)
        put_persons(folder, shard, some, [None] * 4)
        crops += some
    path = gallery(tmp_path / "lfw.parquet", "lfw", [bob, eve])
    settings = {**SETTINGS, "galleries": (path,), "similar": 0.7, "ambiguous": 0.6}
    run(with_settings(Identities, **settings), folder, "all", ["00", "01", "02"])
    people = table(folder, "identities/people.parquet").to_pylist()
    by_names = {tuple(row["names"]): row["outcome"] for row in people}
    assert by_names == {("ann", "ann too"): None, ("bob",): "identity:leak:lfw"}


def test_what_is_no_gallery_is_told(tmp_path):
    with pytest.raises(WebbodyError, match="does not exist"):
        with_settings(Identities, **{**SETTINGS, "galleries": (str(tmp_path / "x.parquet"),)})
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    with pytest.raises(WebbodyError, match="is no gallery"):
        with_settings(Identities, **{**SETTINGS, "galleries": (str(tmp_path / "x.parquet"),)})


def test_duplicates_across_the_shards_of_a_person(tmp_path, world):
    rng, (ann, *_) = world
    one = faces(rng, ann, "a", 3)
    two = faces(rng, ann, "b", 3)
    two[0].feature = one[1].feature * 0.5  # the same face, seen less clearly
    two[1].sha256 = one[2].sha256 = "the same bytes"
    made = Made()
    made.add("00", "anna", two)
    made.add("01", "ann", one)
    rows, people, _ = made.build(tmp_path)
    assert rows["b0-0"]["outcome"] == "identity:duplicate-of:a1-0"
    assert rows["b0-0"]["similarity"] == pytest.approx(1, abs=1e-3)
    assert rows["b1-0"]["outcome"] == "identity:duplicate-of:a2-0"
    assert people[0]["images"] == 4


def test_a_near_copy_goes_though_its_face_looks_otherwise(tmp_path, world):
    rng, (ann, *_) = world
    some = faces(rng, ann, "a")
    some[0].photo_hash, some[2].photo_hash, some[3].photo_hash = 0, 0b11, 0b111111111
    made = Made()
    made.add("00", "ann", some)
    rows, _, _ = made.build(tmp_path / "on")
    assert rows["a2-0"]["outcome"] == "identity:duplicate-of:a0-0"
    assert [rows[f"a{i}-0"]["outcome"] for i in (0, 1, 3)] == [None] * 3
    rows, _, _ = made.build(tmp_path / "off", near_copy=-1)
    assert all(row["outcome"] is None for row in rows.values())


def test_a_crop_that_two_people_claim_is_the_larger_ones(tmp_path, world):
    rng, (ann, bob, *_) = world
    made = Made()
    made.add("00", "ann", [*faces(rng, ann, "a", 3), Face("shared-0", 20 * ann)])
    made.add("01", "bob", [*faces(rng, bob, "b", 4), Face("shared+-0", 20 * bob)])
    rows, people, _ = made.build(tmp_path)
    assert rows["shared-0"]["sample"] == rows["shared+-0"]["sample"]
    assert rows["shared-0"]["outcome"] == "identity:duplicate-of:shared+-0"
    assert rows["shared+-0"]["outcome"] is None
    assert people_by_name(people)["ann"]["images"] == 3


def test_too_few_left(tmp_path, world):
    rng, (ann, bob, *_) = world
    only = faces(rng, ann, "a", 1)[0]
    made = Made()
    made.add("00", "ann", [only, Face("b0-0", only.feature), Face("c0-0", only.feature)])
    made.add("00", "bob", faces(rng, bob, "d"))
    rows, people, _ = made.build(tmp_path)
    assert rows["a0-0"]["outcome"] == "identity:too-few"
    assert rows["b0-0"]["outcome"] == rows["c0-0"]["outcome"] == "identity:duplicate-of:a0-0"
    assert people_by_name(people)["ann"]["outcome"] == "identity:too-few"
    assert rows["d0-0"]["person"] == 0


def test_empty_shards_have_a_file(tmp_path, world):
    rng, (ann, *_) = world
    made = Made({"00": {}, "01": {"ann": faces(rng, ann, "a")}, "02": {}})
    rows, people, _ = made.build(tmp_path / "0")
    assert len(rows) == 4
    assert len(people) == 1
    assert Made({"00": {}}).build(tmp_path / "1") == ({}, [], [])
    assert Made().build(tmp_path / "2") == ({}, [], [])


@settings(max_examples=10)
@given(seed=st.integers(0, 9999), data=st.data())
def test_order_of_shards_and_rows_decides_nothing(tmp_path_factory, seed, data):
    rng = np.random.default_rng(seed)
    anchors = rng.normal(size=(4, DIM))
    anchors[:2] += rng.normal(size=DIM) * rng.uniform(0.5, 2)  # two who are alike
    made = Made({f"0{i}": {} for i in range(4)})
    crop = iter(rng.permutation(100))
    for number in range(8):
        own = near(rng, anchors[rng.integers(4)], rng.uniform(0.7, 0.97), rng.integers(2, 5))
        listed = [Face(f"{next(crop):03d}-0", f, rng.choice(["x", "y", ""])) for f in own]
        made.add(f"0{rng.integers(4)}", f"name{number}", listed)
    order = data.draw(st.permutations(range(4)))
    path = tmp_path_factory.mktemp("orders")
    one, people_one, pairs_one = made.build(path / "0")
    two, people_two, pairs_two = made.build(path / "1", order=order, seed=seed)
    assert one == two
    assert people_one == people_two
    assert pairs_one == pairs_two
