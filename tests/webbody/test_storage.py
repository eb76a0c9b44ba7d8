import errno
import io

import pytest

from webbody.errors import WebbodyError
from webbody.storage import Folder
from webbody.storage_errors import read_errors, room_errors, write_errors


def visible(path):
    return sorted(p.name for p in path.rglob("*") if p.is_file())


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    folder = Folder(tmp_path)
    with pytest.raises(RuntimeError), folder.write("stage/x.bin") as file:
        file.write(b"half")
        assert not (tmp_path / "stage/x.bin").exists()
        raise RuntimeError
    assert visible(tmp_path) == []
    folder.write_bytes("stage/x.bin", b"whole")
    assert folder.read("stage/x.bin") == b"whole"
    assert visible(tmp_path) == ["x.bin"]


def test_an_older_file_survives_a_failed_write(tmp_path):
    folder = Folder(tmp_path)
    folder.write_bytes("x", b"old")
    with pytest.raises(RuntimeError), folder.write("x") as file:
        file.write(b"new")
        raise RuntimeError
    assert folder.read("x") == b"old"


def test_missing_files_and_folders(tmp_path):
    folder = Folder(tmp_path / "none")
    assert folder.size("x") is None
    assert folder.names("s") == []
    folder.remove("x")
    with pytest.raises(FileNotFoundError):
        folder.read("x")


def test_a_remote_folder_behaves_the_same():
    folder = Folder("memory://bucket/build")
    with pytest.raises(RuntimeError), folder.write("s/x") as file:
        file.write(b"half")
        raise RuntimeError
    assert folder.size("s/x") is None
    folder.write_bytes("s/x", b"whole")
    assert folder.read("s/x") == b"whole"
    assert folder.size("s/x") == 5
    assert folder.names("s") == ["x"]
    with folder.open("s/x") as file:
        file.seek(2)
        assert file.read() == b"ole"
    folder.remove("s/x")
    assert folder.names("s") == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_full_disk_is_told_in_one_sentence(code):
    with pytest.raises(WebbodyError, match="Cannot write to"), write_errors("/somewhere"):
        raise OSError(code, "raw")


def test_of_a_block_that_reads_too_only_a_full_disk_is_told():
    with pytest.raises(WebbodyError, match="Cannot write to /tmp: no sp"), room_errors("/tmp"):
        raise OSError(errno.ENOSPC, "raw")
    for code in (errno.EIO, errno.EACCES):
        with pytest.raises(OSError, match="other"), room_errors("/tmp"):
            raise OSError(code, "other")


def test_a_folder_where_a_file_should_be_is_told(tmp_path):
    (tmp_path / "x").mkdir()
    for read in (Folder(tmp_path).read, Folder(tmp_path).open, Folder(tmp_path).sha256):
        with pytest.raises(WebbodyError, match=f"^Cannot read {tmp_path}/x: Is a directory; mend"):
            read("x")


@pytest.mark.parametrize("guard", [write_errors, read_errors, room_errors])
def test_what_is_told_already_is_told_once(guard):
    away = type("ClientError", (Exception,), {"__module__": "botocore"})("away")
    with pytest.raises(WebbodyError, match=r"^It is so\.$"), guard("s3://bucket/x"):
        raise WebbodyError("It is so.") from away


def test_mistakes_of_the_code_are_no_errors_of_a_disk():
    for guard in (write_errors, read_errors):
        with pytest.raises(TypeError, match="x"), guard("/somewhere"):
            raise TypeError("x")


class NoRoom(io.FileIO):
    def write(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["write", "flush", "seek", "end"])
def test_a_write_that_finds_no_room_is_told(tmp_path, monkeypatch, step):
    monkeypatch.setattr(io, "FileIO", NoRoom)
    with (
        pytest.raises(WebbodyError, match=f"Cannot write to {tmp_path}: no space is left"),
        Folder(tmp_path).write("x") as file,
    ):
        file.write(bytes(1 << 20 if step == "write" else 10))
        if step == "flush":
            file.flush()
        if step == "seek":
            file.seek(0)
    monkeypatch.undo()
    assert visible(tmp_path) == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_what_cannot_be_read_while_something_is_written_is_no_error_of_the_write(tmp_path, code):
    with pytest.raises(OSError, match="read me"), Folder(tmp_path).write("x") as file:
        file.write(b"half")
        raise OSError(code, "read me")
    assert visible(tmp_path) == []


def test_what_may_not_be_read_is_told_by_its_own_name(tmp_path, monkeypatch):
    folder = Folder(tmp_path)
    folder.write_bytes("x", b"")

    def denied(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("webbody.storage._LocalFile", denied)
    for read in (folder.open, folder.read):
        with pytest.raises(WebbodyError, match=f"Cannot read {tmp_path}/x: permission was denied"):
            read("x")
