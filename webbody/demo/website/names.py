"""Invented names of people, as queries of an image search would have them."""

from __future__ import annotations

import numpy as np

_STARTS = ("Ma", "Jo", "Le", "Ka", "Ni", "So", "El", "Ru", "Ti", "Ha", "Zé", "Bri", "Yu", "O", "Ša")
_MIDDLES = ("ri", "na", "lo", "vi", "da", "mé", "sa", "re", "ko", "li", "ø", "ju", "ni")
_ENDS = ("na", "n", "s", "ra", "l", "ko", "ne", "m", "ta", "th", "e", "o", "a")
_FAMILY_STARTS = (
    "Bel",
    "Cor",
    "Dal",
    "Fen",
    "Gar",
    "Hol",
    "Kes",
    "Lam",
    "Mor",
    "Nor",
    "Pel",
    "Quin",
)
_FAMILY_MIDDLES = ("a", "e", "i", "o", "u", "ü", "ar", "en", "is", "ol")
_FAMILY_ENDS = (
    "berg",
    "dez",
    "ford",
    "kov",
    "lin",
    "mann",
    "nen",
    "rossi",
    "ström",
    "tan",
    "vić",
    "well",
)
_PREFIXES = ("de ", "van ", "O'", "Mac", "al-")


def invent(rng: np.random.Generator, count: int) -> list[str]:
    """`count` different names; some with accents, blanks, apostrophes or a hyphen."""
    names: dict[str, None] = {}
    while len(names) < count:
        names.setdefault(f"{_given(rng)} {_family(rng)}")
    return list(names)


def _pick(rng: np.random.Generator, parts: tuple[str, ...]) -> str:
    return parts[int(rng.integers(len(parts)))]


def _given(rng: np.random.Generator) -> str:
    middle = _pick(rng, _MIDDLES) if rng.random() < 0.6 else ""
    name = _pick(rng, _STARTS) + middle + _pick(rng, _ENDS)
    return f"{name}-{_given(rng)}" if rng.random() < 0.05 else name


def _family(rng: np.random.Generator) -> str:
    prefix = _pick(rng, _PREFIXES) if rng.random() < 0.12 else ""
    return (
        prefix + _pick(rng, _FAMILY_STARTS) + _pick(rng, _FAMILY_MIDDLES) + _pick(rng, _FAMILY_ENDS)
    )
