"""What was listed once: it answers as the store would, and no longer where it cannot know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webbody.snapshot import INDEX, Entry, Snapshot, entries_of, fill, new_segment


class Store:
    """Files with tags that change with each write, and a count of those that were read."""

    def __init__(self):
        self.files, self.writes, self.reads = {}, 0, []

    def write(self, name, data):
        self.writes += 1
        self.files[name] = (str(self.writes), data)

    def look(self, past=None):
        snapshot = Snapshot({n: Entry(len(d), tag) for n, (tag, d) in self.files.items()})
        if past is not None:
            snapshot.contents, snapshot.indexed = past.contents, past.indexed
            snapshot.loaded = past.loaded
        self.reads = []
        fill(snapshot, self.read)
        return snapshot

    def read(self, names):
        self.reads += names
        return {name: self.files[name][1] for name in names if name in self.files}

    def keep(self, snapshot):
        """Write the segment as a folder does."""
        segment = new_segment(snapshot)
        if segment is not None:
            name, data, replaced = segment
            self.write(name, data)
            for old in replaced:
                del self.files[old]
        return segment


def test_the_second_look_reads_the_index_and_no_record():
    store = Store()
    for number in range(50):
        store.write(f"faces/{number:08x}.json", b"%d" % number)
        store.write(f"faces/{number:08x}.parquet", b"a table")
    first = store.look()
    assert len(store.reads) == 50  # the tables are not read
    store.keep(first)
    again = store.look()
    assert store.reads == [f"{INDEX}/000001.parquet"]
    assert again.content("faces/00000007.json") == b"7"
    assert store.keep(again) is None


def test_a_record_that_was_written_since_is_read_itself():
    store = Store()
    store.write("faces/00000000.json", b"old")
    store.write("faces/00000001.json", b"same")
    store.keep(store.look())
    store.write("faces/00000000.json", b"new")
    again = store.look()
    assert store.reads == [f"{INDEX}/000001.parquet", "faces/00000000.json"]
    assert again.content("faces/00000000.json") == b"new"
    again.changed.add("faces/00000001.json")
    assert again.content("faces/00000001.json") is None
    assert not again.knows("faces/00000001.json")


def test_segments_become_one_when_there_are_many():
    store, past = Store(), None
    for number in range(12):
        store.write(f"pack/train-{number:06d}.json", b"%d" % number)
        past = store.look(past)
        store.keep(past)
        assert sum(name.startswith(INDEX) for name in store.files) <= 9
    whole = store.look()
    assert all(name.startswith(INDEX) for name in store.reads)
    assert whole.content("pack/train-000000.json") == b"0"
    assert whole.content("pack/train-000011.json") == b"11"


@given(st.lists(st.tuples(st.sampled_from(["write", "remove", "look", "keep"]), st.integers(0, 4))))
def test_after_anything_that_happens_a_look_tells_what_is_there(steps):
    store, past = Store(), None
    for what, number in steps:
        name = f"faces/{number:08x}.json"
        if what == "write":
            store.write(name, b"%d" % store.writes)
        elif what == "remove":
            store.files.pop(name, None)
        elif what == "look":
            past = store.look(past)
        elif past is not None:
            store.keep(past)
    for found in (store.look(past), store.look()):
        for name, (_, data) in store.files.items():
            assert name.startswith(INDEX) or found.content(name) == data
        assert found.content("faces/ffffffff.json") is None


def test_files_without_a_tag_are_read_at_each_look():
    snapshot = Snapshot({"faces/00.json": Entry(3, "")})
    fill(snapshot, lambda names: dict.fromkeys(names, b"abc"))
    assert snapshot.content("faces/00.json") == b"abc"
    assert new_segment(snapshot) is None
    again = Snapshot({"faces/00.json": Entry(3, "")}, snapshot.contents)
    assert again.content("faces/00.json") is None
    fill(again, lambda names: dict.fromkeys(names, b"def"))
    assert again.content("faces/00.json") == b"def"


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:40] + data[60:]])
def test_a_damaged_segment_is_none(damage):
    store = Store()
    store.write("faces/00000000.json", b"record")
    store.keep(store.look())
    segment = f"{INDEX}/000001.parquet"
    store.files[segment] = ("other", damage(store.files[segment][1]))
    again = store.look()
    assert store.reads == [segment, "faces/00000000.json"]
    assert again.content("faces/00000000.json") == b"record"
    store.keep(again)
    assert store.look().content("faces/00000000.json") == b"record"
    assert "faces/00000000.json" not in store.reads


@pytest.mark.parametrize("root", ["bucket/build", "/bucket/build", "bucket/build/"])
def test_names_below_the_root(root):
    found = {
        "bucket/build/faces/00.json": {"size": 3, "ETag": '"a"', "type": "file"},
        "/bucket/build/build.json": {"size": 5, "generation": 7},
        "bucket/build/faces": {"size": 0, "type": "directory"},
    }
    assert entries_of(root, found) == {
        "faces/00.json": Entry(3, '"a"'),
        "build.json": Entry(5, "7"),
    }
