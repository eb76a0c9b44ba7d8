"""Thresholds for an embedder, from the features of people who are known."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.clusters import Clusters
from pipelines.matching.features import Floats, centre, unit
from webbody.errors import WebbodyError

#: More faces than this are thinned out: their pairs would say nothing new.
MAX_FACES = 4000
#: Names that are made up to find eps, and the share of strangers among their faces.
NAMES, STRANGERS = 60, 0.3


@dataclass(frozen=True)
class Suggestion:
    """Settings for `clusters` and `identities`, what they rest on, and what speaks against them.

    figures: measured shares and cosines. warnings: sentences for the user, often empty.
    """

    eps: float
    similar: float
    ambiguous: float
    leak: float
    duplicate: float
    figures: dict[str, float] = field(default_factory=dict)
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
    labels: Sequence[Any] | NDArray,
    copies: Floats | None = None,
    *,
    people: int = 1000,
    images: int = 5,
    seed: int = 0,
) -> Suggestion:
    """Suggest thresholds from raw features (N, D) of people `labels` (N,).

    copies: (N, D) features of the same faces in re-encoded pictures, by which duplicates are told
    from other pictures; rows of NaN where there is none. people: how many people a build has: of
    more people more are similar by chance. images: faces in one centre.

    eps is the one with which made-up names are cleaned best. `ambiguous` is where one person in a
    hundred has a chance double; `similar` lies midway from there to where 95 % of the centres of
    one person are; `leak` is `ambiguous`, since a doubtful person is no loss. Raises WebbodyError
    for too few people.
    """
    rng = np.random.default_rng(seed)
    _, who = np.unique(np.asarray(labels), return_inverse=True)
    keep = np.sort(rng.permutation(len(who))[:MAX_FACES])
    features, who = features[keep], who[keep]
    if len(np.unique(who)) < 10 or np.bincount(who).max(initial=0) < 4:
        raise WebbodyError(
            "Calibration needs faces of at least 10 people, several of each (10 or more are good); "
            f"there are {len(who)} faces of {len(np.unique(who))} people."
        )
    warnings: list[str] = []
    same, other = _pairs(unit(features), who)
    centres, owners = _centres(features, who, images, rng)
    same_centres, other_centres = _pairs(unit(centres), owners)

    chance = _tail(other_centres, 0.01 / people)
    reach = float(np.quantile(same_centres, 0.05))
    if chance >= reach:
        warnings.append(
            "Centres of different people are as similar as those of one person: merges will be "
            "missed. Use a better embedder, or expect people to appear twice."
        )
    ambiguous = min(chance, 0.98)
    similar = (ambiguous + max(reach, ambiguous)) / 2
    eps, cleaned = _best_eps(features, who, rng)
    figures = {
        "people": len(np.unique(who)),
        "faces": len(who),
        "genuine_median": float(np.median(same)),
        "genuine_5_percent": float(np.quantile(same, 0.05)),
        "impostor_median": float(np.median(other)),
        "impostor_99.9_percent": float(np.quantile(other, 0.999)),
        "genuine_centres_5_percent": reach,
        "impostor_centres_highest": float(other_centres.max()),
        "merged_share": float((same_centres > similar).mean()),
        "cleaned_names_f1": cleaned,
    }
    duplicate = max(float(np.quantile(same, 0.999)), similar)
    if copies is not None:
        again = (unit(features) * unit(copies[keep])).sum(1)
        again = again[np.isfinite(again)]
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
        leak=round(ambiguous, 3),
        duplicate=round(min(duplicate, 0.999), 3),
        figures={name: round(value, 4) for name, value in figures.items()},
        warnings=warnings,
    )


def _pairs(units: Floats, who: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Cosines of all pairs of one person, and of all pairs of two."""
    cosine = units @ units.T
    upper = np.triu(np.ones(cosine.shape, bool), 1)
    same = who[:, None] == who
    return cosine[upper & same], cosine[upper & ~same]


def _centres(
    features: Floats, who: NDArray[np.int64], images: int, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.int64]]:
    """Sums of `images` faces of a person, or of half of them: at least two centres a person."""
    centres, owners = [], []
    for person in np.unique(who):
        rows = rng.permutation(np.flatnonzero(who == person))
        size = min(images, len(rows) // 2)
        for start in range(0, len(rows) - size + 1, size) if size else ():
            centres.append(centre(features[rows[start : start + size]]))
            owners.append(person)
    return np.stack(centres), np.array(owners)


def _tail(cosines: Floats, rate: float) -> float:
    """The cosine that a share `rate` of pairs exceeds, extrapolated where there are too few pairs.

    Cosines of strangers are close to normal, so the larger of the normal's quantile and the
    measured one is taken.
    """
    normal = float(cosines.mean()) + NormalDist().inv_cdf(1 - rate) * float(cosines.std())
    return max(normal, float(np.quantile(cosines, 1 - rate)))


def _best_eps(
    features: Floats, who: NDArray[np.int64], rng: np.random.Generator
) -> tuple[float, float]:
    """The eps that cleans made-up names best (middle of the best range), and its mean F1."""
    names = []
    counts = np.bincount(who)
    able = np.flatnonzero(counts >= 4)
    for number in range(NAMES):
        person = able[number % len(able)]
        own = rng.permutation(np.flatnonzero(who == person))
        own = own[: rng.integers(4, min(30, len(own)) + 1)]
        strangers = rng.permutation(np.flatnonzero(who != person))
        strangers = strangers[: round(len(own) * STRANGERS / (1 - STRANGERS))]
        names.append((np.concatenate([own, strangers]), len(own)))
    choices = np.round(np.arange(0.1, 0.96, 0.05), 2)
    scores = []
    for eps in choices:
        stage = Clusters(eps=float(eps), min_samples=2, min_images=2)
        total = 0.0
        for rows, count in names:
            keys = np.char.mod("%05d", np.arange(len(rows)))
            found = stage.person_of(features[rows], keys, keys)
            kept = np.array([outcome is None for outcome in found.outcome])
            total += 2 * kept[:count].sum() / (count + kept.sum())
        scores.append(total / len(names))
    good = choices[np.array(scores) >= max(scores) - 0.005]
    return float(np.median(good)), float(max(scores))
