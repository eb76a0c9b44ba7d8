"""Thresholds for an embedder, from the features of people who are known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.calibration.clean_names import best_eps
from pipelines.calibration.cosines import Cosines, of_all_pairs
from pipelines.calibration.expectation import expected
from pipelines.calibration.growth import Rows, measure, same_person
from pipelines.calibration.people_drawn import ROUGH, check, copied, drawn, same_faces
from pipelines.identity.features import Floats, centre, unit
from webbody.errors import WebbodyError
from webbody.plain_text import plain_text

#: One person in this many may have a chance double above `ambiguous` or `leak`, one in ten times as
#: many above `similar`.
DOUBLES = 100
#: Of what is free between strangers and one person's centres, the shares below `ambiguous` and
#: below `similar`. A wrong merge spoils two people for good; a missed one costs the smaller name.
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
    """Suggest thresholds from raw features (N, D) of people `labels` (N,).

    copies: (N, D) features of the same faces in re-encoded pictures, by which duplicates are told
    from other pictures; rows of NaN where there is none. people: how many people a build has: of
    more people more are similar by chance. images: faces in a build's centres, which may be more or
    fewer than the people here have. gallery: people of the validation galleries (as many as the
    build has).

    eps is the one with which made-up names are cleaned best. `leak` is what strangers reach: one
    person in a hundred has a chance double above it. What strangers do not reach and one person's
    centres keep above (95 % of them) is free; relatives and doubles, whom chance does not bring,
    lie in its lower part: `ambiguous` lies a third of the way up, `similar` three quarters.
    Raises WebbodyError for too few people or features that say nothing.
    """
    if people < 2 or images < 1:
        raise WebbodyError("A build has at least 2 people, and an image of each; give more.")
    rng = np.random.default_rng(seed)
    features, rows, named = drawn(features, labels, rng)
    several = [own for own in rows if len(own) >= 2]
    check(features, rows, several)
    again = copied(features, rows, copies)
    warnings: list[str] = []
    if len(several) < ROUGH:
        warnings.append(
            f"Only {len(several)} people have several faces: the figures are rough; {ROUGH} or "
            "more are good."
        )

    growth = measure(features, several, rng)
    grown = same_person(features, several, images, rng)
    # Names differ in size, and the smaller ones' centres are less alike.
    small = same_person(features, several, -(-images // 2), rng)
    strangers = _strangers(features, rows, several, images, named, warnings, rng)
    have = float(1 / np.mean([1 / min(len(own), images) for own in rows]))

    def reached(rate: float) -> float:
        return min(growth.stranger(strangers, rate, have, images), 1.0)

    pairs = people * (people - 1) / 2
    highest = min(strangers.highest, strangers.quantile(1 - 1 / pairs))
    if len(rows) <= people:
        highest = strangers.highest
    chance = max(reached(1 / DOUBLES / people), highest)
    leak = min(max(reached(1 / DOUBLES / max(people, gallery or 0)), highest), 0.98)
    reach = float(np.quantile(small, 0.05))
    free = reach - chance
    if free <= 0:
        warnings.append(
            "Centres of different people are as similar as those of one person: merges will be "
            "missed. Use a better embedder, or expect people to appear twice."
        )
    ambiguous = min(chance + max(free, 0) * TO_AMBIGUOUS, 0.98)
    similar = max(chance + max(free, 0) * TO_SIMILAR, reached(0.1 / DOUBLES / people), ambiguous)
    similar = min(similar, 0.99)
    eps, cleaned = best_eps(features, several, growth, images, rng)
    same = same_faces(features, several, rng)
    alone = of_all_pairs(unit(features[[rng.choice(own) for own in rows[:5000]]]))
    figures = {
        "people": len(rows),
        "faces": sum(map(len, rows)),
        "genuine_median": float(np.median(same)),
        "genuine_5_percent": float(np.quantile(same, 0.05)),
        "impostor_median": alone.quantile(0.5),
        "impostor_99.9_percent": alone.quantile(0.999),
        "centres_of": images,
        "genuine_centres_median": float(np.median(grown)),
        "genuine_centres_5_percent": float(np.quantile(grown, 0.05)),
        "genuine_small_centres_5_percent": reach,
        "impostor_centres_highest": highest,
        "impostor_centres_expected_highest": reached(min(1 / pairs, 0.5)),
        "merged_share": float((small > similar).mean()),
        "cleaned_names_f1": cleaned,
    }
    duplicate = max(float(np.quantile(same, 0.999)), similar)
    if again is not None and len(again):
        figures["copies_5_percent"] = float(np.quantile(again, 0.05))
        if figures["copies_5_percent"] <= duplicate:
            warnings.append(
                "Copies of a picture are no more alike than other pictures of the person: some "
                "duplicates will stay."
            )
        duplicate = (duplicate + max(duplicate, figures["copies_5_percent"])) / 2
    return Suggestion(
        eps=round(eps, 2),
        similar=round(similar, 3),
        ambiguous=round(ambiguous, 3),
        leak=round(leak, 3),
        duplicate=round(min(duplicate, 0.999), 3),
        figures={name: round(value, 4) for name, value in figures.items()},
        expected=expected(reached, small, people, images, similar, ambiguous),
        warnings=warnings,
    )


def _strangers(
    features: Floats,
    rows: Rows,
    several: Rows,
    images: int,
    named: NDArray[Any],
    warnings: list[str],
    rng: np.random.Generator,
) -> Cosines:
    """Cosines of the centres of different people, of at most `images` faces each.

    Pairs as similar as one person's centres, though the others make that most unlikely, are one
    person under two labels: they are left out and told.
    """
    drawn = [rng.permutation(own)[:images] for own in rows]
    centres = unit(np.stack([centre(features[own]) for own in drawn]))
    size = max(1, round(float(np.median([len(own) for own in drawn]))) // 2)
    watch = float(np.quantile(same_person(features, several, size, rng), 0.05))
    found = of_all_pairs(centres, watch)
    if not found.close or len(found.close) > max(2, len(rows) // 100):
        return found
    others = found.without_close()
    if others.tail(0.01 / found.pairs) >= watch:
        return found
    for a, b, cosine in found.close[:5]:
        warnings.append(
            f"{plain_text(named[a])} and {plain_text(named[b])} look like one person "
            f"({cosine:.2f}) and were not counted as strangers; mend the calibration pictures."
        )
    return others
