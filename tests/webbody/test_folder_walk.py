"""The one walk of folders: what it finds and leaves out, on disks and behind URLs."""

import os
import shutil
import tempfile
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webbody.errors import WebbodyError
from webbody.folder_walk import AGAIN, BROKEN, HIDDEN, SPECIAL, FolderWalk
from webbody.plain_text import plain_text

ORDINARY = [
    "a",
    "B",
    "ann lee",
    "Zoë",
    "李娜",
    "e\u0301",
    "a.b",
    "x~",
    "m.0107_f",
    "#1",
    "[1]",
    "1*",
]
LEFT_OUT = [
    ".x", "._a", "..a", ".ipynb_checkpoints", ".Trash-1000", ".DS_Store", "__MACOSX", "@eaDir",
    "Thumbs.db", "lost+found", "$RECYCLE.BIN", "System Volume Information", "desktop.ini",
]  # fmt: skip
names = st.sampled_from(ORDINARY) | st.sampled_from(LEFT_OUT)
#: Files by the parts of their paths.
places = st.lists(names, max_size=3)
trees = st.lists(st.lists(names, min_size=1, max_size=4).map(tuple), max_size=12)


def without_clashes(tree):
    """No file is a folder too."""
    folders = {path[:depth] for path in tree for depth in range(1, len(path))}
    return sorted(set(tree) - folders)


def expected(tree):
    return sorted("/".join(path) for path in tree if not set(path) & set(LEFT_OUT))


def write(root: Path, tree):
    for path in tree:
        file = root.joinpath(*path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")


@pytest.fixture
def folder():
    made = Path(tempfile.mkdtemp())
    yield made
    shutil.rmtree(made)


@given(trees)
def test_every_file_but_hidden_ones_on_disks_and_behind_urls(tree):
    tree = without_clashes(tree)
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]
    memory.makedirs("/.hidden/root")
    for path in tree:
        memory.pipe("/.hidden/root/" + "/".join(path), b"x")
    with tempfile.TemporaryDirectory() as made:
        # What lies around the given folder is no matter.
        root = Path(made, ".hidden", "@eaDir")
        root.mkdir(parents=True)
        write(root, tree)
        walks = [
            FolderWalk(root),
            FolderWalk(f"file://{root}"),
            FolderWalk("memory://.hidden/root"),
        ]
        found = [[file.path for file in walk] for walk in walks]
        order = [file.path for file in FolderWalk(root)]
    assert sorted(found[0]) == expected(tree)
    assert found == [order] * 3
    assert len({walk.left_out[HIDDEN] for walk in walks}) == 1


@given(
    trees,
    st.lists(
        st.tuples(
            st.lists(names, max_size=3), st.sampled_from(ORDINARY), st.lists(names, max_size=3)
        ),
        max_size=5,
    ),
)
def test_each_folder_that_links_lead_to_is_read_once(tree, links):
    with tempfile.TemporaryDirectory() as made:
        root = Path(made).resolve() / "root"
        root.mkdir()
        write(root, without_clashes(tree))
        for place, name, target in links:
            at, to = root.joinpath(*place), root.joinpath(*target)
            if at.is_dir() and not (at / name).exists() and not (at / name).is_symlink():
                (at / name).symlink_to(to)
        reached = sorted(file.real for file in FolderWalk(root))
        assert reached == sorted(reach(root))


def reach(root: Path) -> list[str]:
    """Files in the folders that can be reached, by another way: folders are collected first."""
    folders, todo = set(), [root]
    while todo:
        here = todo.pop()
        if here in folders:
            continue
        folders.add(here)
        for child in here.iterdir():
            # Not Path.resolve, which before Python 3.13 raises where a link leads to itself.
            target = Path(os.path.realpath(child))
            loop = child.is_symlink() and (
                here.is_relative_to(target) or root.is_relative_to(target)
            )
            if child.name not in LEFT_OUT and child.is_dir() and not loop:
                todo.append(target)
    return [
        os.path.realpath(child)
        for here in folders
        for child in here.iterdir()
        if child.name not in LEFT_OUT and child.is_file()
    ]


def test_links_loops_and_what_is_no_file(folder):
    root = folder / "root"
    write(root, [("a", "1.jpg"), ("a", "b", "2.jpg"), ("z.jpg",)])
    write(folder / "out", [("in", "q.jpg")])
    for name, target in {
        "self": ".",
        "up": "..",
        "a/top": "../../root",
        "broken": "nowhere",
        "loop.jpg": "loop.jpg",
        "0ut": folder / "out",
        "in": folder / "out/in",
        "l.jpg": "a/1.jpg",
        "here": "a",
    }.items():
        (root / name).symlink_to(target)
    (folder / "out/back").symlink_to(root)
    os.mkfifo(root / "pipe.jpg")
    walk = FolderWalk(root)
    assert [file.path for file in walk] == [
        "l.jpg",
        "z.jpg",
        "a/1.jpg",
        "a/b/2.jpg",
        "0ut/in/q.jpg",
    ]
    # self, up, top, back, and the folders `in` and `here`, which were read before.
    assert walk.left_out == {AGAIN: 6, BROKEN: 2, SPECIAL: 1}
    assert walk.broken == ["broken", "loop.jpg"]
    assert [file.path for file in FolderWalk(root / "here")] == ["1.jpg", "b/2.jpg"]


def test_a_folder_is_walked_while_it_is_read(folder, monkeypatch):
    write(folder, [(f"{number:04}", "x.jpg") for number in range(200)])
    scanned = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: scanned.append(path) or scandir(path))
    walk = iter(FolderWalk(folder))
    assert [next(walk).path for _ in range(3)] == ["0000/x.jpg", "0001/x.jpg", "0002/x.jpg"]
    assert len(scanned) == 4


def test_only_the_folders_that_are_asked_for_are_entered(folder):
    write(folder, [("a", "x"), ("b", "x"), ("b", "c", "x"), ("y",)])
    assert [file.path for file in FolderWalk(folder, lambda path: path == "b")] == ["y", "b/x"]
    assert [file.path for file in FolderWalk(folder, lambda path: False)] == ["y"]


def test_what_cannot_be_read_is_told(folder, monkeypatch):
    write(folder, [("a", "x.jpg"), ("locked\n", "x.jpg")])
    with pytest.raises(WebbodyError, match="none: there is no such folder"):
        list(FolderWalk(folder / "none"))
    with pytest.raises(WebbodyError, match=r"x\.jpg: is no folder"):
        list(FolderWalk(folder / "a/x.jpg"))
    with pytest.raises(WebbodyError, match="nothing://x: cannot be opened"):
        FolderWalk("nothing://x")
    with pytest.raises(WebbodyError, match="none: there is no such folder"):
        list(FolderWalk("memory://none"))
    scandir = os.scandir

    def deny(path):  # whoever runs tests may be allowed to read everything
        if str(path).endswith("locked\n"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    with pytest.raises(WebbodyError) as told:
        list(FolderWalk(folder))
    assert "locked\N{REPLACEMENT CHARACTER}: this folder cannot be read (Permission denied)" in str(
        told.value
    )


def test_the_state_tells_of_a_change(folder):
    write(folder, [("a.jpg",), ("b.jpg",)])
    before = {file.path: file.state for file in FolderWalk(folder)}
    os.utime(folder / "a.jpg", (1, 1))
    after = {file.path: file.state for file in FolderWalk(folder)}
    assert before["a.jpg"] != after["a.jpg"] and before["b.jpg"] == after["b.jpg"]


def test_names_are_shown_in_one_line():
    assert plain_text("a\x1b[31m\nb\udce9é 李") == "a\ufffd[31m\ufffdb\ufffdé 李"
