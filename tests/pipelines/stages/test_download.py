"""The download stage on a loopback server: bytes kept as they are, one outcome for every URL."""

import builtins
import errno
import hashlib
import time

import pyarrow as pa
import pytest
from hostile_server import jpeg
from hypothesis import given
from hypothesis import strategies as st
from made_stages import with_settings
from made_tables import put, run, table

from pipelines.fetching.bulk_fetch import parse_message, round_robin
from pipelines.fetching.shard_tables import ANSWERS_SCHEMA, SCHEMA
from pipelines.stages.download import Download
from webbody.commit import read_record
from webbody.errors import WebbodyError
from webbody.shards import MemberReader, TarWriter, read_members
from webbody.storage import Folder


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "out")


def stage(**options) -> Download:
    quick = {"timeout": 20, "deadline": 20, "retries": 0, "max_bytes": 200_000, "threads": 8}
    return with_settings(Download, **{"allow_private": ("127.0.0.1",), **quick, **options})


def download(folder, urls, hashes=None, shard="00000000", **options) -> list[dict]:
    """Run the stage on these URLs; its rows."""
    put(
        folder,
        "plan",
        shard,
        key=pa.array([f"{i:020x}" for i in range(len(urls))], pa.string()),
        url=pa.array(urls, pa.string()),
        name=pa.array(["somebody"] * len(urls), pa.string()),
        sha256=pa.array(hashes or [None] * len(urls), pa.string()),
    )
    record = run(stage(**options), folder, shard)
    rows = table(folder, f"download/{shard}.parquet")
    assert rows.schema == SCHEMA
    found = rows.to_pylist()
    assert [row["url"] for row in found] == urls
    assert record.counts["in"] == len(urls)
    assert record.counts["out"] == sum(row["outcome"] is None for row in found)
    return found


def test_original_bytes_in_the_order_of_the_plan(server, folder):
    bodies = [jpeg(seed, 64 + seed, 48) for seed in range(20)]
    for number, body in enumerate(bodies):
        # The first come last.
        server.routes[f"/{number}"] = lambda it, n=number, b=body: (
            time.sleep(0.02 * (20 - n)), it.reply(200, b, "Content-Type: text/plain")
        )  # fmt: skip
    rows = download(folder, [server.url(f"/{n}") for n in range(20)], threads=20, per_domain=20)
    assert all(row["outcome"] is None and row["detail"] is None for row in rows)
    with folder.open("download/00000000.tar") as file:
        members = list(read_members(file))
    assert members == [(f"{n:020x}.jpg", body) for n, body in enumerate(bodies)]
    with MemberReader(folder, "download/00000000.tar") as reader:
        for row, body in zip(rows, bodies, strict=True):
            assert reader.read(row["offset"], row["length"]) == body
            assert row["sha256"] == hashlib.sha256(body).hexdigest()
            assert row["bytes"] == len(body)
            assert row["format"] == "jpg"
    assert [(row["width"], row["height"]) for row in rows] == [(64 + n, 48) for n in range(20)]


def test_every_url_gets_one_outcome(server, folder):
    html = b"<!DOCTYPE html><html><body>404, but politely</body></html>"
    answers = {
        "/good": lambda it: it.reply(200, jpeg()),
        "/moved": lambda it: it.reply(302, b"", "Location: /good"),
        "/b%20%C3%A9": lambda it: it.reply(200, jpeg(1)),
        "/gone": lambda it: it.reply(410, b""),
        "/html": lambda it: it.reply(200, html, "Content-Type: image/jpeg"),
        "/optout": lambda it: it.reply(200, jpeg(), "X-Robots-Tag: noai"),
        "/short": lambda it: it.reply(200, jpeg()[:500], length=len(jpeg())),
        "/big": lambda it: it.reply(200, bytes(300_000)),
        "/slow": lambda it: it.drip(bytes(1000), 0.1),
        "/tiny": lambda it: it.reply(200, jpeg(0, 8, 8)),
        "/file": lambda it: it.reply(301, b"", "Location: file:///etc/passwd"),
        "/inside": lambda it: it.reply(301, b"", "Location: http://127.0.0.9/"),
        "/" + "x" * 10_000: lambda it: it.reply(200, jpeg(2)),
    }
    server.routes.update(answers)
    expected = {
        "/good": None,
        "/moved": None,
        "/b é": None,
        "/gone": "download:http-410",
        "/nothing": "download:http-404",
        "/html": "image:not-an-image",
        "/optout": "download:opt-out",
        "/short": "download:truncated",
        "/big": "download:too-large",
        "/slow": "download:deadline",
        "/tiny": "image:too-small",
        "/file": "download:scheme",
        "/inside": "download:private-address",
        "/" + "x" * 10_000: None,
    }
    urls = {server.url(path): outcome for path, outcome in expected.items()}
    urls |= {
        "http://nobody.invalid/a.jpg": "download:dns",
        "ftp://a.org/a.jpg": "download:scheme",
        "nonsense": "download:scheme",
        "http://10.0.0.1/a.jpg": "download:private-address",
    }
    rows = download(folder, list(urls), deadline=3)
    assert {row["url"]: row["outcome"] for row in rows} == urls
    assert rows[1]["detail"] == server.url("/good")
    for row in rows:
        kept = row["outcome"] is None
        assert kept or row["detail"]
        for column in ("sha256", "bytes", "width", "height", "format", "offset", "length"):
            assert (row[column] is not None) == kept


def test_headers_are_judged_before_decoding(server, folder):
    server.routes["/a"] = lambda it: it.reply(200, jpeg(0, 640, 480))
    (row,) = download(folder, [server.url("/a")], max_pixels=300_000)
    assert (row["outcome"], row["detail"]) == ("image:too-large", "640 x 480 pixels")


def test_what_servers_said_lies_beside_the_table(server, folder):
    server.routes["/a"] = lambda it: it.reply(200, jpeg(), 'ETag: "v1"', "tdm-reservation: 0")
    server.routes["/no"] = lambda it: it.reply(200, jpeg(), "X-Robots-Tag: noai")
    server.routes["/gone"] = lambda it: it.reply(410)
    urls = [server.url(path) for path in ("/a", "/no", "/gone")] + ["http://nobody.invalid/a.jpg"]
    rows = download(folder, urls)
    said = table(folder, "download/00000000.answers.parquet")
    assert said.schema == ANSWERS_SCHEMA
    assert said["key"].to_pylist() == [row["key"] for row in rows]
    assert said["rights"].to_pylist() == [["tdm-reservation: 0"], ["x-robots-tag: noai"], [], None]
    assert said["etag"].to_pylist() == ['"v1"', None, None, None]
    assert [day is not None for day in said["fetched"].to_pylist()] == [True, True, True, False]
    record = read_record(folder, "download", "00000000")
    assert "00000000.answers.parquet" in record.outputs


@pytest.mark.parametrize("verify", ["keep", "reject"])
def test_a_hash_that_differs_is_a_mark_or_a_reason(server, folder, verify):
    server.routes["/a"] = lambda it: it.reply(200, jpeg())
    right = hashlib.sha256(jpeg()).hexdigest()
    hashes = [right, right.upper(), "0" * 64, None]
    rows = download(folder, [server.url("/a")] * 4, hashes, verify=verify)
    assert [row["hash_match"] for row in rows] == [True, True, False, None]
    outcomes = [row["outcome"] for row in rows]
    assert outcomes == [None, None, "download:hash-mismatch" if verify == "reject" else None, None]
    assert (rows[2]["offset"] is None) == (verify == "reject")
    assert rows[2]["sha256"] == right


def test_same_answers_same_bytes(server, tmp_path):
    for number in range(12):
        server.routes[f"/{number}"] = lambda it, n=number: (
            it.reply(404) if n % 4 == 0 else it.reply(200, jpeg(n))
        )
    urls = [server.url(f"/{number}") for number in range(12)]
    made = []
    for threads in (1, 8):
        folder = Folder(tmp_path / str(threads))
        download(folder, urls, threads=threads)
        made.append([folder.read(f"download/00000000.{kind}") for kind in ("tar", "parquet")])
    assert made[0] == made[1]


@pytest.mark.parametrize("count", [0, 1, 10, 11, 100])
def test_any_number_of_rows(server, folder, count):
    server.routes["/a"] = lambda it: it.reply(200, jpeg())
    rows = download(folder, [server.url("/a")] * count)
    assert [row["outcome"] for row in rows] == [None] * count


def test_a_row_that_img2dataset_drops_is_noticed(server, folder, monkeypatch):
    server.routes["/a"] = lambda it: it.reply(200, jpeg())

    def broken(self, stream, boxes):
        raise RuntimeError("a bug in a library")

    monkeypatch.setattr("pipelines.fetching.bulk_fetch._Check.__call__", broken)
    (row,) = download(folder, [server.url("/a")])
    assert row["outcome"] == "download:error"


def test_a_full_disk_fails_the_shard_at_once(server, folder, monkeypatch):
    def full(self, name, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    def answer(it):
        time.sleep(0.05)
        it.reply(200, jpeg())

    server.routes["/a"] = answer
    monkeypatch.setattr(TarWriter, "add", full)
    with pytest.raises(WebbodyError, match="no space is left"):
        download(folder, [server.url("/a")] * 200, threads=2)
    assert folder.names("download") == []
    assert server.hits["/a"] < 20


def test_the_real_downloader_is_used_quietly(server, folder, monkeypatch, tmp_path):
    """img2dataset fetches; it leaves no file behind and starts no wandb."""
    import img2dataset.downloader

    called = []
    real = img2dataset.downloader.download_image
    monkeypatch.setattr(
        img2dataset.downloader, "download_image", lambda *a, **k: called.append(a) or real(*a, **k)
    )
    monkeypatch.setattr("wandb.init", lambda *a, **k: pytest.fail("wandb was started"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "scratch").mkdir()
    server.routes["/a"] = lambda it: it.reply(200, jpeg())
    printed = []
    monkeypatch.setattr(builtins, "print", lambda *a, **k: printed.append(a))
    download(folder, [server.url("/a")])
    assert len(called) == 1
    assert list((tmp_path / "scratch").iterdir()) == []
    assert sorted(folder.names("download")) == [
        "00000000.answers.parquet", "00000000.json", "00000000.parquet", "00000000.tar",
    ]  # fmt: skip
    assert printed == []


@pytest.mark.parametrize(
    ("message", "parsed"),
    [
        ("download:http-404 Not Found", ("download:http-404", "Not Found")),
        ("image:truncated", ("image:truncated", None)),
        ("<urlopen error x>", ("download:error", "<urlopen error x>")),
        ("", ("download:error", None)),
        ("download:error \ud800", ("download:error", "?")),
    ],
)
def test_outcomes_survive_as_text(message, parsed):
    assert parse_message(message) == parsed


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_hosts_take_turns(hosts):
    urls = [(i, f"http://{host}.org/{i}") for i, host in enumerate(hosts)]
    turns = round_robin(urls)
    assert sorted(turns) == urls
    for host in set(hosts):
        mine = [i for i, url in turns if f"//{host}." in url]
        assert mine == sorted(mine)
    if hosts:
        first = [url.split("/")[2] for _, url in turns[: len(set(hosts))]]
        assert len(set(first)) == len(first)
