"""Files of others that would take gigabytes, or end in a traceback: one sentence, at once."""

import io
import struct
import tarfile
import tracemalloc

import pytest

from model.evaluation.readers.pairs_bin import read_pairs
from model.shard_samples import describe, read_samples
from webbody.commit import Record
from webbody.errors import WebbodyError
from webbody.json_text import parse_json

DEEP = b"[" * 200_000


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04]r\xff\xff\xff\x7f.",
        b"\x80\x02Nr\xff\xff\xff\x0f(.",
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 50) + b"N.",
        b"\x80\x02c_codecs\nencode\nq\x00X\x00\x00\x10\x00" + b"a" * 0x100000
        + b"q\x01X\x06\x00\x00\x00latin1\x86q\x020" + b"(" + b"h\x00h\x02R" * 2000 + b"t.",
        b"(" * 2_000_000,
    ],
    ids=["memo", "memo of protocol 2", "bytes", "frame", "encoded again", "marks"],
)  # fmt: skip
def test_files_of_pairs(tmp_path, data):
    path = tmp_path / "pairs.bin"
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(WebbodyError, match=r"is no \.bin file of pairs"):
        read_pairs(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000 + 3 * len(data)


def sparse() -> bytes:
    info = tarfile.TarInfo("a.jpg")
    info.type = tarfile.GNUTYPE_SPARSE
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[386:410] = b"%011o\0%011o\0" % (0, 0)
    block[483:495] = b"%011o\0" % (1 << 29)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def long_names(count: int) -> bytes:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2
    return (info.tobuf(tarfile.GNU_FORMAT) + b"a\0" + bytes(510)) * count


@pytest.mark.parametrize("data", [sparse(), long_names(3000)], ids=["sparse", "long names"])
def test_tars(data):
    with pytest.raises(WebbodyError, match="is damaged or no tar"):
        list(read_samples(io.BytesIO(data + bytes(1024)), "a.tar"))


def test_json_that_is_nested_too_deep():
    for data in (DEEP, b'{"a":' * 200_000, DEEP.decode()):
        with pytest.raises(ValueError):
            parse_json(data)
    with pytest.raises(ValueError):
        Record.from_json(DEEP)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, data in (("a.jpg", b"x"), ("a.json", b'{"keypoints":' + DEEP)):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    file.seek(0)
    (members,) = read_samples(file, "a.tar")
    with pytest.raises(WebbodyError, match="has no keypoints"):
        describe(members)
