"""What the synthetic web consists of: who has which name, and what lies behind each URL.

Only decisions are made here; `pictures` draws. The same arguments give the same plan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from webbody.demo.website import kinds
from webbody.demo.website.names import invent

#: Scenes that should show the named person, and their shares.
RIGHT = {"close-up": 0.32, "half": 0.32, "full": 0.2, "group": 0.16}
#: Scenes without the named person.
WRONG = {"stranger": 0.5, "strangers": 0.3, "nobody": 0.2}
_ODD_SHARE = 0.25  # of a name's images; odd by behaviour or by encoding
_COPY_SHARE = 0.17  # of a name's right images; half exact copies, half near ones

# Identity numbers: a block for each seed, far above the numbers that the models were trained on.
_BLOCK = 32
_GALLERY_ONLY, _COMPANION, _STRANGER = 1 << 28, 1 << 29, 1 << 30


@dataclass(frozen=True)
class WebFile:
    """One file of the web. `scene` is one of RIGHT or WRONG, `people` the identities drawn.

    A copy has the number of its original in `copy_of`, and in `near` how it was changed ("" for
    the same bytes).
    """

    number: int
    scene: str
    people: tuple[int, ...]
    behaviour: str = kinds.PLAIN
    encoding: str = kinds.PLAIN
    copy_of: int | None = None
    near: str = ""

    @property
    def special(self) -> bool:
        return (self.behaviour, self.encoding) != (kinds.PLAIN, kinds.PLAIN)


@dataclass(frozen=True)
class ManifestRow:
    """One row of the manifest. kind: right, wrong, repeated, or bad (`item` is None)."""

    name: str | None
    identity: int | None
    kind: str
    item: WebFile | None = None
    url: str | None = None
    expected: str = ""


@dataclass(frozen=True)
class WebPlan:
    """The whole web. names: name -> identity.

    gallery: identities of the validation people. leaked: those of them who also have a name.
    """

    names: dict[str, int]
    gallery: tuple[int, ...]
    leaked: frozenset[int]
    rows: tuple[ManifestRow, ...]


def make_plan(names: int, images: int, seed: int, gallery: int = 10) -> WebPlan:
    """Decide everything. names: number of names; images: URLs of each; gallery: validation people.

    A twelfth of the people (three at least, from 12 names on) has two names; as many are validation
    people.
    """
    rng = np.random.default_rng((seed, 0x3EB))
    special = max(3, names // 12) if names >= 12 else names // 4
    block = (seed + 1) << _BLOCK
    people = [block + index for index in range(names - special)]
    meaning = people + people[:special]  # the first people have two names
    called = dict(
        zip(invent(rng, names), (meaning[i] for i in rng.permutation(names)), strict=True)
    )
    leaked = people[len(people) - special :]
    extra = [block + _GALLERY_ONLY + index for index in range(max(0, gallery - special))]
    maker = _Maker(rng, people, images, block)
    rows = [row for name, identity in called.items() for row in maker.rows(name, identity)]
    rows = _share_urls(rng, rows, names // 20)
    rows = [rows[i] for i in rng.permutation(len(rows))]
    rows += [
        replace(row, kind="repeated", expected="manifest:duplicate") for row in _some(rng, rows)
    ]
    rows += _bad_rows(rows)
    return WebPlan(called, (*leaked, *extra), frozenset(leaked), tuple(rows))


class _Maker:
    """Makes the rows of one name after another."""

    def __init__(
        self, rng: np.random.Generator, people: list[int], images: int, block: int
    ) -> None:
        self.rng, self.people, self.images, self.block = rng, people, images, block
        self.items = 0
        self.originals: dict[
            int, list[WebFile]
        ] = {}  # plain right images of a person, under any name
        odd = [(kind, kinds.PLAIN) for kind in kinds.BEHAVIOURS if kind != kinds.PLAIN]
        odd += [(kinds.PLAIN, kind) for kind in kinds.ENCODINGS if kind != kinds.PLAIN]
        first = [pair for pair in odd if not set(pair) & set(kinds.LATER)]
        self.odd = [first[i] for i in rng.permutation(len(first))]  # dealt out in turn: all occur
        places = np.random.default_rng((block, 0x0DD))
        for pair in odd:
            if pair not in first:
                self.odd.insert(int(places.integers(len(self.odd) + 1)), pair)
        self.dealt = 0

    def rows(self, name: str, identity: int) -> list[ManifestRow]:
        rng, images = self.rng, self.images
        wrong = round(0.3 * images) - int(images >= 8 and rng.random() < 0.3)
        copies = int(rng.binomial(images - wrong, _COPY_SHARE))
        copies = max(0, min(copies, images - wrong - 4))
        right = [self._right(identity) for _ in range(images - wrong - copies)]
        others = [self._wrong(identity) for _ in range(wrong)]
        # Copied images stay ordinary ones, so that a copy says something about the original.
        plain = right[:2]
        items = plain + self._make_odd(right[2:] + others)
        known = self.originals.setdefault(identity, [])
        known += plain
        items += [self._copy(known[int(rng.integers(len(known)))]) for _ in range(copies)]
        return [
            ManifestRow(
                name,
                identity,
                "right" if item.scene in RIGHT else "wrong",
                item,
                expected=kinds.expected(item.behaviour, item.encoding),
            )
            for item in items
        ]

    def _number(self) -> int:
        self.items += 1
        return self.items - 1

    def _right(self, identity: int) -> WebFile:
        number = self._number()
        scene = _draw(self.rng, RIGHT)
        people = [identity]
        if scene == "group":
            for place in range(int(self.rng.integers(1, 3))):
                # Somebody who is often seen together with this person, or anybody.
                often = self.block + _COMPANION + identity % _COMPANION
                known = place == 0 and self.rng.random() < 0.5
                people.append(often if known else self._stranger(number, place))
        return WebFile(number, scene, tuple(people))

    def _wrong(self, identity: int) -> WebFile:
        number = self._number()
        scene = _draw(self.rng, WRONG)
        count = {"stranger": 1, "strangers": int(self.rng.integers(2, 4)), "nobody": 0}[scene]
        people = [self._stranger(number, place) for place in range(count)]
        famous = [other for other in self.people if other != identity]
        if people and famous and self.rng.random() < 0.5:
            people[0] = famous[int(self.rng.integers(len(famous)))]
        return WebFile(number, scene, tuple(people))

    def _stranger(self, number: int, place: int) -> int:
        return self.block + _STRANGER + 4 * number + place

    def _make_odd(self, items: list[WebFile]) -> list[WebFile]:
        chosen = self.rng.permutation(len(items))[: round(_ODD_SHARE * self.images)]
        for index in chosen:
            behaviour, encoding = self.odd[self.dealt % len(self.odd)]
            self.dealt += 1
            items[index] = replace(items[index], behaviour=behaviour, encoding=encoding)
        return items

    def _copy(self, original: WebFile) -> WebFile:
        near = (
            kinds.NEAR[int(self.rng.integers(len(kinds.NEAR)))] if self.rng.random() < 0.5 else ""
        )
        return replace(original, number=self._number(), copy_of=original.number, near=near)


def _share_urls(rng: np.random.Generator, rows: list[ManifestRow], count: int) -> list[ManifestRow]:
    """Let a few group photos show two named people and stand under both names, by the same URL."""
    copied = {row.item.copy_of for row in rows if row.item}
    groups: list[int] = []
    replaceable: list[int] = []
    for index, row in enumerate(rows):
        item = row.item
        if row.kind == "right" and item and not item.special and item.copy_of is None:
            if item.number in copied:
                continue
            (groups if item.scene == "group" else replaceable).append(index)
    others = iter([replaceable[place] for place in rng.permutation(len(replaceable))])
    for place in rng.permutation(len(groups))[:count]:
        row = rows[groups[place]]
        other = next((index for index in others if rows[index].identity != row.identity), None)
        if other is None or row.item is None or row.identity is None:
            break
        identity = rows[other].identity
        assert identity is not None
        shared = replace(row.item, people=(row.identity, identity))
        rows[groups[place]] = replace(row, item=shared)
        rows[other] = replace(rows[other], item=shared)
    return rows


def _some(rng: np.random.Generator, rows: list[ManifestRow]) -> list[ManifestRow]:
    return [rows[i] for i in rng.permutation(len(rows))[: max(1, len(rows) // 80)]]


def _bad_rows(rows: list[ManifestRow]) -> list[ManifestRow]:
    """Rows that no build can use."""
    name = rows[0].name
    return [
        ManifestRow(name, None, "bad", url=None, expected="manifest:no-url|manifest:bad-row"),
        ManifestRow(
            None,
            None,
            "bad",
            url="http://127.0.0.1/x.jpg",
            expected="manifest:no-name|manifest:bad-row",
        ),
        ManifestRow(
            name, None, "bad", url="not a URL", expected="manifest:bad-url|download:scheme"
        ),
        ManifestRow(
            name,
            None,
            "bad",
            url="ftp://127.0.0.1/x.jpg",
            expected="manifest:bad-url|download:scheme",
        ),
    ]


def _draw(rng: np.random.Generator, shares: dict[str, float]) -> str:
    return list(shares)[int(rng.choice(len(shares), p=list(shares.values())))]
