"""Choosing `clusters.eps` on synthetic names with as many images as the build's."""

import numpy as np
from numpy.typing import NDArray

from pipelines.calibration.growth import Growth, Rows
from pipelines.identity.features import Floats, unit

#: Number of synthetic names, and the share of strangers among their faces.
NAMES, STRANGERS = 60, 0.3
CHOICES = np.round(np.arange(0.1, 0.96, 0.05), 2)
#: People whose deviations from their mean are added to other people's means.
LENT = 2000
#: Choices within this F1 of the best count as equally good.
_EQUAL = 0.005


def best_eps(
    features: Floats, rows: Rows, growth: Growth, images: int, rng: np.random.Generator
) -> tuple[float, float]:
    """The eps that cleans synthetic names best, and its mean F1.

    Of equally good values the middle is taken, of two the lower.

    features: raw (N, D). rows: the faces of each person with two or more. images: faces of its
    person that a name has, strangers aside; names vary from half to twice as many.
    """
    names = synthetic_names(features, rows, growth, images, rng)
    alike = [(unit(faces) @ unit(faces).T, own) for faces, own in names]
    scores = np.array([np.mean([f1(*name, float(eps)) for name in alike]) for eps in CHOICES])
    best = CHOICES[scores >= scores.max() - _EQUAL]
    return float(best[(len(best) - 1) // 2]), float(scores.max())


def synthetic_names(
    features: Floats, rows: Rows, growth: Growth, images: int, rng: np.random.Generator
) -> list[tuple[Floats, int]]:
    """Features of each name, and how many of its first rows show the person."""
    away = np.concatenate([features[own] - features[own].mean(0) for own in rows[:LENT]])
    everybody = np.concatenate(rows)
    people = sorted(rng.permutation(len(rows)), key=lambda person: -min(len(rows[person]), images))
    names = []
    for number in range(NAMES):
        person = rows[people[number % len(people)]]
        own = max(2, round(images * 2 ** rng.uniform(-1, 1)))
        strangers = rng.choice(everybody, round(own * STRANGERS / (1 - STRANGERS)))
        strangers = strangers[~np.isin(strangers, person)]
        faces = [_faces(features, person, own, away, growth, rng), features[strangers]]
        names.append((np.concatenate(faces).astype(np.float32), own))
    return names


def _faces(
    features: Floats,
    person: NDArray[np.int64],
    count: int,
    away: Floats,
    growth: Growth,
    rng: np.random.Generator,
) -> Floats:
    """`count` faces of a person; further ones are the mean with the deviations of others.

    A mean of few faces is longer than the true one, so the deviations are drawn out as well, and
    the cosine of two faces stays what it is.
    """
    own: Floats = features[rng.permutation(person)[:count]]
    if len(own) == count:
        return own
    scale = np.sqrt((1 + growth.within / len(person)) * len(person) / (len(person) - 1))
    more = away[rng.integers(len(away), size=count - len(own))] * scale
    return np.concatenate([own, features[person].mean(0) + more])


def f1(cosines: Floats, own: int, eps: float) -> float:
    """The F1 of cleaning a name by its cosines (N, N), whose first `own` faces show the person.

    With `clusters.min_samples` 2 DBSCAN's clusters are the connected components of linked faces.
    """
    from scipy.sparse.csgraph import connected_components  # slow to import

    linked = 1 - np.clip(cosines, 0, 1) <= np.float32(eps)
    _, part = connected_components(linked, directed=False)
    sizes = np.bincount(part)
    if sizes.max() < 2:
        return 0.0
    kept = part == sizes.argmax()
    return float(2 * kept[:own].sum() / (own + kept.sum()))
