"""The keypoints that a model and the data have in common, where their vocabularies differ.

Shape suffixes: N people, K keypoints, S shared keypoints.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.sapiens.metrics import TruePose
from model.sapiens.vocabulary import KeypointVocabulary, keypoint_vocabulary, shared_points
from model.sapiens.vocabulary.keypoints import coco17_in_308

#: Points of models, and of data that they can be judged on beside those of their own.
COMPARABLE = {(133, 17), (308, 17), (308, 133), (133, 308)}


@dataclass(frozen=True, eq=False)
class CommonPoints:
    """vocabulary: of the points in common. of_model, of_data (S,): their indices."""

    vocabulary: KeypointVocabulary
    of_model: NDArray[np.int64]
    of_data: NDArray[np.int64]

    def predicted(self, points_NK3: NDArray[np.float32]) -> NDArray[np.float32]:
        """Keypoints of the model, (N, S, 3)."""
        return points_NK3[:, self.of_model]

    def labelled(self, person: TruePose) -> TruePose:
        """A person with the keypoints in common alone."""
        points = person.keypoints[self.of_data]
        return TruePose(person.image, points, person.box, person.area, person.crowd)


def common_points(model: int, data: int) -> CommonPoints:
    """The points in common of vocabularies of so many points, which are equal or COMPARABLE.

    COCO's 17 are points of both others. Those of 133 and 308 that have one name are 53, in the
    groups "shared" (all of them), and "body" and "foot" where these are among them.
    """
    vocabulary = keypoint_vocabulary(data)
    if model == data:
        return CommonPoints(vocabulary, np.arange(data), np.arange(data))
    if data == 17:
        return CommonPoints(
            vocabulary, coco17_in_308() if model == 308 else np.arange(17), np.arange(17)
        )
    in_308, in_133 = shared_points()
    of_model, of_data = (in_308, in_133) if model == 308 else (in_133, in_308)
    place = {int(index): at for at, index in enumerate(of_data)}
    groups = {
        name: np.array([place[int(index)] for index in group])
        for name, group in vocabulary.groups.items()
        if all(int(index) in place for index in group)
    }
    shared = KeypointVocabulary(
        tuple(vocabulary.names[index] for index in of_data),
        np.array([place[int(vocabulary.flip[index])] for index in of_data]),
        vocabulary.sigmas[of_data],
        groups,
        vocabulary.upper[of_data],
    )
    return CommonPoints(shared, of_model, of_data)
