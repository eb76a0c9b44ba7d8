"""Filters of the user's own: found, loaded as they are now, asked, and what they may say."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.base.custom_filter import CustomFilter, CustomFilters, FilterSource, find_filter
from tests.command_line import one_sentence
from webbody.errors import WebbodyError

IMAGE = np.zeros((4, 6, 3), np.uint8)
ROW = {"key": "ab", "crop": "ab-0"}


@pytest.fixture(autouse=True)
def same_path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


def loaded(folder, text, function="mine:check", **settings):
    (folder / "mine.py").write_text(text)
    return CustomFilter(find_filter(function, str(folder), settings))


def saying(value):
    """A filter that says a value."""
    one = CustomFilter.__new__(CustomFilter)
    one._source = FilterSource("mine:check", "", {}, "")
    one._function = lambda image, row: value
    return one


def test_what_it_drops_has_its_reason(tmp_path):
    one = loaded(
        tmp_path,
        "def check(image, row, least):\n"
        "    return True if image.mean() >= least else (False, 'too_dark')\n",
        least=1,
    )
    assert one(IMAGE + 1, ROW) is None
    dropped = one(IMAGE, ROW)
    assert (dropped.outcome, dropped.detail) == ("custom:too_dark", "mine:check")


def test_the_first_that_drops_decides(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def wide(image, row): return (False, 'wide') if image.shape[1] > 5 else True\n"
        "def any(image, row): return False, 'any'\n"
    )
    sources = [find_filter(f"mine:{name}", str(tmp_path), {}) for name in ("wide", "any")]
    filters = CustomFilters(sources)
    assert filters(IMAGE, ROW).outcome == "custom:wide"
    assert filters(IMAGE[:, :3], ROW).outcome == "custom:any"
    assert not CustomFilters([]) and CustomFilters([])(IMAGE, ROW) is None


def test_it_is_the_file_as_it_is_now(tmp_path):
    """Edited in the same second and of the same size; then another one of the name elsewhere."""
    text = "def check(image, row): return False, 'reason-{}'\n"
    for number in range(3):
        assert loaded(tmp_path, text.format(number))(IMAGE, ROW).outcome.endswith(str(number))
    digest = find_filter("mine:check", str(tmp_path), {}).digest
    (tmp_path / "other").mkdir()
    assert loaded(tmp_path / "other", text.format(7))(IMAGE, ROW).outcome.endswith("7")
    assert find_filter("mine:check", str(tmp_path), {}).digest == digest


def test_a_file_that_changed_since_the_build_began_is_refused(tmp_path):
    (tmp_path / "mine.py").write_text("def check(image, row): return True\n")
    source = find_filter("mine:check", str(tmp_path), {})
    (tmp_path / "mine.py").write_text("def check(image, row): return False, 'x'\n")
    with pytest.raises(WebbodyError, match="not the file that this build began with"):
        CustomFilter(source)


def test_an_installed_module_comes_before_the_folder_and_is_left_alone(tmp_path):
    import json

    (tmp_path / "json.py").write_text("def loads(image, row): return True\n")
    with pytest.raises(WebbodyError, match=r"json/__init__\.py has no function no_such"):
        CustomFilter(find_filter("json:no_such", str(tmp_path), {}))
    assert sys.modules["json"] is json


def test_modules_beside_it_and_in_packages(tmp_path):
    (tmp_path / "filter_help").mkdir()
    (tmp_path / "filter_help/__init__.py").write_text("REASON = 'helped'\n")
    (tmp_path / "filter_help/inner.py").write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "from filter_help import REASON\n"
        "@dataclass\n"
        "class Box:\n"
        "    side: int\n"
        "def check(image, row): return False, REASON\n"
    )
    one = CustomFilter(find_filter("filter_help.inner:check", str(tmp_path), {}))
    assert one(IMAGE, ROW).outcome == "custom:helped"


def test_it_can_change_neither_image_nor_row_nor_end_the_build(tmp_path):
    one = loaded(tmp_path, "def check(image, row):\n    row['key'] = 'x'\n    return True\n")
    row = dict(ROW)
    assert one(IMAGE, row) is None and row == ROW
    one = loaded(tmp_path, "import sys\ndef check(image, row): sys.exit(0)\n")
    with pytest.raises(WebbodyError, match=r"at ab-0, failed \(SystemExit: 0\)"):
        one(IMAGE, ROW)
    one = loaded(tmp_path, "def check(image, row):\n    image[0] = 1\n    return True\n")
    with pytest.raises(WebbodyError, match=r"The filter mine:check, at ab-0, failed \(ValueError"):
        one(IMAGE, ROW)
    assert IMAGE.flags.writeable and not IMAGE.any()


@pytest.mark.parametrize(
    ("text", "function", "settings", "told"),
    [
        ("", "mine:check", {}, r"mine\.py has no function check"),
        ("check = 3", "mine:check", {}, r"mine\.py has no function check"),
        ("class check:\n    def __init__(self, image, row): ...", "mine:check", {}, "no function"),
        ("import no_such_thing", "mine:check", {}, "ModuleNotFoundError: No module named"),
        ("def check(:", "mine:check", {}, "SyntaxError"),
        ("1 / 0", "mine:check", {}, "ZeroDivisionError"),
        ("import sys; sys.exit(3)", "mine:check", {}, "SystemExit: 3"),
        ("def check(image): return True", "mine:check", {}, "cannot be called with an image"),
        ("def check(image, row): return True", "mine:check", {"least": 1}, "'least'"),
        ("def check(image, row, least): return True", "mine:check", {}, "'least'"),
        ("", "mine", {}, "is no name of a filter; write module:function"),
        ("", "mine.py:check", {}, r"there is no module mine\.py"),
        ("", "no_such_module:check", {}, "there is no module no_such_module"),
        ("", "no.such:check", {}, "no"),
        ("", "sys:exit", {}, "sys .* is no module with a source file"),
        ("", "../mine:check", {}, "is no name of a filter"),
    ],
)
def test_what_cannot_be_loaded_is_told_in_a_sentence(tmp_path, text, function, settings, told):
    with pytest.raises(WebbodyError, match=told) as error:
        loaded(tmp_path, text, function, **settings)
    assert one_sentence(f"webbody: {error.value}\n")


WRONG = st.one_of(
    st.none(),
    st.just(False),
    st.integers(),
    st.text(),
    st.tuples(st.booleans()),
    st.tuples(st.just(True), st.text()),
    st.tuples(st.just(False), st.one_of(st.none(), st.integers(), st.binary())),
    st.lists(st.booleans(), max_size=2),
    st.just(np.zeros(3)),
)


@given(WRONG)
def test_any_other_answer_is_told_with_function_and_image(value):
    with pytest.raises(WebbodyError, match=r"The filter mine:check, at ab-0, (returned|gave)") as e:
        saying(value)(IMAGE, ROW)
    assert one_sentence(f"webbody: {e.value}\n")


@given(st.text() | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True))
def test_a_reason_is_taken_as_it_is_or_refused(reason):
    fits = 0 < len(reason) <= 64 and all(
        c.isascii() and (c.isalnum() or c in "._-") for c in reason
    )
    if fits and reason[0].isalnum():
        assert saying((False, reason))(IMAGE, ROW).outcome == f"custom:{reason}"
    else:
        with pytest.raises(WebbodyError, match="a reason is 1 to 64") as error:
            saying((False, reason))(IMAGE, ROW)
        assert one_sentence(f"webbody: {error.value}\n")


def test_what_numpy_calls_true_is_true():
    assert saying(np.True_)(IMAGE, ROW) is None
    assert saying((np.False_, "dark"))(IMAGE, ROW).outcome == "custom:dark"
