"""The synthetic web: the plan's promises, the files' kinds, the truth beside them."""

import hashlib
import io
import json
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from webbody.demo.website import kinds
from webbody.demo.website.encodings import bomb, encode, near_duplicate
from webbody.demo.website.files import file_name
from webbody.demo.website.pictures import FACE_SIDE, changed, draw
from webbody.demo.website.plan import make_plan
from webbody.demo.website.web import Web, make_web, url_path
from webbody.errors import WebbodyError
from webbody.images import ImageError, decode, probe

LATER = kinds.LATER


@pytest.fixture(scope="module")
def web(tmp_path_factory) -> Web:
    return make_web(tmp_path_factory.mktemp("web"), names=4, images=8, gallery=2, processes=1)


@pytest.fixture(scope="module")
def truth(web) -> list[dict]:
    return pq.read_table(web.truth).to_pylist()


def test_a_plan_holds_every_behaviour_encoding_and_copy():
    plan = make_plan(40, 12, seed=0)
    items = [row.item for row in plan.rows if row.item]
    assert {item.behaviour for item in items} == set(kinds.BEHAVIOURS)
    assert {item.encoding for item in items} == set(kinds.ENCODINGS)
    assert {item.near for item in items} == {"", *kinds.NEAR}
    assert any(item.copy_of is not None and not item.near for item in items)
    assert Counter(row.kind for row in plan.rows)["repeated"] >= 3
    assert len({(row.item.number, row.name) for row in plan.rows if row.item}) > len(
        {item.number for item in items}
    ), "some URL stands under two names"


def test_a_plan_has_people_with_two_names_and_leaked_people():
    plan = make_plan(40, 12, seed=0)
    assert len(plan.names) == 40
    assert 40 - len(set(plan.names.values())) >= 3
    assert len(plan.gallery) == 10
    assert len(plan.leaked) >= 3
    assert plan.leaked == set(plan.gallery) & set(plan.names.values())


def test_three_tenths_of_the_urls_do_not_show_the_named_person():
    plan = make_plan(40, 12, seed=0)
    shares = Counter(row.kind for row in plan.rows)
    assert 0.25 < shares["wrong"] / (shares["wrong"] + shares["right"]) < 0.35
    for row in plan.rows:
        if row.item:
            assert (row.identity in row.item.people) == (
                row.item.scene in ("close-up", "half", "full", "group")
            )


def test_plans_of_other_seeds_share_nobody():
    first, second = make_plan(12, 6, seed=0), make_plan(12, 6, seed=1)
    assert make_plan(12, 6, seed=0) == first
    assert not set(first.names.values()) & set(second.names.values())
    assert set(first.names) != set(second.names)


def test_the_manifest_and_the_truth_have_the_same_rows(web, truth):
    manifest = pq.read_table(web.manifest)
    assert manifest.column_names == ["url", "name"]
    assert manifest.to_pylist() == [{key: row[key] for key in ("url", "name")} for row in truth]
    assert [row["row"] for row in truth] == list(range(len(truth)))


def test_files_have_the_digest_and_size_that_the_truth_says(web, truth):
    plan = make_plan(4, 8, seed=0, gallery=2)
    for row, planned in zip(truth, plan.rows, strict=True):
        if planned.item is None:
            continue
        data = (web.folder / "files" / file_name(0, planned.item)).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        if kinds.expected("plain", planned.item.encoding) == kinds.FETCHED:
            header = probe(data)
            assert (header.width, header.height) == (row["width"], row["height"])


def test_copies_point_at_rows_with_the_same_person(truth):
    copies = 0
    for row in truth:
        if row["duplicate_of"] is not None:
            other = truth[row["duplicate_of"]]
            assert other["sha256"] == row["sha256"]
            assert other["url"] != row["url"]
        elif row["near_duplicate_of"] is not None:
            other = truth[row["near_duplicate_of"]]
            assert other["sha256"] != row["sha256"]
        else:
            continue
        copies += 1
        assert other["identity"] == row["identity"]
        assert other["kind"] == "right"
        assert not row["keep"]
    assert copies


def test_what_should_be_kept_shows_the_named_person_and_is_no_leak(truth):
    kept = [row for row in truth if row["keep"]]
    assert kept
    for row in kept:
        assert row["expected"] == kinds.FETCHED
        assert not row["leak"]
        figure = next(f for f in row["figures"] if f["identity"] == row["identity"])
        left, top, right, bottom = figure["face_box"]
        assert max(right - left, bottom - top) >= FACE_SIDE


def test_the_gallery_has_a_folder_for_each_validation_person(web):
    folders = sorted(path.name for path in web.gallery.iterdir())
    assert folders == sorted(str(identity) for identity in make_plan(4, 8, 0, gallery=2).gallery)
    for folder in folders:
        photos = list((web.gallery / folder).glob("*.jpg"))
        assert len(photos) == 4
        assert Image.open(photos[0]).size == (256, 256)


def test_the_same_arguments_give_the_same_bytes_in_any_number_of_processes(tmp_path):
    one = make_web(tmp_path / "one", names=4, images=8, seed=3, gallery=1, processes=1)
    two = make_web(tmp_path / "two", names=4, images=8, seed=3, gallery=1, processes=2)
    assert _digests(one) == _digests(two)


def test_a_finished_web_is_not_drawn_again(web):
    before = (web.folder / "web.json").stat().st_mtime_ns
    assert make_web(web.folder, names=4, images=8, gallery=2) == web
    assert (web.folder / "web.json").stat().st_mtime_ns == before


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(WebbodyError, match="thesis"):
        make_web(tmp_path, names=1, images=1)
    assert (tmp_path / "thesis.txt").exists()


def test_an_unknown_world_is_refused(tmp_path):
    with pytest.raises(WebbodyError, match="stress"):
        make_web(tmp_path, world="mars")


def test_the_stress_world_can_be_drawn(tmp_path):
    web = make_web(tmp_path / "web", names=2, images=4, world="stress", gallery=1, processes=1)
    rows = pq.read_table(web.truth).to_pylist()
    assert sum(len(row["figures"]) for row in rows) > len(rows)


def test_some_urls_have_blanks_and_letters_beyond_ascii():
    paths = [url_path(f"photos/00/{number:012x}.jpg") for number in range(24)]
    assert len(set(paths)) == 24
    assert any(" " in path for path in paths)
    assert any(not path.isascii() for path in paths)
    assert any("?" in path for path in paths)


@pytest.mark.parametrize(
    "encoding", [kind for kind in kinds.ENCODINGS if kinds.ENCODINGS[kind] == kinds.FETCHED]
)
def test_every_encoding_shows_the_picture_upright(encoding):
    image = _scene()
    for number in range(7) if encoding == "exif" else (0,):
        data = encode(image, encoding, number)
        error = np.abs(decode(data)[:, :, ::-1].astype(int) - image).mean()
        assert error < (12 if encoding in ("gif", "palette-png") else 5), (encoding, number)


def test_the_bomb_declares_more_pixels_than_it_has_bytes():
    data = bomb()
    assert len(data) < 300_000
    assert int.from_bytes(data[16:20], "big") == int.from_bytes(data[20:24], "big") == 30_000


def test_a_p3_photo_looks_wrong_to_who_ignores_its_profile():
    image = _scene()
    data = encode(image, "p3", 0)
    raw = np.asarray(Image.open(io.BytesIO(data)), int)[:, :, ::-1]
    assert (
        np.abs(raw - image).mean() > 4 * np.abs(decode(data)[:, :, ::-1] - image.astype(int)).mean()
    )


@pytest.mark.parametrize("encoding", ["bomb", "avif-bomb", "jxl", "cut-file", "pixel"])
def test_what_is_no_usable_picture_is_refused_for_the_expected_reason(encoding):
    limits = kinds.BUILD_SETTINGS
    try:
        header = probe(encode(_scene(), encoding, 0), limits["download.max_pixels"])
        decode(encode(_scene(), encoding, 0))
        outcome = "image:too-small" if header.width < limits["download.min_side"] else ""
    except ImageError as error:
        outcome = error.outcome
    assert kinds.is_expected(outcome, kinds.ENCODINGS[encoding])


def test_later_kinds_leave_people_and_scenes_as_they_were(monkeypatch):
    plan = make_plan(12, 8, seed=5)
    monkeypatch.setattr(kinds, "LATER", ())
    for kind in [*kinds.BEHAVIOURS, *kinds.ENCODINGS]:
        if kind in LATER:
            monkeypatch.delitem(kinds.BEHAVIOURS, kind, raising=False)
            monkeypatch.delitem(kinds.ENCODINGS, kind, raising=False)
    before = make_plan(12, 8, seed=5)
    assert before.names == plan.names
    assert [(row.name, row.item and (row.item.scene, row.item.people)) for row in before.rows] == [
        (row.name, row.item and (row.item.scene, row.item.people)) for row in plan.rows
    ]


@pytest.mark.parametrize("near", kinds.NEAR)
def test_the_truth_moves_along_with_a_near_duplicate(near):
    rng = np.random.default_rng(4)
    photo = draw(rng, "half", [11], "default")
    image, scale, corner = near_duplicate(rng, photo.image, near)
    size = image.shape[1::-1]
    figure = changed(photo.figures[0], scale, corner, size)
    old = photo.figures[0].keypoints
    for (x, y, flag), (u, v, before) in zip(figure.keypoints, old, strict=True):
        if flag and 1 <= x < size[0] - 2 and 1 <= y < size[1] - 2:
            assert before == flag
            here = image[int(y), int(x)].astype(int)
            there = photo.image[max(0, int(v) - 2) : int(v) + 3, max(0, int(u) - 2) : int(u) + 3]
            assert np.abs(there.reshape(-1, 3) - here).sum(1).min() < 90
    assert (figure.box[2:] <= size).all()
    assert (figure.box[:2] >= 0).all()


def test_web_json_records_the_arguments(web):
    arguments = json.loads((web.folder / "web.json").read_text())
    assert arguments["port"] == web.port
    assert arguments["seed"] == 0


def _scene() -> np.ndarray:
    """A smooth picture that differs in every corner."""
    y, x = np.mgrid[0:60, 0:90]
    return np.stack([x * 2, y * 4, 255 - x - y], 2).clip(0, 255).astype(np.uint8)


def _digests(web: Web) -> dict[str, str]:
    return {
        str(path.relative_to(web.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(web.folder.rglob("*"))
        if path.is_file()
    }
