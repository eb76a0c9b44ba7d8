"""Selection of the test people: WebBody-Test's rule (paper, section C.2; authors' script)."""

import numpy as np
from numpy.typing import NDArray

from pipelines.sampling.placement import shuffle_numbers
from webbody import skeleton

#: Limbs and lower body. The authors' slice starts at the right wrist and leaves the left one out;
#: kept, so that the same images qualify.
BODY = tuple(range(skeleton.NAMES.index("right_wrist"), skeleton.COUNT))
#: The points of COCO-17 that make a fully visible face.
FACE = tuple(
    skeleton.NAMES.index(n) for n in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
)


def shows_body(keypoints: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether images (N, 19, 3) show limbs or lower body while the face is not fully visible."""
    visible = keypoints[..., 2] > 0
    return np.asarray(visible[:, BODY].any(1) & ~visible[:, FACE].all(1))


def eligible(
    images: NDArray[np.int64],
    body_images: NDArray[np.int64],
    image_range: tuple[int, int],
    body_range: tuple[int, int],
) -> NDArray[np.int64]:
    """People, by place, whose counts (P,) lie within both ranges (ends included)."""
    fits = (images >= image_range[0]) & (images <= image_range[1])
    fits &= (body_images >= body_range[0]) & (body_images <= body_range[1])
    return np.flatnonzero(fits)


def draw(people: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """`count` of the people's ids (all, if there are fewer), by a keyed hash of each id.

    The authors' script draws by place in a list, so that one person more changes all; here each
    person who comes or goes changes one place at most.
    """
    names = (f"test {person}" for person in people.tolist())
    return people[np.argsort(shuffle_numbers(names, seed), kind="stable")[:count]]
