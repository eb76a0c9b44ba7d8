import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webbody.shards import MemberReader, TarWriter, read_members, read_scattered
from webbody.storage import Folder


def write(members) -> tuple[bytes, list[tuple[int, int]]]:
    file = io.BytesIO()
    tar = TarWriter(file)
    places = [tar.add(name, data) for name, data in members]
    tar.close()
    return file.getvalue(), places


@given(st.lists(st.binary(max_size=2000), max_size=6))
def test_what_is_written_is_read_by_name_and_by_offset(bodies):
    members = [(f"{i}.bin", body) for i, body in enumerate(bodies)]
    data, places = write(members)
    assert list(read_members(io.BytesIO(data))) == members
    for (offset, length), body in zip(places, bodies, strict=True):
        assert data[offset : offset + length] == body


def test_equal_content_gives_equal_bytes():
    assert write([("a.jpg", b"1"), ("b.jpg", b"2")]) == write([("a.jpg", b"1"), ("b.jpg", b"2")])


def test_a_truncated_tar_is_an_error_not_a_short_read():
    data, _ = write([("a.bin", b"x" * 5000)])
    with pytest.raises(tarfile.ReadError):
        list(read_members(io.BytesIO(data[:3000])))


def test_links_and_devices_in_a_foreign_tar_are_skipped():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        info = tarfile.TarInfo("real")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"r"))
    file.seek(0)
    assert list(read_members(file)) == [("real", b"r")]


def test_random_access(tmp_path):
    data, places = write([("a", b"first"), ("b", b"second")])
    (tmp_path / "x.tar").write_bytes(data)
    with MemberReader(Folder(tmp_path), "x.tar") as reader:
        assert reader.read(*places[1]) == b"second"
        assert reader.read(*places[0]) == b"first"
        with pytest.raises(OSError, match="expected"):
            reader.read(len(data) - 2, 10)


@pytest.mark.parametrize("where", ["disk", "memory://scattered"])
def test_members_of_several_tars_in_any_order(tmp_path, where):
    folder = Folder(tmp_path if where == "disk" else where)
    places = []
    for tar in ("a.tar", "b.tar"):
        members = [(f"{n}.bin", f"{tar} {n}".encode() * n) for n in range(200)]
        data, found = write(members)
        folder.write_bytes(tar, data)
        places += [((tar, *place), body) for place, (_, body) in zip(found, members, strict=True)]
    order = sorted(places, key=lambda item: (item[0][0], -item[0][2]))
    assert list(read_scattered(folder, [place for place, _ in order])) == [
        body for _, body in order
    ]
    assert list(read_scattered(folder, [])) == []
    with pytest.raises(OSError, match="expected"):
        list(read_scattered(folder, [("a.tar", len(folder.read("a.tar")) - 2, 10)]))
    with pytest.raises(FileNotFoundError):
        list(read_scattered(folder, [("none.tar", 0, 10)]))
