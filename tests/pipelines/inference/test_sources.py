"""What users name as sources of people."""

import json
import os

import fsspec
import pytest

from pipelines.inference.sources import find_sources
from webbody.errors import WebbodyError


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def test_pictures_at_any_depth_without_hidden_ones(tmp_path):
    touch(tmp_path, "b.JPG", "a/c.png", "a/d/e.tiff", "notes.txt", ".x.jpg", "a/.y/z.jpg", "f.npy")
    found = find_sources([str(tmp_path)])
    assert found.shards == {}
    assert list(found.pictures[str(tmp_path)]) == ["a/c.png", "a/d/e.tiff", "b.JPG"]


def test_a_folder_with_shards_is_one_of_shards(tmp_path):
    touch(tmp_path, "1.tar", "0.tar", "preview.jpg")
    found = find_sources([f"{tmp_path}/"])
    assert list(found.shards[str(tmp_path)]) == ["0.tar", "1.tar"] and not found.pictures


def test_an_index_says_which_shards_count(tmp_path):
    touch(tmp_path, "0.tar", "left-over.tar")
    index = {"splits": {"train": {"shards": [{"name": "0.tar", "sha256": "ab"}]}}}
    (tmp_path / "index.json").write_text(json.dumps(index))
    assert find_sources([str(tmp_path)]).shards == {str(tmp_path): {"0.tar": "ab"}}
    (tmp_path / "index.json").write_text("[]")
    with pytest.raises(WebbodyError, match="no index of shards"):
        find_sources([str(tmp_path)])


def test_files_are_named_by_their_folder_and_counted_once(tmp_path, monkeypatch):
    touch(tmp_path, "a.jpg", "sub/b.jpg", "s.tar")
    (tmp_path / "linked").symlink_to(tmp_path / "sub")
    monkeypatch.chdir(tmp_path)
    given = ["a.jpg", "sub/b.jpg", "s.tar", "a.jpg", str(tmp_path / "a.jpg"), "sub", "linked"]
    found = find_sources(given)
    assert {url: list(files) for url, files in found.pictures.items()} == {
        ".": ["a.jpg"], "sub": ["b.jpg"],
    }  # fmt: skip
    assert list(found.shards["."]) == ["s.tar"]


def test_hidden_shards_are_none_and_linked_folders_are_read(tmp_path):
    touch(
        tmp_path, "in/a.tar", "in/._a.tar", "in/@eaDir/a.tar", "out/p/x.jpg", "out/__MACOSX/._x.jpg"
    )
    (tmp_path / "in/b.tar").symlink_to("a.tar")
    (tmp_path / "out/q").symlink_to("../more")
    touch(tmp_path, "more/y.jpg")
    (tmp_path / "more/up").symlink_to("..")
    found = find_sources([str(tmp_path / "in"), str(tmp_path / "out")])
    assert list(found.shards[str(tmp_path / "in")]) == ["a.tar", "b.tar"]
    assert list(found.pictures[str(tmp_path / "out")]) == ["p/x.jpg", "q/y.jpg"]


def test_links_that_lead_nowhere(tmp_path):
    touch(tmp_path, "in/a.tar", "out/x.jpg")
    (tmp_path / "out/gone.jpg").symlink_to("nowhere")
    (tmp_path / "out/gone").symlink_to("nowhere")
    # A row of its own: a picture that cannot be read.
    assert list(find_sources([str(tmp_path / "out")]).pictures[str(tmp_path / "out")]) == [
        "gone.jpg", "x.jpg",
    ]  # fmt: skip
    (tmp_path / "in/b.tar").symlink_to("nowhere")
    with pytest.raises(WebbodyError, match=r"b\.tar: is a link that leads nowhere"):
        find_sources([str(tmp_path / "in")])


def test_a_changed_file_is_another_one(tmp_path):
    touch(tmp_path, "a.jpg", "b.jpg")
    before = find_sources([str(tmp_path)]).pictures[str(tmp_path)]
    os.utime(tmp_path / "a.jpg", (1, 1))
    after = find_sources([str(tmp_path)]).pictures[str(tmp_path)]
    assert before["a.jpg"] != after["a.jpg"] and before["b.jpg"] == after["b.jpg"]


def test_sources_behind_a_url():
    fs = fsspec.filesystem("memory")
    fs.pipe({"/people/x/a.jpg": b"1", "/shards/0.tar": b"2"})
    found = find_sources(["memory://people", "memory://shards/0.tar"])
    assert list(found.pictures["memory://people"]) == ["x/a.jpg"]
    assert list(found.shards["memory://shards"]) == ["0.tar"]


def test_what_is_none_is_told(tmp_path):
    touch(tmp_path, "notes.txt", "empty/notes.txt")
    for source, told in (("none", "no such file"), ("notes.txt", "neither"), ("empty", "holds no")):
        with pytest.raises(WebbodyError, match=told):
            find_sources([str(tmp_path / source)])
