"""Folders in object stores, each with a server of its own on loopback."""

import fsspec
import pytest
import store_servers
from lease_contenders import contend

from benchmarks.object_store import object_store
from webbody.errors import WebbodyError
from webbody.lease_holder import LEASE, Holder
from webbody.snapshot import INDEX
from webbody.storage import Folder


@pytest.fixture(scope="module", params=["s3", "google", "azure"])
def running(request, tmp_path_factory):
    log = tmp_path_factory.mktemp("store") / "log"
    if request.param == "s3":
        with object_store(log) as store:
            yield store_servers.StoreServer("s3://bucket", store.environment, log)
    elif request.param == "google":
        with store_servers.google(log) as store:
            yield store
    elif store_servers.AZURITE is None:
        pytest.skip("azurite-blob is not installed: npm install -g azurite")
    else:
        with store_servers.azure(log) as store:
            yield store


@pytest.fixture
def store(running, monkeypatch, request):
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class(running.url.split(":")[0]).clear_instance_cache()
    running.folder = f"{running.url}/{request.node.name.split('[')[0]}"
    return running


def test_files_are_there_whole_or_not_at_all(store):
    folder = Folder(store.folder)
    assert folder.names() == [] and folder.size("s/x") is None
    with pytest.raises(FileNotFoundError):
        folder.read("s/x")
    with pytest.raises(RuntimeError), folder.write("s/x") as file:
        file.write(b"half")
        raise RuntimeError
    assert folder.size("s/x") is None
    folder.write_bytes("s/x", b"whole")
    assert (folder.read("s/x"), folder.size("s/x"), folder.names("s")) == (b"whole", 5, ["x"])
    folder.write_bytes("s/x", b"another")
    assert folder.read("s/x") == b"another"
    if not store.url.startswith("gs:"):  # this server cannot move, which is tried for half a minute
        folder.move("s/x", "s/y")
        assert folder.names("s") == ["y"]
        folder.move("s/y", "s/x")
    folder.remove("s/x")
    folder.remove("s/x")
    assert folder.size("s/x") is None


def test_large_files_are_read_in_pieces(store):
    folder, data = Folder(store.folder), bytes(range(256)) * 50_000
    folder.write_bytes("large", data)
    with folder.open("large") as file:
        for place in (12_000_000, 0, 5_000_001):
            file.seek(place)
            assert file.read(1000) == data[place : place + 1000]
    assert folder.read("large") == data
    with folder.open("large") as file:
        assert file.read() == data


def test_of_two_files_of_one_name_the_first_stays(store):
    folder = Folder(store.folder)
    assert folder.create_bytes("x", b"first")
    assert folder.create_bytes("x", b"first")  # an answer was lost, and the request sent again
    second = folder.create_bytes("x", b"second")
    if store.url.startswith("gs:"):  # this server ignores the condition; Google's does not
        assert "ifGenerationMatch=0" in store.log.read_text()
    else:
        assert not second
        assert folder.read("x") == b"first"


def test_the_index_of_records_follows_each_version(store):
    writer, reader = Folder(store.folder), Folder(store.folder)
    for number in range(3):
        writer.write_bytes(f"faces/{number:08x}.json", b"%d" % number)
    reader.look()
    reader.keep_look()
    assert reader.names(INDEX)
    other = Folder(store.folder)
    writer.write_bytes("faces/00000001.json", b"9")  # of the same size
    writer.remove("faces/00000002.json")
    other.look()
    assert [other.read(f"faces/{number:08x}.json") for number in range(2)] == [b"0", b"9"]
    assert other.size("faces/00000002.json") is None


def test_a_bucket_that_is_not_there_is_told(store):
    protocol = store.url.split(":")[0]
    with pytest.raises(WebbodyError, match=r"Cannot write to .*other-bucket/x: .*again"):
        Folder(f"{protocol}://other-bucket/x").write_bytes("a", b"1")


@pytest.mark.slow
@pytest.mark.parametrize("before", ["nobody", "one that is no more"])
def test_of_clusters_that_come_at_once_one_writes(store, before):
    if store.url.startswith("gs:"):
        pytest.skip("this server ignores the conditions of writes, which Google's keeps")
    url = f"{store.folder}-{before.replace(' ', '-')}"
    if before == "one that is no more":
        Folder(url).write_bytes(LEASE, Holder("gone", "1-2-3", "somebody", "k").content)
    assert contend(url, 3) == ["refused", "refused", "taken"]
    assert Folder(url).names() == [LEASE]
