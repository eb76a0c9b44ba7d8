"""Which shards folders and patterns mean, and what is told of those that mean none."""

import json
import os

import fsspec
import pytest

from model.shard_list import list_shards
from tests.model.training.small_shards import members, write_shards
from webbody.errors import WebbodyError


def names(datasets, split="train"):
    return [(s.dataset, s.url.rsplit("/", 1)[-1]) for s in list_shards(datasets, split)]


def test_a_build_gives_its_training_shards(demo):
    index = json.loads((demo.out / "pack/index.json").read_text())
    listed = [(0, shard["name"]) for shard in index["splits"]["train"]["shards"]]
    assert names([str(demo.out)]) == names([str(demo.out / "pack")]) == listed


def test_an_index_gives_the_shards_of_one_split(tmp_path):
    write_shards(tmp_path, 3, 1)
    splits = {"train": [0, 2], "test": [1]}
    listed = {
        split: {"shards": [{"name": f"train-{i:03}.tar"} for i in numbers]}
        for split, numbers in splits.items()
    }
    (tmp_path / "index.json").write_text(json.dumps({"splits": listed}))
    for split, numbers in splits.items():
        assert names([str(tmp_path)], split) == [(0, f"train-{i:03}.tar") for i in numbers]
    with pytest.raises(WebbodyError, match="no shards of the split 'validation'"):
        list_shards([str(tmp_path)], "validation")


def test_folders_braces_and_stars_of_several_data_sets(tmp_path):
    write_shards(tmp_path / "a", 8, 2)
    write_shards(tmp_path / "b", 2, 1)
    (tmp_path / "a/readme.txt").write_text("no shard")
    found = names([f"{tmp_path}/a", f"{tmp_path}/b/train-{{000..001}}.tar", f"{tmp_path}/a/*2.tar"])
    assert found == [
        *[(0, f"train-{i:03}.tar") for i in range(4)],
        *[(1, f"train-{i:03}.tar") for i in range(2)],
        (2, "train-002.tar"),
    ]


def test_shards_behind_a_url():
    memory = fsspec.filesystem("memory")
    memory.pipe("/list/a-0.tar", b"x" * 100)
    assert [s.url for s in list_shards(["memory://list"])] == ["memory:///list/a-0.tar"]
    assert names(["memory://list/a-*.tar", "memory://list/a-0.tar"]) == [
        (0, "a-0.tar"),
        (1, "a-0.tar"),
    ]


def test_hidden_twins_are_no_shards_and_links_are_followed(tmp_path):
    root = tmp_path / ".cache/shards"
    write_shards(root, 4, 2)
    for hidden in ("._train-000.tar", ".x/train-000.tar", "@eaDir/train-000.tar"):
        (root / hidden).parent.mkdir(exist_ok=True)
        (root / hidden).write_bytes(b"macOS")
    write_shards(tmp_path / "away", 1, 1)
    (root / "more").symlink_to(tmp_path / "away")
    (root / "more/up").symlink_to(root)
    (root / "train-002.tar").symlink_to("train-001.tar")
    (root / "folder.tar").mkdir()
    numbers = ["train-000.tar", "train-001.tar", "train-002.tar"]
    assert names([str(root)]) == [(0, name) for name in numbers]
    assert names([f"{root}/*.tar", f"{root}/[mt]*/*.tar", f"{root}/**/*-000.tar"]) == [
        *[(0, name) for name in numbers],
        (1, "train-000.tar"),
        (2, "train-000.tar"),
        (2, "train-000.tar"),
    ]
    # What is named itself is taken, and told.
    assert [s.url for s in list_shards([f"{root}/._train-000.tar"])] == [f"{root}/._train-000.tar"]


def test_a_pattern_enters_only_folders_that_it_can_match(tmp_path, monkeypatch):
    for name in ("web-1", "web-2", "other"):
        write_shards(tmp_path / name / "deep", 2, 2)
    scanned = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: scanned.append(str(path)) or scandir(path))
    assert names([f"{tmp_path}/web-*/d?ep/*.tar"]) == [(0, "train-000.tar")] * 2
    entered = sorted(path.removeprefix(str(tmp_path)) for path in scanned)
    assert entered == ["", "/web-1", "/web-1/deep", "/web-2", "/web-2/deep"]


def test_patterns_behind_a_url():
    memory = fsspec.filesystem("memory")
    memory.pipe({"/deep/x/a-0.tar": b"x", "/deep/x/._a-0.tar": b"x", "/deep/y/a-1.tar": b"x"})
    assert names(["memory://deep/*/a-?.tar"]) == [(0, "a-0.tar"), (0, "a-1.tar")]


def test_the_state_changes_with_the_file(tmp_path):
    write_shards(tmp_path, 1, 1)
    (before,) = list_shards([str(tmp_path)])
    write_shards(tmp_path, 2, 2)
    (after,) = list_shards([str(tmp_path)])
    assert before.url == after.url and before.state != after.state


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        ("none", "none: there is no such shard or folder"),
        ("empty", "no shards"),
        ("full/*.zip", "no shards"),
        ("full/train-{000..005}.tar", "train-001.tar: there is no such"),
        ("full/train-{000", "braces"),
        ("zero/a.tar", "zero/a.tar: is empty"),
        ("broken", "index.json: is no index"),
        ("gone", "train-7.tar: there is no such"),
        ("none/*.tar", "none: there is no such folder"),
        ("linked", "b.tar: there is no such shard"),
        ("linked/*.tar", "b.tar: there is no such shard"),
    ],
)
def test_what_names_no_shards_is_told(tmp_path, dataset, told):
    write_shards(tmp_path / "full", len(members(0)) // 3, 1)
    for folder in ("empty", "zero", "broken", "gone", "linked"):
        (tmp_path / folder).mkdir()
    (tmp_path / "linked/b.tar").symlink_to("nowhere")
    (tmp_path / "zero/a.tar").touch()
    (tmp_path / "broken/index.json").write_text("{}")
    shards = {"train": {"shards": [{"name": "train-7.tar"}]}}
    (tmp_path / "gone/index.json").write_text(json.dumps({"splits": shards}))
    with pytest.raises(WebbodyError, match=told):
        list_shards([f"{tmp_path}/{dataset}"])
