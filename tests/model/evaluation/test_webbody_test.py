"""WebBody-Test's split into queries and gallery."""

import json
from collections import Counter

import pytest

from model.evaluation.readers.webbody_test_set import read_webbody_test
from tests.written_shards import write_shard
from webbody.errors import WebbodyError


def sample(key, person):
    picture = {f"{key}.jpg": b"picture"}
    return picture if person is None else {**picture, f"{key}.cls": str(person).encode()}


def roles(table):
    return Counter(zip(table["person"].to_pylist(), table["role"].to_pylist(), strict=True))


#: Person 1 has 40 images, person 2 has 12, person 3 has 4.
SAMPLES = [(f"p{person}-{n}", person) for person, n in ((1, 40), (2, 12), (3, 4)) for n in range(n)]


def test_a_fifth_of_at_most_25_images_are_queries(tmp_path):
    write_shard(tmp_path / "test-0.tar", *(sample(*one) for one in SAMPLES))
    table = read_webbody_test(tmp_path)
    assert roles(table) == {
        (1, "query"): 5,
        (1, "gallery"): 20,
        (2, "query"): 2,
        (2, "gallery"): 10,
        (3, "gallery"): 4,
    }
    assert len(set(table["image"].to_pylist())) == len(table)
    assert set(table["camera"].to_pylist()) == set(table["clothes"].to_pylist()) == {-1}


def test_the_split_does_not_depend_on_the_shards(tmp_path):
    def split(shards):
        folder = tmp_path / str(len(shards))
        folder.mkdir()
        for number, samples in enumerate(shards):
            write_shard(folder / f"test-{number}.tar", *(sample(*one) for one in samples))
        table = read_webbody_test(folder)
        keys = [image.rpartition("/")[2] for image in table["image"].to_pylist()]
        return set(zip(keys, table["role"].to_pylist(), strict=True))

    assert split([SAMPLES]) == split([SAMPLES[::-3], SAMPLES[-2::-3], SAMPLES[-3::-3]])


def test_only_test_shards_of_a_build_are_read(tmp_path):
    write_shard(tmp_path / "train-0.tar", sample("a", 1))
    write_shard(tmp_path / "test-0.tar", sample("b", 2))
    listed = {name: {"shards": [{"name": f"{name}-0.tar"}]} for name in ("train", "test")}
    (tmp_path / "index.json").write_text(json.dumps({"splits": listed}))
    assert read_webbody_test(tmp_path)["person"].to_pylist() == [2]


def test_shards_that_are_none_are_told(tmp_path):
    with pytest.raises(WebbodyError, match="no shards"):
        read_webbody_test(tmp_path)
    write_shard(tmp_path / "test-0.tar", sample("a", None))
    with pytest.raises(WebbodyError, match="a has no person"):
        read_webbody_test(tmp_path)
