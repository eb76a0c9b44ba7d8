"""Thresholds for an embedder, from the features of people who are known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.calibration.centre_cosines import CentreCosines, centre_cosines
from pipelines.calibration.clean_names import best_eps
from pipelines.calibration.cosines import Cosines, all_pairs
from pipelines.calibration.expectation import expectations
from pipelines.calibration.people_sample import (
    ROUGH,
    check_people,
    copy_cosines,
    face_cosines,
    sample_people,
)
from pipelines.identity.features import Floats, unit
from webbody.errors import WebbodyError

#: One person in this many may have a chance double above `ambiguous` or `leak`, one in ten times as
#: many above `similar`.
DOUBLES = 100
#: Where `ambiguous` and `similar` lie in the gap between strangers and one person's centres, as
#: shares of it. A wrong merge spoils two people for good; a missed one costs the smaller name.
TO_AMBIGUOUS, TO_SIMILAR = 1 / 3, 3 / 4


@dataclass(frozen=True)
class Suggestion:
    """Settings for `clusters` and `identities`, what they rest on, and what speaks against them.

    figures: measured shares and cosines. expected: sentences on the build that is to come.
    warnings: sentences for the user, often empty.
    """

    eps: float
    similar: float
    ambiguous: float
    leak: float
    duplicate: float
    figures: dict[str, float] = field(default_factory=dict)
    expected: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def settings(self) -> dict[str, dict[str, float]]:
        """As sections of a build's configuration."""
        names = ("similar", "ambiguous", "leak", "duplicate")
        return {
            "clusters": {"eps": self.eps},
            "identities": {name: getattr(self, name) for name in names},
        }


def calibrate(
    features: Floats,
    labels: Sequence[Any] | NDArray[Any],
    copies: Floats | None = None,
    *,
    people: int = 1000,
    images: int = 20,
    gallery: int | None = None,
    seed: int = 0,
) -> Suggestion:
    """Suggest thresholds from the features of known people.

    `eps` is the value that cleans synthetic names best. One person in a hundred has a stranger
    above `leak` by chance. Between the cosines that strangers reach and those that 95 % of one
    person's centres exceed lies a gap, whose lower part relatives and look-alikes fill: `ambiguous`
    is placed at a third of it, `similar` at three quarters.

    Args:
        features: Raw, (N, D).
        labels: The person of each, (N,).
        copies: (N, D) features of the same faces in re-encoded pictures, which tell duplicates from
            other pictures; rows of NaN without one.
        people: People of the build: among more people more are similar by chance.
        images: Faces in a build's centres, which may differ from those of the people here.
        gallery: People of the validation galleries; as many as the build has if not given.
        seed: Of all draws.

    Raises:
        WebbodyError: Too few people, or features that do not differ.
    """
    if people < 2 or images < 1:
        raise WebbodyError("A build has at least 2 people, and an image of each; give more.")
    rng = np.random.default_rng(seed)
    features, rows, named = sample_people(features, labels, rng)
    several = [own for own in rows if len(own) >= 2]
    check_people(features, rows, several)
    warnings: list[str] = []
    if len(several) < ROUGH:
        warnings.append(
            f"Only {len(several)} people have several faces: the figures are rough; {ROUGH} or "
            "more are good."
        )
    centres = centre_cosines(features, rows, several, images, named, warnings, rng)
    limits = _limits(centres, len(rows), people, gallery, warnings)
    eps, cleaned = best_eps(features, several, centres.growth, images, rng)
    same = face_cosines(features, several, rng)
    alone = all_pairs(unit(features[[rng.choice(own) for own in rows[:5000]]]))
    figures = {
        "people": len(rows),
        "faces": sum(map(len, rows)),
        **_figures(centres, limits, same, alone, people),
        "cleaned_names_f1": cleaned,
    }
    duplicate = max(float(np.quantile(same, 0.999)), limits.similar)
    again = copy_cosines(features, rows, copies)
    if again is not None and len(again):
        figures["copies_5_percent"] = float(np.quantile(again, 0.05))
        duplicate = _between_copies(duplicate, figures["copies_5_percent"], warnings)
    return Suggestion(
        eps=round(eps, 2),
        similar=round(limits.similar, 3),
        ambiguous=round(limits.ambiguous, 3),
        leak=round(limits.leak, 3),
        duplicate=round(min(duplicate, 0.999), 3),
        figures={name: round(value, 4) for name, value in figures.items()},
        expected=expectations(
            centres.exceeded, centres.smaller, people, images, limits.similar, limits.ambiguous
        ),
        warnings=warnings,
    )


@dataclass(frozen=True)
class _Limits:
    """Cosines of centres: the highest of strangers, and the thresholds above it."""

    highest: float
    leak: float
    ambiguous: float
    similar: float


def _limits(
    centres: CentreCosines, measured: int, people: int, gallery: int | None, warnings: list[str]
) -> _Limits:
    """Thresholds for a build of `people`, from the centres of the `measured` people."""
    highest = centres.strangers.highest
    if measured > people:
        highest = min(highest, centres.strangers.quantile(1 - 1 / _pairs(people)))
    chance = max(centres.exceeded(1 / DOUBLES / people), highest)
    leak = max(centres.exceeded(1 / DOUBLES / max(people, gallery or 0)), highest)
    gap = float(np.quantile(centres.smaller, 0.05)) - chance
    if gap <= 0:
        warnings.append(
            "Centres of different people are as similar as those of one person: merges will be "
            "missed. Use a better embedder, or expect people to appear twice."
        )
    ambiguous = min(chance + max(gap, 0) * TO_AMBIGUOUS, 0.98)
    similar = max(
        chance + max(gap, 0) * TO_SIMILAR, centres.exceeded(0.1 / DOUBLES / people), ambiguous
    )
    return _Limits(highest, min(leak, 0.98), ambiguous, min(similar, 0.99))


def _figures(
    centres: CentreCosines, limits: _Limits, same: Floats, alone: Cosines, people: int
) -> dict[str, float]:
    """Measured cosines; same: of faces of one person, alone: of faces of different people."""
    return {
        "genuine_median": float(np.median(same)),
        "genuine_5_percent": float(np.quantile(same, 0.05)),
        "impostor_median": alone.quantile(0.5),
        "impostor_99.9_percent": alone.quantile(0.999),
        "centres_of": centres.images,
        "genuine_centres_median": float(np.median(centres.one_person)),
        "genuine_centres_5_percent": float(np.quantile(centres.one_person, 0.05)),
        "genuine_small_centres_5_percent": float(np.quantile(centres.smaller, 0.05)),
        "impostor_centres_highest": limits.highest,
        "impostor_centres_expected_highest": centres.exceeded(min(1 / _pairs(people), 0.5)),
        "merged_share": float((centres.smaller > limits.similar).mean()),
    }


def _between_copies(duplicate: float, copies: float, warnings: list[str]) -> float:
    """Half way from the cosine of other pictures, `duplicate`, to the least similar copies."""
    if copies <= duplicate:
        warnings.append(
            "Copies of a picture are no more alike than other pictures of the person: some "
            "duplicates will stay."
        )
    return (duplicate + max(duplicate, copies)) / 2


def _pairs(people: int) -> float:
    return people * (people - 1) / 2
