"""The orientation in an EXIF block (Exif 2.32, section 4.6.4)."""

#: More entries than a camera writes into the first directory.
_MAX_ENTRIES = 1000
_ORIENTATION = 0x0112


def orientation(exif: bytes) -> int:
    """The orientation 1..8; 1 where the block says nothing or is broken."""
    exif = exif.removeprefix(b"Exif\0\0")
    if exif[:4] not in (b"II*\0", b"MM\0*"):
        return 1
    order = "little" if exif[:1] == b"I" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], order)  # type: ignore[arg-type]

    start = number(4, 4)
    for entry in range(min(number(start, 2), _MAX_ENTRIES)):
        at = start + 2 + 12 * entry
        if number(at, 2) == _ORIENTATION and at + 12 <= len(exif):
            kind, count = number(at + 2, 2), number(at + 4, 4)
            size = {1: 1, 3: 2, 4: 4}.get(kind)
            value = number(at + 8, size) if size and count == 1 else 1
            return value if 1 <= value <= 8 else 1
    return 1
