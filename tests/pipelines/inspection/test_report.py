"""The report page: what it shows, what it counts, and that strangers cannot write into it."""

import base64
import io
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from drawn_build import FATES, HOSTILE, draw_build
from PIL import Image

from model.visualization.colours import LEFT, RIGHT
from pipelines.inspection.report import write_report
from pipelines.inspection.report.choosing import mixed, round_robin
from pipelines.inspection.report.drawing import Drawing, EmbeddedImages, around
from webbody.commit import read_record
from webbody.errors import WebbodyError
from webbody.skeleton import NAMES
from webbody.storage import Folder

SECTIONS = ("funnel", "downloads", "persons", "faces", "names", "keypoints", "samples")
TWIN = "Ada Q."


class Page(HTMLParser):
    """Tags, attributes and the text of each section."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.texts: dict[str, str] = {}
        self.images: dict[str, int] = {}
        self._section = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs) -> None:
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if tag == "section":
            self._section = attrs["id"]
        if tag == "img":
            self.images[self._section] = self.images.get(self._section, 0) + 1

    def handle_data(self, data) -> None:
        self.texts[self._section] = self.texts.get(self._section, "") + " " + data.strip()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    out = tmp_path_factory.mktemp("build")
    names = [["Ada Quill", HOSTILE, "Zoë 李", TWIN], ["Dov Laine"]]
    return out, draw_build(str(out), names, images=14, side=160)


@pytest.fixture(scope="module")
def html(drawn) -> str:
    out, _ = drawn
    path = write_report(str(out))
    assert path == f"{out}/report.html"
    return (out / "report.html").read_text("utf-8")


def test_every_section_has_pictures(html):
    page = Page(html)
    assert [attrs["id"] for tag, attrs in page.tags if tag == "section"] == list(SECTIONS)
    for section in SECTIONS[1:]:
        assert page.images[section] >= 10, section
    assert len(html) < 8_000_000


def test_the_scale_of_confidences_is_told(html):
    assert "beta 10, told from the file's outputs" in Page(html).texts["keypoints"]


def test_the_funnel_counts_every_row(drawn, html):
    _, shards = drawn
    rows = [row for rows in shards.values() for row in rows]
    text = " ".join(Page(html).texts["funnel"].split())
    kept = sum(row["fate"] is None for row in rows)
    assert f"{len(rows) + 1} rows in the manifest {kept} kept" in text
    for fate in {row["fate"] for row in rows} - {None}:
        count = sum(row["fate"] == fate for row in rows)
        assert re.search(rf"{fate} −{count} ", text), fate
    assert "manifest:no-url −1 " in text
    assert "undecided" not in text


def test_every_kind_of_outcome_is_shown(html):
    texts = Page(html).texts
    for section, stage in (("downloads", "download"), ("persons", "person"), ("faces", "face")):
        for fate in FATES:
            if fate and fate.startswith(stage):
                assert fate in texts[section]
    for reason in ("noise", "minor", "duplicate"):
        assert reason in texts["names"]
    assert "0.83" in texts["names"]
    assert TWIN in texts["names"].split("Merged names")[1]


def test_nothing_is_loaded_and_nothing_is_run(html):
    for tag, attrs in Page(html).tags:
        assert tag not in ("script", "link", "iframe", "object", "form", "base"), tag
        assert not any(name.startswith("on") for name in attrs), attrs
        for name in ("src", "href", "action", "srcset"):
            if name in attrs:
                assert attrs[name].startswith(("data:image/jpeg;base64,", "#"))
    assert "url(" not in html and "@import" not in html
    assert "<script" not in html
    assert "&lt;script&gt;alert(" in html


def test_a_second_page_is_the_same(drawn, html):
    out, _ = drawn
    write_report(str(out))
    assert (out / "report.html").read_text("utf-8") == html


def test_fewer_pictures_can_be_asked_for(drawn, tmp_path):
    out = shutil.copytree(drawn[0], tmp_path / "build")
    write_report(str(out), names=1, images=3)
    page = Page((out / "report.html").read_text("utf-8"))
    assert page.images["persons"] <= 3 and page.images["samples"] == 3
    assert sum(attrs.get("class") == "name" for _, attrs in page.tags) == 1


def test_what_is_missing_is_told(drawn, tmp_path):
    out = shutil.copytree(drawn[0], tmp_path / "build")
    for stage in ("identities", "keypoints", "split", "pack", "ledger"):
        shutil.rmtree(out / stage)
    for path in out.glob("download/*.json"):
        record = read_record(Folder(out), "download", path.stem)
        tar = f"{path.stem}.tar"
        path.write_bytes(replace(record, evicted=(tar,)).to_json())
        (out / "download" / tar).unlink()
    write_report(str(out))
    page = Page((out / "report.html").read_text("utf-8"))
    assert "were evicted" in page.texts["persons"]
    assert "Not there yet" in page.texts["keypoints"]
    assert "Not there yet" in page.texts["samples"]
    assert "undecided" in page.texts["funnel"]
    assert "not labelled yet" in page.texts["names"]
    assert page.images["faces"] and page.images["names"]


def test_files_without_a_record_are_not_read(drawn, tmp_path):
    out = shutil.copytree(drawn[0], tmp_path / "build")
    for record in out.glob("faces/*.json"):
        record.unlink()
    write_report(str(out))
    assert "Not there yet" in Page((out / "report.html").read_text("utf-8")).texts["faces"]


def test_a_folder_without_a_build_is_told(tmp_path):
    with pytest.raises(WebbodyError, match="holds no build"):
        write_report(str(tmp_path))


def test_the_skeleton_is_drawn_where_it_is():
    points = np.zeros((19, 3), np.float32)
    points[NAMES.index("left_wrist")] = (300, 100, 1)
    points[NAMES.index("right_wrist")] = (100, 100, 1)
    drawing = Drawing(np.full((200, 400, 3), 128, np.uint8), 200).skeleton(points)
    assert (drawing.width, drawing.height) == (200, 100)
    assert np.abs(drawing.pixels[50, 150].astype(int) - LEFT).max() < 60
    assert np.abs(drawing.pixels[50, 50].astype(int) - RIGHT).max() < 60
    assert (drawing.pixels[0:10, 0:10] == 128).all()  # absent points lie at 0, 0


def test_a_region_may_reach_beyond_the_image():
    rgb = np.zeros((40, 40, 3), np.uint8)
    rgb[:20] = 200
    drawing = Drawing(rgb, 96, around((0, 0, 10, 10), 1.0))
    assert drawing.pixels.shape == (96, 96, 3)
    assert drawing.pixels[0, 0, 0] == 200


def test_an_album_keeps_to_its_share():
    embedded = EmbeddedImages(4000)
    drawing = Drawing(np.zeros((50, 50, 3), np.uint8), 50)
    uris = [embedded.add(drawing) for _ in range(20)]
    assert uris[0] and uris[-1] is None
    assert sum(len(uri) for uri in uris if uri) <= 4000
    jpeg = base64.b64decode(uris[0].split(",")[1])
    assert Image.open(io.BytesIO(jpeg)).size == (50, 50)


def test_choice_is_spread_and_stable():
    outcomes = ["a:rare" if i == 7 else "a:often" if i % 2 else None for i in range(200)]
    rows = [
        {"key": f"{i}", "shard": f"{i % 4}", "outcome": outcome}
        for i, outcome in enumerate(outcomes)
    ]
    chosen = mixed(rows, 12, "key")
    assert [row["outcome"] for row in chosen].count(None) == 8
    assert "a:rare" in [row["outcome"] for row in chosen]
    assert chosen == mixed(rows[::-1], 12, "key")
    assert len(round_robin(rows, 500, lambda row: row["shard"], lambda row: row["key"])) == 200
    assert len(mixed(rows[:1], 12, "key")) == 1
