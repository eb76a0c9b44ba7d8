"""Text of two or four bytes a character, which would be thousands of broken lines: told at once."""

import codecs
from pathlib import Path

from webbody.errors import WebbodyError
from webbody.manifest.lines import open_text

#: Marks at the beginning; that of UTF-16 is how that of UTF-32 begins.
_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_FORMS = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
#: Bytes that are looked at.
_HEAD = 4096


def refuse_wide_text(file: Path, label: str) -> None:
    """Raises WebbodyError where a text, plain or compressed, is UTF-16 or UTF-32.

    Without a mark it is recognised by its zeros, as of the two or four bytes of most characters in
    a list all but one are zero, and by its being text when it is read so.

    Args:
        file: What is looked into.
        label: What it is called in the error.
    """
    try:
        with open_text(file) as stream:
            head = stream.read(_HEAD)
    except (OSError, EOFError):
        return  # told where it is read
    if encoding := _encoding(head):
        raise WebbodyError(f"{label}: is {encoding} text; save it as UTF-8.")


def _encoding(head: bytes) -> str:
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    if head.count(0) * 4 < len(head):
        return ""
    for form in _FORMS:
        try:
            text = codecs.getincrementaldecoder(form)().decode(head)
        except UnicodeDecodeError:
            continue
        plain = sum(character.isascii() for character in text)
        fine = all(character.isprintable() or character in "\t\r\n" for character in text)
        if fine and 2 * plain > len(text):
            return form[:6].upper()
    return ""
