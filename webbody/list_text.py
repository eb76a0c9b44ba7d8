"""Decoding text lists written by hand, by spreadsheets and on other systems."""

import codecs
import re

from webbody.errors import WebbodyError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    # The mark of UTF-16 is how that of UTF-32 begins.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def text_lines(data: bytes, where: str) -> list[str]:
    """The lines of a list without their ends (Unix, Windows or old Mac), and without a mark.

    The text is UTF-8, or UTF-16 or UTF-32 with the mark that says so. Raises WebbodyError, naming
    the line, for other text; `where` is what the list is called in it.
    """
    mark, encoding = next(
        ((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", "utf-8")
    )
    data = data[len(mark) :]
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        number = data[: error.start].count(b"\n") + 1
        raise WebbodyError(
            f"{where}, line {number}: is not {encoding.upper()} text; save the list as UTF-8."
        ) from error
    if "\0" in text:
        number = text[: text.index("\0")].count("\n") + 1
        raise WebbodyError(f"{where}, line {number}: is no text; save the list as UTF-8.")
    lines = re.split(r"\r\n|\r|\n", text)
    return lines if lines[-1] else lines[:-1]
