"""Building from a release: no model, no name; the publisher's bytes where nothing rotted."""

import datetime
import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from release_of_build import digests, make_release, write_release

from pipelines.build import Run, build
from pipelines.identity.perceptual_hash import perceptual_hash
from pipelines.inspection.report import write_report
from pipelines.inspection.rot import read_rot
from webbody.config import load
from webbody.errors import NothingKept, WebbodyError
from webbody.images import decode
from webbody.releases.release import Release
from webbody.removals import Removals
from webbody.sample_keys import packed_key
from webbody.storage import Folder

LOCAL = ["download.allow_private=[127.0.0.1]"]


def settings(release, out, *overrides):
    config = load(None, [*LOCAL, *overrides])
    config.manifest, config.out = str(release), str(out)
    return config


@pytest.fixture(scope="module")
def release(demo, tmp_path_factory):
    return make_release(demo.out, tmp_path_factory.mktemp("released") / "r").root


def test_the_same_bytes_without_any_model(demo, release, in_process, tmp_path):
    config = settings(release, tmp_path / "out")
    config.persons.model = config.faces.embedder = config.keypoints.model = "/nothing/there.pt"
    result = build(config)
    assert result.complete
    assert digests(tmp_path / "out") == digests(demo.out)
    assert set(result.outcomes) == {"kept"}
    again = build(config)
    assert again.ran == 0
    for stage in ("plan", "ledger"):
        for path in (tmp_path / "out" / stage).glob("*.parquet"):
            assert pq.read_table(path)["name"].null_count == pq.read_table(path).num_rows


SIDE = 120
PEOPLE, IMAGES = 10, 10


def picture(number: int, quality: int = 90, side: int = SIDE) -> bytes:
    """A photo that is like no other: smooth blocks of colour."""
    rng = np.random.default_rng(number)
    blocks = Image.fromarray(rng.integers(0, 255, (6, 8, 3), np.uint8))
    file = io.BytesIO()
    blocks.resize((side * 4 // 3, side), Image.Resampling.BICUBIC).save(
        file, "JPEG", quality=quality
    )
    return file.getvalue()


@pytest.fixture
def web():
    """Pictures by path, served on loopback: a value may be bytes, a status, or an opt-out."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    pages: dict[str, bytes | int | tuple[str, bytes]] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            page = pages.get(self.path, 404)
            header, body = page if isinstance(page, tuple) else ("", page)
            if isinstance(body, int):
                self.send_error(body)
                return
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(body)))
            if header:
                self.send_header("X-Robots-Tag", header)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    pages["at"] = f"http://127.0.0.1:{server.server_address[1]}".encode()
    yield pages
    server.shutdown()
    server.server_close()


def publish(web, out, shards=4, **changed):
    """A release of PEOPLE x IMAGES samples on the served web; changed: values of its rows."""
    base = web["at"].decode()
    rows = []
    for number in range(PEOPLE * IMAGES):
        data = web[f"/{number}.jpg"] = picture(number)
        url, area = f"{base}/{number}.jpg", [10, 5, 130, 110]
        width, height = SIDE * 4 // 3, SIDE
        rows.append(
            {
                "key": packed_key(url, area),
                "url": url,
                "person": 1000 + number // IMAGES,
                "split": "test" if number < 2 * IMAGES else "train",
                "sha256": hashlib.sha256(data).hexdigest(),
                "width": width,
                "height": height,
                "box": [area[0] / width, area[1] / height, area[2] / width, area[3] / height],
                "keypoints": [float(value % 97) for value in range(57)],
                "phash": perceptual_hash(decode(data)),
                "fetched": datetime.date(2020 + number % 3, 5, 17),
                "source": "made",
                **{name: value(number) for name, value in changed.items()},
            }
        )
    return write_release(out, rows, {"train": shards, "test": 1})


def rebuilt(release, out, *overrides):
    result = build(settings(release, out, "split.samples_per_shard=20", *overrides))
    assert result.complete
    return result, read_rot(str(out))


def test_what_rotted_is_told_exactly(web, in_process, tmp_path):
    release = publish(web, tmp_path / "r")
    _, fresh = rebuilt(release, tmp_path / "before")
    assert fresh.total == {"same": 100}
    before = digests(tmp_path / "before")
    gone, altered, anew, opted = set(range(20, 30)), {31, 32, 33, 34, 35}, {41, 42}, {51, 52, 53}
    for number in gone:
        web[f"/{number}.jpg"] = 404 if number % 2 else 410
    for number in altered:
        web[f"/{number}.jpg"] = picture(number + 1000)
    web["/35.jpg"] = b"<html>a page where the picture was</html>"
    for number in anew:
        web[f"/{number}.jpg"] = picture(number, quality=60, side=SIDE * (number - 40))
    for number in opted:
        web[f"/{number}.jpg"] = ("noai", picture(number))
    result, rot = rebuilt(release, tmp_path / "after")
    assert rot.total == {"same": 80, "re-encoded": 2, "changed": 5, "gone": 10, "opted out": 3}
    assert rot.years["2020"]["gone"] == sum(n % 3 == 0 for n in gone)
    assert rot.domains["127.0.0.1"] == rot.total
    assert result.outcomes["kept"] == 82
    assert result.outcomes["release:changed"] == 4
    assert result.outcomes["image:not-an-image"] == 1
    after = digests(tmp_path / "after")
    assert list(after) == list(before)  # as many shards as the publisher has
    assert after["test-000000.tar"] == before["test-000000.tar"]  # which lost nothing
    page = Path(write_report(str(tmp_path / "after"))).read_text()
    assert "Published pictures" in page and "Agreeing faces" not in page
    # Scaled pictures give the same place of the person.
    keep, _ = rebuilt(release, tmp_path / "kept", "rebuild.on_changed=keep")
    assert keep.outcomes["kept"] == 86


def test_what_is_wrong_with_rows_is_told(web, in_process, tmp_path):
    wrong = {
        "box": lambda n: [0.5, 0, 1.5, 1] if n == 3 else [10 / 160, 5 / 120, 130 / 160, 110 / 120],
        "url": lambda n: "ftp://x" if n == 4 else f"{web['at'].decode()}/{n}.jpg",
        "keypoints": lambda n: [1.0] * (56 if n == 5 else 57),
        "person": lambda n: None if n == 6 else 7_000_000_000_000 + 13 * n // IMAGES,
    }
    release = publish(web, tmp_path / "r", **wrong)
    result, _ = rebuilt(release, tmp_path / "out")
    assert result.outcomes == {
        "kept": 96, "manifest:bad-box": 1, "manifest:bad-url": 1, "manifest:bad-keypoints": 1,
        "manifest:no-person": 1,
    }  # fmt: skip


def test_numbers_of_rows_and_parts_of_rotten_ones(web, in_process, tmp_path):
    """Rows without a person are told whatever part is built, by their row in the release."""
    wrong = {
        "person": lambda n: None if n in (6, 50) else 7_000_000_000_000 + 13 * (n // IMAGES),
        "sha256": lambda n: "zz" if n == 30 else hashlib.sha256(picture(n)).hexdigest(),
    }
    release = publish(web, tmp_path / "r", **wrong)
    rows = pa.concat_tables(Release.read(release).tables()).to_pylist()
    expected = {
        (at, row["url"]): "manifest:no-person" if row["person"] is None else "manifest:bad-sha256"
        for at, row in enumerate(rows, 1)
        if row["person"] is None or row["sha256"] == "zz"
    }
    assert len(expected) == 3
    for name, part in {"all": "share=1", "half": "share=0.5", "12m": "subset=12m"}.items():
        config = settings(release, tmp_path / name, f"rebuild.{part}")
        Run(config, lambda event: None).plan(replace=False)
        rejected = pq.read_table(tmp_path / name / "plan/rejected.parquet").to_pylist()
        told = {(row["row"], row["url"]): row["outcome"] for row in rejected}
        assert told.items() <= expected.items()
        assert list(told.values()).count("manifest:no-person") == 2
        assert name != "all" or told == expected


@pytest.mark.parametrize(
    ("person", "says"),
    [
        (lambda n: 50 - n // IMAGES, None),
        (lambda n: 7 if n in (0, 99) else 10 + n // IMAGES, "person 7 is in"),
    ],
)
def test_people_in_two_splits_are_refused(web, tmp_path, person, says):
    release = publish(web, tmp_path / "r", person=person)
    run = Run(settings(release, tmp_path / "out"), lambda event: None)
    if says is None:
        run.plan(replace=False)
        return
    with pytest.raises(WebbodyError, match=says):
        run.plan(replace=False)


def test_removals_come_first(web, in_process, tmp_path):
    release = publish(web, tmp_path / "r")
    url = f"{web['at'].decode()}/33.jpg"
    digest = hashlib.sha256(picture(44)).hexdigest()
    today = datetime.date(2026, 1, 2)
    listed = Removals("ab" * 32).plus(
        today, "request", [("url", url), ("sha256", digest), ("person", 1005)]
    )
    listed.write(Folder(release))
    result, rot = rebuilt(release, tmp_path / "out")
    assert result.outcomes == {"kept": 88, "takedown": 12}
    assert rot.total == {"same": 88, "taken down": 12}
    rejected = pq.read_table(tmp_path / "out" / "plan" / "rejected.parquet")
    assert rejected["url"].null_count == 12
    # A newer list, given by its place; an older one is refused.
    newer = listed.plus(today, "law", [("domain", "127.0.0.1")])
    (tmp_path / "lists").mkdir()
    newer.write(Folder(tmp_path / "lists"), "new.parquet")
    with pytest.raises(NothingKept, match="100 rows taken down, and none is left to build"):
        rebuilt(release, tmp_path / "out", f"rebuild.removals={tmp_path}/lists/new.parquet")
    Removals("ab" * 32).write(Folder(tmp_path / "lists"), "old.parquet")
    with pytest.raises(WebbodyError, match=r"old\.parquet: lacks 3 removals.*older than they are"):
        rebuilt(release, tmp_path / "two", f"rebuild.removals={tmp_path}/lists/old.parquet")


def test_that_the_list_cannot_be_had_is_said(web, in_process, tmp_path):
    release = publish(web, tmp_path / "r")
    events = []
    result = build(settings(release, tmp_path / "out"), events.append)
    assert result.complete
    (note,) = [event.message for event in events if event.kind == "note"]
    assert "could not be fetched" in note and "removals@example.org" in note


def test_parts(web, in_process, tmp_path):
    release = publish(web, tmp_path / "r")
    result, rot = rebuilt(release, tmp_path / "test", "rebuild.splits=[test]")
    assert result.rows == rot.total["same"] == 20
    half, _ = rebuilt(release, tmp_path / "half", "rebuild.share=0.5")
    assert 0 < half.rows < 100 and half.rows % IMAGES == 0  # whole people
    some, _ = rebuilt(release, tmp_path / "12m", "rebuild.subset=12m")
    assert some.rows == 20 + 2 * IMAGES  # the test people, and 70 % of 48 % of 8
    with pytest.raises(WebbodyError, match="no split valid"):
        rebuilt(release, tmp_path / "x", "rebuild.splits=[valid]")


def test_a_folder_without_a_release_is_told(tmp_path):
    with pytest.raises(WebbodyError, match="is a folder"):
        build(settings(tmp_path, tmp_path / "out"))
    (tmp_path / "release.json").write_text('{"format": "webbody-release", "format_version": 99}')
    with pytest.raises(WebbodyError, match="newer one"):
        build(settings(tmp_path, tmp_path / "out"))


def test_a_dry_run_counts_what_a_release_holds(web, tmp_path):
    from pipelines.inspection.estimate import estimate

    release = publish(web, tmp_path / "r")
    told = estimate(settings(release, tmp_path / "out"))
    assert (told.rows, told.names, told.grouped_by) == (100, 10, "people")
    assert list(told.stages) == ["download", "crops", "split", "pack", "ledger"]
    assert not (tmp_path / "out").exists()
