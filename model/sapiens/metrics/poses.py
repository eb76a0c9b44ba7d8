"""Labelled and found people, and the removal of those found twice.

Shape suffixes: K keypoints, N people.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Keypoints with a lower score say nothing about how well a person was found.
_COUNTS_ABOVE = 0.2
#: Of two people who are more alike than this, the one with the lower score goes.
_ALIKE = 0.9


@dataclass(frozen=True, eq=False)
class TruePose:
    """A labelled person.

    image: the picture's id. keypoints (K, 3): x, y px and a flag, 0 not labelled, 1 hidden, 2 seen.
    box (4,): xyxy px. area: px² of the person, by which distances are judged. crowd: a group, whose
    finding is neither right nor wrong.
    """

    image: int
    keypoints: NDArray[np.float64]
    box: NDArray[np.float64]
    area: float
    crowd: bool = False


@dataclass(frozen=True, eq=False)
class FoundPose:
    """A predicted person.

    image: the picture's id. keypoints (K, 2): x, y px; a point that is not finite is absent.
    scores (K,): of the keypoints. box_score: of the detector, 1 for boxes that were given. box_size
    (2,): width and height px of the box after padding, whose product is the person's area.
    """

    image: int
    keypoints: NDArray[np.float64]
    scores: NDArray[np.float64]
    box_score: float
    box_size: NDArray[np.float64]

    @property
    def score(self) -> float:
        """The box's score times the mean of the keypoint scores above 0.2; 0 without any."""
        counting = self.scores[self.scores > _COUNTS_ABOVE]
        return float(self.box_score * counting.mean()) if len(counting) else 0.0


def without_duplicates(
    found: Sequence[FoundPose], sigmas: NDArray[np.floating], alike: float = _ALIKE
) -> list[FoundPose]:
    """The people who remain when of those alike on one picture the best stays, best first.

    Two people are alike by the similarity of all their keypoints under the mean of their areas
    (non-maximum suppression by OKS). sigmas: (K,), of the vocabulary.
    """
    by_image: dict[int, list[FoundPose]] = defaultdict(list)
    for person in found:
        by_image[person.image].append(person)
    kept: list[FoundPose] = []
    for people in by_image.values():
        waiting = sorted(people, key=lambda person: -person.score)
        while waiting:
            best, *others = waiting
            kept.append(best)
            waiting = [
                other
                for other, likeness in zip(others, _similarities(best, others, sigmas), strict=True)
                if likeness <= alike
            ]
    return kept


def _similarities(
    one: FoundPose, others: Sequence[FoundPose], sigmas: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Of a person to others, (N,): the mean of exp(-d² / (2 area (2 sigma)²)) over keypoints."""
    if not others:
        return np.zeros(0)
    there_NK2 = np.stack([other.keypoints for other in others])
    areas_N = (np.array([np.prod(other.box_size) for other in others]) + np.prod(one.box_size)) / 2
    distance_NK = ((there_NK2 - one.keypoints) ** 2).sum(-1)
    absent_NK = ~np.isfinite(there_NK2).all(-1)
    absent_K = ~np.isfinite(one.keypoints).all(-1)
    # Absent in both is alike, absent in one as far away as can be.
    distance_NK[absent_NK | absent_K] = np.inf
    distance_NK[absent_NK & absent_K] = 0
    exponent_NK = distance_NK / (sigmas * 2) ** 2 / (areas_N[:, None] + np.spacing(1)) / 2
    return np.asarray(np.exp(-exponent_NK).mean(-1))
