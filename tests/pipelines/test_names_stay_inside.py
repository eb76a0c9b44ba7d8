"""The names of a build cannot be found from what leaves it, by whoever has the right ones."""

import hashlib
import itertools
import json

import pyarrow.parquet as pq
import pytest
from release_of_build import make_release

from webbody.manifest import sample_key
from webbody.shards import read_members


def guesses(name: str, url: str) -> set[str]:
    """What a key might be, if it were made of a name: digests of it, alone and with the URL."""
    words = [name, name.lower(), name.replace(" ", "_")]
    texts = set(words)
    for word, mark in itertools.product(words, ("\0", " ", "|", "")):
        texts |= {f"{url}{mark}{word}", f"{word}{mark}{url}"}
    out = {sample_key(url, word) for word in words}
    for text in texts:
        data = text.encode()
        out |= {getattr(hashlib, kind)(data).hexdigest() for kind in ("md5", "sha1", "sha256")}
        for size in (4, 8, 10, 16, 20, 32, 64):
            out.add(hashlib.blake2b(data, digest_size=size).hexdigest())
            out.add(hashlib.blake2b(data, digest_size=size, person=b"shard").hexdigest())
    return out


@pytest.fixture(scope="module")
def names(demo):
    rows = pq.read_table(demo.web / "manifest.parquet").to_pylist()
    return {row["name"] for row in rows if row["name"]}


def words_of(folder) -> bytes:
    """All bytes of a folder's files, tables also as text."""
    out = b""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            out += path.read_bytes()
            if path.suffix == ".parquet":
                out += str(pq.read_table(path).to_pydict()).encode()
                out += str(pq.read_schema(path).metadata).encode()
    return out


def test_not_from_packed_samples_nor_from_a_release(demo, names, tmp_path):
    make_release(demo.out, tmp_path / "r")
    found, samples = [], []
    for path in sorted((demo.out / "pack").glob("*.tar")):
        with path.open("rb") as file:
            samples += [json.loads(d) for m, d in read_members(file) if m.endswith(".json")]
    assert samples
    for place in (demo.out / "pack", tmp_path / "r"):
        content = words_of(place)
        # Half a digest at least, so that one that was cut is found, too.
        found += [
            (name, guess)
            for sample in samples
            for name in names
            for guess in guesses(name, sample["url"])
            if guess[:20].encode() in content and len(guess) >= 20
        ]
        assert not any(name.encode() in content for name in names)
    assert found == []


def test_the_order_of_samples_and_people_tells_no_name(demo, names):
    """Ids, keys and places are those of the pictures: other names would give the same."""
    from pipelines.sampling.placement import shuffle_numbers
    from webbody.sample_keys import packed_key

    for path in (demo.out / "split").glob("t*-*.parquet"):
        rows = pq.read_table(path).to_pylist()
        keys = []
        for row in rows:
            sides = [row["image_width"], row["image_height"]] * 2
            area = [round(value * side) for value, side in zip(row["box"], sides, strict=True)]
            keys.append(packed_key(row["url"], area))
        assert keys == [row["sample"] for row in rows]
        order = shuffle_numbers(keys, demo.config.split.seed).tolist()
        assert order == sorted(order)


def test_person_ids_cannot_be_joined_with_the_plan_without_the_key(demo, tmp_path):
    """With the plan alone nobody computes an id; with the key everybody's follow."""
    import numpy as np

    from pipelines.identity.person_ids import _BITS, PersonIds
    from webbody.build_records import read_build
    from webbody.storage import Folder

    folder = Folder(demo.out)
    known = PersonIds.read(folder)
    people, group = np.unique(known.person, return_inverse=True)
    secret = hashlib.blake2b(read_build(folder)["sha256"].encode(), person=b"person key").digest()
    assert PersonIds().assign(known.samples, group, secret).tolist() == people.tolist()
    ids = set(people.tolist())
    for shard in (demo.out / "plan").glob("*.parquet"):
        for row in pq.read_table(shard).to_pylist():
            texts = [str(value) for value in row.values() if value is not None]
            texts += [f"{row.get('url')}\0{row.get('name')}"]
            texts += [key.decode() for key in known.samples.tolist()]
            for text in texts:
                for kind in ("blake2b", "sha256", "sha1", "md5"):
                    data = text.encode()
                    digest = hashlib.new(kind, data).digest()
                    for number in (
                        int.from_bytes(digest[:8]) >> (64 - _BITS),
                        int.from_bytes(digest[:6]),
                        int.from_bytes(digest[:8], "little") >> (64 - _BITS),
                        int.from_bytes(digest[-6:]),
                    ):
                        assert number not in ids
