"""A release's folder: the new one, or the old one, at whatever moment its writer ends."""

import pytest

from pipelines.release.target import ReleaseTarget


def write(target, text):
    with target.named() as folder:
        (folder / "data").write_text(text)


def test_it_is_replaced_as_a_whole_and_nothing_else_is_left(tmp_path):
    target = ReleaseTarget(str(tmp_path / "faces"))
    write(target, "first")
    write(target, "second")
    assert (tmp_path / "faces/data").read_text() == "second"
    with pytest.raises(RuntimeError), target.named() as folder:
        (folder / "data").write_text("half")
        raise RuntimeError
    assert (tmp_path / "faces/data").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]


def test_an_older_release_comes_back_where_its_replacement_was_killed(tmp_path):
    target = ReleaseTarget(str(tmp_path / "faces"))
    write(target, "first")
    (tmp_path / "faces").rename(tmp_path / ".faces.replaced")  # between the two renames
    write(ReleaseTarget(str(tmp_path / "faces")), "second")
    assert (tmp_path / "faces/data").read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]
    (tmp_path / "faces").rename(tmp_path / ".faces.replaced")
    with pytest.raises(RuntimeError), ReleaseTarget(str(tmp_path / "faces")).named():
        raise RuntimeError
    assert (tmp_path / "faces/data").read_text() == "second"
