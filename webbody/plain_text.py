"""Sanitising untrusted text for terminals, logs and pages."""

import unicodedata

from webbody.redaction import redacted

#: Characters that turn the direction of what follows them, and so can show another text.
_TURNING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SHOWN = "\N{REPLACEMENT CHARACTER}"


def plain_text(text: object, most: int = 0) -> str:
    """One line without control characters: no escape sequence, line break or turned direction.

    Such characters (also unpaired surrogates, which no terminal can encode) become visible as
    U+FFFD; secrets in URLs are hidden. `most` cuts what is longer, 0 leaves it whole. Whoever hands
    the result to rich must also keep it from being read as markup: in a `Text`, or with
    markup=False.
    """
    whole = redacted(str(text))
    part = whole if not most else whole[: most + 1]
    shown = "".join(_SHOWN if _dangerous(character) else character for character in part)
    return shown if not most or len(shown) <= most else shown[: most - 1] + "…"


def counted(number: int, what: str) -> str:
    """A number of things as one reads it: 1 row, 2,000 rows, 3 entries."""
    if number != 1:
        what = what.removesuffix("y") + "ies" if what.endswith(("ry", "ty")) else f"{what}s"
    return f"{number:,} {what}"


def plain_lines(text: str) -> str:
    """`plain_text` for a text of several lines, which stay lines."""
    return "\n".join(plain_text(line) for line in text.split("\n"))


def _dangerous(character: str) -> bool:
    return character in _TURNING or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
