"""Scoring people: labels, merged names, leaked validation people and duplicates of a build."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from webbody.demo.scoring.score_images import Match, share


def _labels(matched: list[Match]) -> tuple[dict[int, int], int, int]:
    """The identity that most samples of each person show, samples that show it, all samples."""
    shown: dict[int, Counter[int | None]] = {}
    for match in matched:
        for crop, figure in match.kept():
            assert crop.person is not None
            identity = None if figure is None else figure["identity"]
            shown.setdefault(crop.person, Counter())[identity] += 1
    means, pure, total = {}, 0, 0
    for person, counts in shown.items():
        total += counts.total()
        known = [(count, identity) for identity, count in counts.items() if identity is not None]
        if known:
            count, means[person] = max(known)
            pure += count
    return means, pure, total


def identities(matched: list[Match]) -> dict[str, Any]:
    """Purity: kept samples that show the identity which most samples of their person show.

    Recall: of the images that should be kept, those of which a sample (or of their copies) is kept
    that shows the named person, under a label that means this person.
    """
    _, pure, total = _labels(matched)
    expected, found = _required_and_found(matched)
    return {
        "identity_purity": share(pure, total),
        "identity_recall": share(len(found), len(expected)),
    }


def lost(matched: list[Match], outcomes: Mapping[int, str]) -> dict[str, int]:
    """What the images died of that recall misses: outcome of their manifest row -> images.

    `kept` are images of which a sample is in the data that shows somebody else, or that stands
    under another person's label.
    """
    expected, found = _required_and_found(matched)
    counts = Counter(outcomes.get(row, "none") for row in expected - found)
    grouped = Counter[str]()
    for outcome, count in counts.items():
        # The crop that a duplicate repeats is no kind of its own.
        grouped[outcome.split("-of:")[0]] += count
    return dict(grouped.most_common())


def missing(matched: list[Match]) -> list[Match]:
    """The images that recall misses: those that should be kept, and are not rightly."""
    expected, found = _required_and_found(matched)
    return [match for match in matched if match.truth["row"] in expected - found]


def _required_and_found(matched: list[Match]) -> tuple[set[int], set[int]]:
    """Rows of the images that should be kept, and of those that are (or a copy of theirs)."""
    means = _labels(matched)[0]
    rows = {match.truth["row"]: match for match in matched}
    expected, found = set(), set()
    for match in matched:
        row = match.truth
        root = rows[_root(row)]
        if not root.truth["keep"]:
            continue
        expected.add(root.truth["row"])
        for crop, figure in match.kept():
            assert crop.person is not None
            right = figure is not None and figure["identity"] == row["identity"]
            if right and means.get(crop.person) == row["identity"]:
                found.add(root.truth["row"])
    return expected, found


def merges(people: list[list[str]], names: list[dict[str, Any]]) -> dict[str, Any]:
    """Right: of the pairs of names of one person (leaked people aside), those that were merged.

    Wrong: of the merged pairs, those of two persons.
    """
    means = {row["name"]: row["identity"] for row in names}
    called: dict[int, list[str]] = {}
    for row in names:
        if not row["leaked"]:
            called.setdefault(row["identity"], []).append(row["name"])
    due = {frozenset(pair) for known in called.values() for pair in combinations(known, 2)}
    merged = {frozenset(pair) for known in people for pair in combinations(sorted(set(known)), 2)}
    wrong = [pair for pair in merged if len({means.get(name) for name in pair}) > 1]
    return {
        "merges_right": share(len(due & merged), len(due)),
        "merges_wrong": share(len(wrong), len(merged)),
    }


def leaks(matched: list[Match], leaked: set[int]) -> dict[str, Any]:
    """Kept samples that show a validation person, of the images that show one under its name."""
    left = sum(
        figure is not None and figure["identity"] in leaked
        for match in matched
        for _, figure in match.kept()
    )
    return {
        "leaks_left": share(
            left, sum(match.truth["leak"] and match.truth["shows"] for match in matched)
        )
    }


def copies(matched: list[Match]) -> dict[str, Any]:
    """Copies that are gone from the data, of those whose image is in it at least once.

    Of an image and its copies one may stay, whichever; each further one that is kept was not found.
    """
    families: dict[int, list[Match]] = {}
    for match in matched:
        families.setdefault(_root(match.truth), []).append(match)
    counts = Counter[str]()
    for family in families.values():
        # The original first, then exact copies: a near one is the first to be called too many.
        family.sort(key=lambda match: (_copy_kind(match.truth), match.truth["row"]))
        stays = [match for match in family if _keeps_named(match)]
        if not stays:
            continue
        for match in family:
            kind = _copy_kind(match.truth)
            if kind and match.truth["shows"]:
                counts[f"of {kind}"] += 1
                counts[f"found {kind}"] += match not in stays[1:]
    return {
        "exact_duplicates_found": share(counts["found 1"], counts["of 1"]),
        "near_duplicates_found": share(counts["found 2"], counts["of 2"]),
    }


def _copy_kind(row: dict[str, Any]) -> int:
    """0 an original, 1 an exact copy, 2 a near one."""
    return 1 if row["duplicate_of"] is not None else 2 * (row["near_duplicate_of"] is not None)


def _root(row: dict[str, Any]) -> int:
    """The row of the original."""
    for column in ("duplicate_of", "near_duplicate_of"):
        if row[column] is not None:
            return int(row[column])
    return int(row["row"])


def _keeps_named(match: Match) -> bool:
    return any(
        figure is not None and figure["identity"] == match.truth["identity"]
        for _, figure in match.kept()
    )
