"""Who is in the test set: WebBody-Test's rule (paper, section C.2; authors' selection script)."""

import numpy as np
from numpy.typing import NDArray

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
    """People whose counts (P,) lie within both ranges (ends included).

    Sorted by images, most first, then by number: the order from which test people are drawn.
    """
    fits = (images >= image_range[0]) & (images <= image_range[1])
    fits &= (body_images >= body_range[0]) & (body_images <= body_range[1])
    people = np.flatnonzero(fits)
    return people[np.argsort(-images[people], kind="stable")]


def draw(people: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """`count` of the people (all, if there are fewer), drawn as the authors' script does."""
    return np.random.RandomState(seed).choice(people, min(count, len(people)), replace=False)
