"""Rows of a release of a finished build: what is in them, and what never is."""

import hashlib
import json
import shutil
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from written_release import FILES, PLAIN, card, files, plan_rows, samples

from pipelines.build import build
from pipelines.identity.perceptual_hash import perceptual_hash
from pipelines.identity.person_ids import PersonIds
from pipelines.release.write import write_release
from webbody.config import load
from webbody.images import decode
from webbody.releases.format import SCHEMA
from webbody.releases.release import Release
from webbody.releases.writing import digest_of_shards
from webbody.shards import read_members


def test_rows_say_what_the_packed_samples_say(demo, release):
    packed = {}
    for path in (demo.out / "pack").glob("*.tar"):
        with path.open("rb") as file:
            found = dict(read_members(file))
        packed |= {n: json.loads(data) for n, data in found.items() if n.endswith(".json")}
    rows = {f"{row['key']}.json": row for row in samples(release)}
    assert set(rows) == set(packed) and len(rows) > 20
    for name, row in rows.items():
        for same in ("key", "person", "split", "url", "sha256", "width", "height", "box"):
            assert row[same] == packed[name][same]
        flat = [value for point in packed[name]["keypoints"] for value in point]
        assert [round(value, 2) for value in row["keypoints"]] == flat


def test_what_servers_said_and_how_photos_look_are_passed_on(demo, release):
    rows = {row["url"]: row for row in samples(release)}
    hashes = 0
    for path in (demo.out / "download").glob("????????.parquet"):
        said = pq.read_table(path.with_suffix(".answers.parquet")).to_pylist()
        days = {one["key"]: one["fetched"] for one in said}
        data = path.with_suffix(".tar").read_bytes()
        for told in pq.read_table(path).to_pylist():
            row = rows.get(told["url"])
            if row is None or told["offset"] is None:
                continue
            assert row["fetched"] == days[told["key"]] is not None
            picture = data[told["offset"] : told["offset"] + told["length"]]
            assert row["sha256"] == hashlib.sha256(picture).hexdigest()
            assert row["phash"] == perceptual_hash(decode(picture))
            hashes += 1
    assert hashes == len(rows)
    assert {row["opt_out"] for row in rows.values()} == {None}
    assert {row["source"] for row in rows.values()} == {"drawn-people"}


def test_release_json_says_how_to_pack_again(demo, release):
    info = Release.read(release).info
    rows = samples(release)
    assert (info.samples, info.people) == (len(rows), len({row["person"] for row in rows}))
    assert (info.name, info.version, info.created) == ("drawn-people", "1.0.0", date(2026, 12, 1))
    assert (info.pack.size, info.pack.quality, info.shuffle.seed) == (384, 90, 0)
    index = json.loads((demo.out / "pack/index.json").read_text())["splits"]
    tars = [shard["sha256"] for split in index.values() for shard in split["shards"]]
    assert info.data_digest == digest_of_shards(tars)
    assert info.shuffle.shards == {s: len(split["shards"]) for s, split in index.items()}


def test_a_build_from_it_gives_the_publishers_shards(demo, release, in_process, tmp_path):
    config = load(
        None,
        [f"manifest={release}", f"out={tmp_path / 'again'}", "download.allow_private=[127.0.0.1]"],
    )
    assert build(config).complete
    tars = (tmp_path / "again/pack").glob("*.tar")
    again = digest_of_shards(hashlib.sha256(tar.read_bytes()).hexdigest() for tar in tars)
    assert again == Release.read(release).info.data_digest


def test_no_name_no_feature_and_no_pixel_is_anywhere(demo, release):
    assert set(files(release)) == FILES
    names = {row["name"] for row in pq.read_table(demo.config.manifest).to_pylist()} - {None, ""}
    assert len(names) == 8
    texts = []
    for name, data in files(release).items():
        texts.append(data.decode("utf-8", "replace"))
        if name.endswith(".parquet"):
            table = pq.read_table(release / name)
            for field in table.schema:
                kind = field.type.value_type if pa.types.is_list(field.type) else field.type
                assert kind in PLAIN
                if pa.types.is_list(field.type):
                    lengths = pa.compute.list_value_length(table[field.name])
                    assert pa.compute.max(lengths).as_py() <= 57
            texts += [str(row) for row in table.to_pylist()]
            texts.append(str(table.schema.metadata))
    whole = "\n".join(texts).casefold()
    parts = {part for name in names for part in (name, name.split()[0], name.split()[-1])}
    assert not {part for part in parts if len(part) > 3 and part.casefold() in whole}
    for path in (str(demo.out), str(demo.web), str(release.parent)):
        assert path.casefold() not in whole
    assert pq.read_schema(release / "data/train-00000.parquet").equals(SCHEMA)


def test_person_ids_follow_from_no_name_or_url_without_the_key(demo, release):
    """A reasonable family of functions of what a plan holds, as whoever attacks would try them."""
    ids = {row["person"] for row in samples(release)}
    keys = {row["url"]: row["key"] for row in samples(release)}
    texts = set()
    for row in plan_rows(demo):
        url, name = row["url"], row["name"]
        whole = (url, name, name.lower(), f"{url}\0{name}", f"{name}\0{url}", row["key"])
        sample = keys.get(url, "")
        texts |= {*whole, hashlib.sha256(url.encode()).hexdigest(), sample, f"{sample}\0\0"}
        texts |= {f"{name}\0{sample}", f"{sample}\0{name}"}
    makers = [hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512, hashlib.blake2b]
    makers += [
        lambda text, n=size, p=who: hashlib.blake2b(text, digest_size=n, person=p)
        for size in (6, 8, 10, 16, 32)
        for who in (b"", b"person id", b"person key")
    ]
    tried = set()
    for text in texts:
        for make in makers:
            digest = make(text.encode()).digest()
            for start in (0, len(digest) - 6):
                cut = digest[start : start + 6]
                tried |= {int.from_bytes(cut, order) for order in ("big", "little")}
            for order in ("big", "little"):
                eight = int.from_bytes(digest[:8], order)
                tried |= {eight >> 16, eight & ((1 << 48) - 1), eight >> 1}
    assert len(tried) > 10_000 and not tried & ids

    # With the key, which is the manifest's digest in this build, the same guess is right.
    text = json.loads((demo.out / "build.json").read_text())["sha256"]
    secret = hashlib.blake2b(text.encode(), person=b"person key").digest()
    own = [(row["key"], row["person"]) for row in samples(release)]
    anchors = np.array([key for key, _ in own], "S20")
    _, group = np.unique([person for _, person in own], return_inverse=True)
    assert set(PersonIds().assign(anchors, group, secret).tolist()) == ids


def test_equal_builds_cards_and_days_give_equal_bytes(demo, release, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(demo.out, copy)
    write_release(str(copy), str(tmp_path / "R"), card())
    assert files(tmp_path / "R") == files(release)


def test_rows_are_the_same_however_few_are_sorted_in_memory(demo, release, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.release.samples._CHUNK", 3)
    write_release(str(demo.out), str(tmp_path / "R"), card())
    assert files(tmp_path / "R") == files(release)
