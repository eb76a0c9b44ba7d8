"""The lines of lists, whatever wrote them."""

import codecs
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webbody.errors import WebbodyError
from webbody.list_text import text_lines

MARKS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
lines = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\n\0\ufeff"), min_size=1
)


@given(st.lists(lines), st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(sorted(MARKS)))
def test_encodings_and_ends_of_lines(written, end, encoding):
    data = MARKS[encoding] + "".join(line + end for line in written).encode(encoding)
    assert text_lines(data, "l.txt") == written
    assert text_lines(data, "l.txt") == text_lines(data.removesuffix(end.encode(encoding)), "l.txt")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a\nb\xe9\n", "l.txt, line 2: is not UTF-8 text"),
        (b"a\nb\0\n", "l.txt, line 2: is no text"),
        ("a\nb".encode("utf-16-le"), "l.txt, line 1: is no text"),
        (codecs.BOM_UTF16_LE + b"a", "l.txt, line 1: is not UTF-16-LE text"),
    ],
)
def test_what_is_no_text_is_told(data, told):
    with pytest.raises(WebbodyError, match=re.escape(told)):
        text_lines(data, "l.txt")
