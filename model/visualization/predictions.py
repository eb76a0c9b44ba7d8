"""What Sapiens' models predict, drawn on the photo or as a picture of its own.

Shape suffixes: N people, K keypoints, H W sides of a photo.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.sapiens.vocabulary import KeypointVocabulary, PartVocabulary
from model.visualization.canvas import beside, legend
from model.visualization.colours import GREY, class_colour, heat
from model.visualization.photo import RGB, dots, outline, skeleton

#: Pictures are not larger than this.
_LONGEST = 1280
_BOX = (255, 255, 255)
#: How much of a class's colour covers the photo.
_COVER = 0.6


def poses_picture(
    photo: RGB,
    poses_NK3: NDArray[np.float32],
    boxes_N4: NDArray[np.float32],
    vocabulary: KeypointVocabulary,
    least_score: float,
) -> Image.Image:
    """The photo with boxes, the 19 points of our skeleton with their lines, the others as dots.

    Points of a lower score are left out.
    """
    height, width = photo.shape[:2]
    picture = _reduced(photo)
    sides = np.array([width, height] * 2, np.float32)
    outline(picture, np.asarray(boxes_N4 / sides, np.float32), _BOX, 2)
    seen_NK3 = np.where(poses_NK3[..., 2:] >= least_score, poses_NK3, 0)
    seen_NK3[..., :2] /= (width, height)
    places = seen_NK3[seen_NK3[..., 2] > 0]
    if len(vocabulary) > 17 and len(places):
        colours = heat(places[:, 2])
        picture = dots(picture, places[:, :2], colours, max(1.0, picture.width / 500))
    for person in seen_NK3:
        picture = skeleton(picture, vocabulary.to_skeleton(person))
    return picture


def parts_picture(
    photo: RGB, label_HW: NDArray[np.uint8], vocabulary: PartVocabulary
) -> Image.Image:
    """The photo with its parts in colours, but for the background, and what the colours mean."""
    colours = np.array([class_colour(number) for number in range(len(vocabulary))], np.float32)
    cover = np.where(label_HW > 0, _COVER, 0)[..., None]
    mixed = photo * (1 - cover) + colours[label_HW] * cover
    picture = _reduced(mixed.round().astype(np.uint8))
    found = [int(number) for number in np.unique(label_HW) if number > 0]
    if not found:
        return picture
    return beside([picture, legend([(class_colour(n), vocabulary.names[n]) for n in found])])


def depth_picture(depth_HW: NDArray[np.float32]) -> Image.Image:
    """Depth from near (red) to far (blue); grey where it is not finite."""
    known = np.isfinite(depth_HW)
    out = np.empty((*depth_HW.shape, 3), np.uint8)
    out[:] = GREY
    if known.any():
        near, far = depth_HW[known].min(), depth_HW[known].max()
        out[known] = heat(1 - (depth_HW[known] - near) / max(far - near, 1e-12))
    return _reduced(out)


def normals_picture(normals_HW3: NDArray[np.float32]) -> Image.Image:
    """X, Y and Z from -1 to 1 as red, green and blue; grey where they are not finite."""
    known = np.isfinite(normals_HW3).all(-1)
    out = np.empty(normals_HW3.shape, np.uint8)
    out[:] = GREY
    out[known] = np.clip(np.round((normals_HW3[known] + 1) * 127.5), 0, 255)
    return _reduced(out)


def _reduced(pixels: RGB) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((_LONGEST, _LONGEST))
    return picture
