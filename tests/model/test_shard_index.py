"""The samples of a build are read only where its index and its records agree that it is whole."""

import hashlib
import json
import shutil

import pytest

from model.shard_list import list_shards
from pipelines.inference.sources import find_sources
from tests.model.training.small_shards import write_shards
from webbody.errors import WebbodyError

COUNT = 3


@pytest.fixture
def build(tmp_path):
    """The end of a finished build: shards, their records, the index, the state."""
    out = tmp_path / "my data"
    write_shards(out / "pack", 4 * COUNT, 4)
    listed = []
    for tar in sorted((out / "pack").glob("*.tar")):
        output = {
            "bytes": tar.stat().st_size,
            "sha256": hashlib.sha256(tar.read_bytes()).hexdigest(),
        }
        record = {"stage": "pack", "shard": tar.stem, "outputs": {tar.name: output}}
        tar.with_suffix(".json").write_text(json.dumps(record))
        listed.append({"name": tar.name, **output})
    (out / "pack/index.json").write_text(json.dumps({"splits": {"train": {"shards": listed}}}))
    (out / "build.json").write_text(json.dumps({"manifest": "a list.csv", "sha256": "ab"}))
    return out


#: Ways to name its samples; of `embed` also.
NAMES = ("", "/pack", "/pack/train-*.tar", "/pack/train-00{0..2}.tar", "/pack/train-001.tar")
SOURCES = ("", "/pack", "/pack/train-001.tar")


@pytest.mark.parametrize("name", NAMES)
def test_a_finished_build_is_read(build, name):
    assert len(list_shards([f"{build}{name}"])) == (1 if "001" in name else COUNT)


@pytest.mark.parametrize("name", SOURCES)
def test_a_finished_build_is_a_source(build, name):
    (found,) = find_sources([f"{build}{name}"]).shards.values()
    assert len(found) == (1 if "001" in name else COUNT)


def no_index(pack):
    (pack / "index.json").unlink()


def a_shard_was_done_anew(pack):
    record = json.loads((pack / "train-001.json").read_text())
    record["outputs"]["train-001.tar"]["sha256"] = "0" * 64
    (pack / "train-001.json").write_text(json.dumps(record))


def a_shard_was_never_done(pack):
    (pack / "train-001.json").unlink()


UNFINISHED = (no_index, a_shard_was_done_anew, a_shard_was_never_done)


@pytest.mark.parametrize("stop", UNFINISHED)
@pytest.mark.parametrize("name", NAMES)
def test_an_unfinished_build_is_refused_by_the_command_that_finishes_it(build, name, stop):
    stop(build / "pack")
    command = rf"run `webbody build --manifest 'a list\.csv' --out '{build}'` with its settings"
    with pytest.raises(WebbodyError, match=command) as error:
        list_shards([f"{build}{name}"])
    assert str(error.value).startswith(f"{build}: this build is not finished")


@pytest.mark.parametrize("stop", UNFINISHED)
@pytest.mark.parametrize("name", SOURCES)
def test_an_unfinished_build_is_no_source(build, name, stop):
    stop(build / "pack")
    with pytest.raises(WebbodyError, match="this build is not finished"):
        find_sources([f"{build}{name}"])


def test_a_build_that_has_packed_nothing_yet_is_refused(build):
    shutil.rmtree(build / "pack")
    for read in (list_shards, find_sources):
        with pytest.raises(WebbodyError, match="this build is not finished"):
            read([str(build)])


def test_a_shard_of_another_size_than_its_index_says(build):
    with (build / "pack/train-001.tar").open("ab") as tar:
        tar.write(bytes(512))
    for name in NAMES:
        with pytest.raises(
            WebbodyError, match=r"train-001\.tar: has [0-9,]+ bytes where its index"
        ):
            list_shards([f"{build}{name}"])
    with pytest.raises(WebbodyError, match=r"train-001\.tar is missing or has changed"):
        find_sources([str(build)])


def test_copies_of_its_samples(build, tmp_path):
    whole, tars, half = (tmp_path / name for name in ("whole", "tars", "half"))
    shutil.copytree(build / "pack", whole)
    shutil.copytree(build / "pack", half, ignore=shutil.ignore_patterns("index.json"))
    shutil.copytree(build / "pack", tars, ignore=shutil.ignore_patterns("*.json"))
    for copy in (whole, tars):
        assert len(list_shards([str(copy)])) == COUNT
        assert len(find_sources([str(copy)]).shards[str(copy)]) == COUNT
    for read in (list_shards, find_sources):
        with pytest.raises(WebbodyError, match=r"half: lacks the index\.json"):
            read([str(half)])


def test_shards_of_another_origin_stay_as_they_are(tmp_path):
    write_shards(tmp_path, 2, 1)
    (tmp_path / "train-000.json").write_text('{"outputs": 3}')  # no commit record of a build
    (tmp_path / "build.json").write_text('{"image": "somebody else\'s"}')
    assert len(list_shards([str(tmp_path)])) == 2
    assert len(find_sources([str(tmp_path)]).shards[str(tmp_path)]) == 2
