"""A disk or a store that fails at each thing that a commit asks of it.

Whatever happens: one sentence, no valid record of wrong bytes, and the same bytes when the
commit is done again.
"""

import contextlib
import errno
import hashlib
import shutil
import time

import fsspec
import pyarrow as pa
import pytest
from faulty_files import Faults, FaultyStore, disk_error, faulty_disk

from pipelines.base.stage import Stage, run_shard
from webbody.build_records import Requested, read_build, write_build
from webbody.commit import intact, read_record
from webbody.config import Section
from webbody.errors import WebbodyError
from webbody.lease import Lease
from webbody.storage import Folder

SHARD = "0a1b2c3d"
CODES = {
    "no space": errno.ENOSPC, "read-only": errno.EROFS, "stale": errno.ESTALE,
    "i/o error": errno.EIO, "denied": errno.EACCES,
}  # fmt: skip


class Copying(Stage):
    """Writes a table, a tar and a side table of what `before` wrote."""

    name = "copying"
    needs = ("before",)

    def process(self, inputs, outputs):
        table = inputs.table("before")
        members = list(inputs.members("before"))
        tar = outputs.tar()
        for name, data in members:
            tar.add(name, data)
        outputs.table(table)
        outputs.table(table, f"{SHARD}.more.parquet")
        return {"in": len(table), "out": len(members)}


class Before(Stage):
    name = "before"
    needs = ()

    def process(self, inputs, outputs):
        outputs.table(pa.table({"shard": [inputs.shard] * 5}))
        tar = outputs.tar()
        for number in range(3):
            tar.add(f"{number}.bin", bytes([number]) * 3000)
        return {"in": 5, "out": 3}


def inputs_of(folder):
    record = read_record(folder, "before", SHARD)
    return {f"before/{name}": output.sha256 for name, output in record.outputs.items()}


def commit(folder, fingerprint="new"):
    """What a build does for a shard, and what it writes beside it."""
    inputs = inputs_of(folder)
    record = read_record(folder, "copying", SHARD)
    if record is None or not record.matches(fingerprint, inputs) or not intact(folder, record):
        run_shard(Copying(Section()), folder, SHARD, fingerprint, inputs)
    asked = {"copying": Requested(fingerprint, ("before",), False)}
    write_build(folder, {"manifest": "list.csv", "sha256": "00"}, asked)


def prepared(url, older):
    """A folder with the inputs, and with outputs of older settings where `older`."""
    folder = Folder(url)
    run_shard(Before(Section()), folder, SHARD, "f", {})
    if older:
        run_shard(Copying(Section()), folder, SHARD, "old", inputs_of(folder))
        folder.write_bytes(f"copying/{SHARD}.tar", b"other bytes of older settings")
    return folder


def content(folder):
    """Digests of everything but records, which hold seconds."""
    found = {}
    for place in ("", "before", "copying"):
        for name in folder.names(place):
            path = f"{place}/{name}".strip("/")
            if path not in ("before", "copying") and not (place and path.endswith(".json")):
                found[path] = hashlib.sha256(folder.read(path)).hexdigest()
    return found


def is_wrong_but_committed(folder):
    record = read_record(folder, "copying", SHARD)
    if record is None or record.fingerprint != "new":
        return False
    return any(
        folder.sha256(f"copying/{name}") != output.sha256 for name, output in record.outputs.items()
    )


def check_told(error, *places):
    text = str(error)
    assert isinstance(error, WebbodyError), repr(error)
    assert "\n" not in text and text.endswith("."), text
    assert any(str(place) in text for place in places), text
    assert "run the same command again" in text


@pytest.fixture(scope="module", params=[False, True], ids=["first", "again"])
def older(request):
    return request.param


@pytest.fixture(scope="module")
def template(older, tmp_path_factory):
    root = tmp_path_factory.mktemp("template") / "build"
    prepared(root, older)
    return root


def copied(template, root):
    shutil.copytree(template, root)
    return Folder(root)


@pytest.fixture(scope="module")
def right(template, tmp_path_factory):
    """What an undisturbed commit leaves, and how many things it asks of the disk."""
    root = tmp_path_factory.mktemp("right") / "build"
    folder = copied(template, root)
    faults = Faults()
    with faulty_disk(root, faults):
        commit(folder)
    return content(folder), len(faults.seen)


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("code", CODES.values(), ids=CODES)
def test_every_operation_of_a_disk_may_fail(tmp_path, template, right, code, lasting):
    content_of_right, operations = right
    assert operations > 40
    failed = 0
    for at in range(operations):
        root = tmp_path / f"{at}"
        folder = copied(template, root)
        try:
            with faulty_disk(root, Faults(at, disk_error(code), lasting)):
                commit(folder)
        except Exception as error:
            failed += 1
            check_told(error, root)
        assert not is_wrong_but_committed(folder)
        for place in ("", "before", "copying"):  # as the next build's sweep does
            for name in folder.temporary_files(place):
                folder.remove(name)
        with faulty_disk(root, Faults()):
            commit(folder)
        assert content(folder) == content_of_right
        assert read_build(folder)["stages"]["copying"]["fingerprint"] == "new"
    if code == errno.ESTALE and not lasting:
        assert failed < operations / 2  # most is tried once more
    else:
        assert failed > operations / 2


def test_leftovers_stay_only_where_nothing_can_be_removed(tmp_path, template, right):
    for at in range(right[1]):
        root = tmp_path / f"{at}"
        folder = copied(template, root)
        faults = Faults(at, disk_error(errno.ENOSPC))
        with contextlib.suppress(WebbodyError), faulty_disk(root, faults):
            commit(folder)
        if faults.seen[at][0] != "unlink":
            assert not folder.temporary_files("copying") and not folder.temporary_files()


def test_writes_that_put_down_less_than_they_say_are_noticed(tmp_path, template, right):
    failed = 0
    for at in range(right[1]):
        root = tmp_path / f"{at}"
        folder = copied(template, root)
        faults = Faults(at, disk_error(errno.ENOSPC))
        try:
            with faulty_disk(root, faults, short=True):
                commit(folder)
        except WebbodyError as error:
            check_told(error, root)
            failed += faults.seen[at][0] == "write"
        assert not is_wrong_but_committed(folder)
        commit(folder)
        assert content(folder) == right[0]
    assert failed >= 4


@pytest.mark.parametrize("clock", [0.0, 4e9], ids=["back", "ahead"])
def test_a_clock_that_jumps_changes_nothing(tmp_path, older, right, clock, monkeypatch):
    folder = prepared(tmp_path, older)
    jumps = iter([clock, 1.7e9] * 1000)
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    monkeypatch.setattr(time, "time_ns", lambda: int(next(jumps) * 1e9))
    commit(folder)
    assert content(folder) == right[0]
    commit(folder)
    assert content(folder) == right[0]


class Refused(Exception):
    """As the libraries of stores raise: no OSError, with the status of the answer."""

    __module__ = "azure.core.exceptions"

    def __init__(self, status, text):
        super().__init__(text)
        self.status_code = status


ANSWERS = {
    "denied": (lambda what, path: PermissionError("Access Denied"), "permission was denied"),
    "denied by azure": (lambda what, path: Refused(403, "AuthorizationFailure"), "was denied"),
    "no room": (lambda what, path: Refused(507, "Insufficient Storage"), "no room left"),
    "quota": (lambda what, path: Refused(400, "QuotaExceeded: 10 GB"), "no room left"),
    "slow": (lambda what, path: TimeoutError(), "does not answer in time"),
    "busy": (lambda what, path: Refused(503, "ServerBusy"), "not now"),
    "broken off": (lambda what, path: ConnectionResetError(104, "Connection reset"), "reset"),
}  # fmt: skip


@pytest.fixture
def faulty_store(monkeypatch):
    fsspec.register_implementation("faulty", FaultyStore, clobber=True)
    FaultyStore.store.clear()
    yield FaultyStore
    FaultyStore.store.clear()


@pytest.mark.parametrize("answer", ANSWERS)
def test_every_request_to_a_store_may_be_refused(faulty_store, monkeypatch, older, answer):
    error, said = ANSWERS[answer]
    url = "faulty://bucket/right"
    folder, faults = prepared(url, older), Faults()
    monkeypatch.setattr(FaultyStore, "faults", faults)
    whole(folder)
    operations = len(faults.seen)
    monkeypatch.setattr(FaultyStore, "faults", Faults())
    right = content(folder)
    for at in range(operations):
        FaultyStore.store.clear()
        folder = prepared(f"faulty://bucket/{at}", older)
        monkeypatch.setattr(FaultyStore, "faults", Faults(at, error))
        try:
            whole(folder)
        except Exception as found:
            check_told(found, f"bucket/{at}")
            assert said in str(found)
        else:
            raise AssertionError(f"request {at} failed, and nobody was told")
        monkeypatch.setattr(FaultyStore, "faults", Faults())
        folder = Folder(f"faulty://bucket/{at}")
        folder.look()
        assert not is_wrong_but_committed(folder)
        whole(folder)
        assert content(folder) == right


def test_a_store_that_refuses_writes_is_told_before_anything_is_done(faulty_store, monkeypatch):
    folder = prepared("faulty://bucket/read-only", older=False)
    before = content(folder)

    class OnlyRead(Faults):
        def point(self, what, path):
            if what in ("put", "delete"):
                raise PermissionError("Access Denied")

    monkeypatch.setattr(FaultyStore, "faults", OnlyRead())
    with pytest.raises(WebbodyError, match=r"Cannot write to faulty://.*denied \(Access Denied\)"):
        Lease(folder).take()
    assert content(folder) == before


def whole(folder):
    """A commit as a build in an object store does it, with the index of records."""
    folder.look()
    commit(folder)
    folder.look()
    folder.keep_look()
    folder.look()
