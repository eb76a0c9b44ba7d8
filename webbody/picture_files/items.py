"""The items of AVIF and HEIC files: pictures, their properties, and where their bytes are (ISO/IEC
14496-12, section 8.11; 23008-12, section 9.3)."""

from dataclasses import dataclass, field

from webbody.picture_files.boxes import MAX_BOXES, Box, boxes, number
from webbody.picture_files.errors import ImageError


@dataclass
class HeifItem:
    """kind: four letters. properties: numbers from 1. extents: start and length of its parts, in
    the `idat` box where `inside`. tiles: items that it is made of."""

    kind: bytes = b""
    properties: list[int] = field(default_factory=list)
    extents: list[tuple[int, int]] = field(default_factory=list)
    inside: bool = False
    tiles: list[int] = field(default_factory=list)


class Items:
    """What the `meta` box tells; raises IndexError or ImageError where it makes no sense."""

    def __init__(self, data: bytes, meta: Box) -> None:
        self.data, self.primary = data, -1
        self.all: dict[int, HeifItem] = {}
        self._properties: list[Box] = []
        self._idat = 0
        for box in boxes(data, meta.start + 4, meta.end):
            if box.name == b"pitm":
                self.primary = number(data, box.start + 4, 4 if data[box.start] else 2)
            elif box.name == b"idat":
                self._idat = box.start
            elif box.name == b"iinf":
                self._read_kinds(box)
            elif box.name == b"iref":
                self._read_tiles(box)
            elif box.name == b"iloc":
                self._read_extents(box.start)
            elif box.name == b"iprp":
                for part in boxes(data, box.start, box.end):
                    if part.name == b"ipco":
                        self._properties = list(boxes(data, part.start, part.end))
                    elif part.name == b"ipma":
                        self._read_properties(part.start)

    def properties(self, item: HeifItem, name: bytes) -> list[Box]:
        """Those of an item that have a name."""
        own = (self._properties[i - 1] for i in item.properties if 0 < i <= len(self._properties))
        return [box for box in own if box.name == name]

    def shape(self, item: HeifItem) -> tuple[int, int] | None:
        """Width and height that its `ispe` declares."""
        for box in self.properties(item, b"ispe"):
            return number(self.data, box.start + 4, 4), number(self.data, box.start + 8, 4)
        return None

    def content(self, item: HeifItem) -> bytes:
        """Its bytes; raises ImageError `image:truncated` where the file ends before them."""
        parts, shift = [], self._idat if item.inside else 0
        for at, size in item.extents:
            if shift + at + size > len(self.data):
                raise ImageError("image:truncated", "a picture lies behind the end")
            parts.append(self.data[shift + at : shift + at + size if size else None])
        return b"".join(parts)

    def _item(self, key: int) -> HeifItem:
        if len(self.all) > MAX_BOXES:
            raise ImageError("image:unreadable", f"more than {MAX_BOXES:,} items")
        return self.all.setdefault(key, HeifItem())

    def _read_kinds(self, box: Box) -> None:
        data = self.data
        for entry in boxes(data, box.start + (8 if data[box.start] else 6), box.end):
            if entry.name == b"infe" and data[entry.start] in (2, 3):
                wide = 2 if data[entry.start] == 2 else 4
                kind = entry.start + 6 + wide
                self._item(number(data, entry.start + 4, wide)).kind = bytes(data[kind : kind + 4])

    def _read_tiles(self, box: Box) -> None:
        data, wide = self.data, 4 if self.data[box.start] else 2
        for entry in boxes(data, box.start + 4, box.end):
            count, first = number(data, entry.start + wide, 2), entry.start + wide + 2
            if entry.name == b"dimg" and count <= MAX_BOXES:
                item = self._item(number(data, entry.start, wide))
                item.tiles = [number(data, first + i * wide, wide) for i in range(count)]

    def _read_extents(self, at: int) -> None:
        data, version = self.data, self.data[at]
        offset, length = data[at + 4] >> 4, data[at + 4] & 15
        base, index = data[at + 5] >> 4, data[at + 5] & 15 if version else 0
        wide = 4 if version == 2 else 2
        count, at = number(data, at + 6, wide), at + 6 + wide
        for _ in range(count):
            item, at = self._item(number(data, at, wide)), at + wide
            if version:
                item.inside, at = number(data, at, 2) & 15 == 1, at + 2
            begin, at = number(data, at + 2, base), at + 2 + base
            parts, at = number(data, at, 2), at + 2
            if len(item.extents) + parts > MAX_BOXES:
                raise ImageError("image:unreadable", f"a picture in {parts:,} parts")
            for _ in range(parts):
                at += index
                place, size = number(data, at, offset), number(data, at + offset, length)
                item.extents.append((begin + place, size))
                at += offset + length

    def _read_properties(self, at: int) -> None:
        data, wide = self.data, 2 if self.data[at + 3] & 1 else 1
        size, mask = 4 if data[at] else 2, 0x7FFF if wide == 2 else 0x7F
        count, at = number(data, at + 4, 4), at + 8
        for _ in range(count):
            item, at = self._item(number(data, at, size)), at + size
            length, at = number(data, at, 1), at + 1
            item.properties += [number(data, at + i * wide, wide) & mask for i in range(length)]
            at += length * wide
