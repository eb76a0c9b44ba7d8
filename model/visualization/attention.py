"""Attention maps of the semantic head, one for each part, as in the paper's Fig. 13."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.heads.semantic import SemanticHead
from model.sapiensid.sapiensid import SapiensID
from model.visualization.canvas import BODY, below, beside, heat_legend, page, text
from model.visualization.colours import PAPER, heat, spread
from model.visualization.patches import Patches, paint
from model.visualization.photo import RGB, dots, enlarged, grey
from webbody.skeleton import NAMES

_SIDE, _NARROW, _GAP = 168, 64, 6
_BLACK, _DOT = (0, 0, 0), np.array([PAPER], np.uint8)


def attention_picture(
    image: RGB,
    keypoints: NDArray[np.floating],
    model: SapiensID,
    encoded: Encoded,
    patches: Patches,
) -> Image.Image:
    """A column of maps for each keypoint, a row for each offset; keypoints not seen are black.

    `encoded` is the model's encoding of this image alone. Raises ValueError where the model's head
    is not semantic.
    """
    maps_PN = attention_maps(model, encoded)
    seen_K = encoded.visible_BK[0].numpy()
    ids_N = encoded.ids_BN[0].numpy()
    maps_KON = maps_PN.reshape(len(seen_K), -1, len(ids_N))
    photo = _dim(grey(enlarged(image, _SIDE), light=0.0))
    black = Image.new("RGB", (_SIDE, _SIDE), _BLACK)
    columns = []
    for name, point, seen, maps_ON in zip(NAMES, keypoints, seen_K, maps_KON, strict=True):
        tiles = [black] * len(maps_ON)
        if seen:
            heats = [heat_over(photo, patches, ids_N, map_N) for map_N in maps_ON]
            tiles = [dots(tile, point[None, :2], _DOT, radius=3) for tile in heats]
        columns.append(below([_tile(_two_lines(name), _SIDE, 2), *tiles], gap=_GAP))
    labels = [_tile(f"offset\n{row + 1}", _NARROW, 0) for row in range(maps_KON.shape[1])]
    columns.insert(0, below([_tile("", _NARROW, 2), *labels], gap=_GAP))
    return page(
        "Attention of the semantic head",
        "Where each part of the feature looks: a column for each keypoint, a row for each of its "
        "learned offsets. Every map has its own scale; the white dot "
        "is the keypoint. Keypoints that are not visible are black.",
        below([heat_legend("lowest", "highest"), beside(columns, gap=_GAP)]),
    )


@torch.no_grad()
def attention_maps(model: SapiensID, encoded: Encoded) -> NDArray[np.float32]:
    """The attention (P, N) of every part to every token of the first image."""
    if not isinstance(model.head, SemanticHead):
        raise ValueError("a model with a pooled head has no attention maps")
    queries_BPD = model.head.queries(encoded.keypoint_positions_BKD)
    maps_BPN = model.head.attention.maps(queries_BPD, encoded.positions_BND, encoded.mask_BN)
    return maps_BPN[0].float().numpy()


def heat_over(
    photo: Image.Image, patches: Patches, ids_N: NDArray[np.int64], values_N: NDArray[np.floating]
) -> Image.Image:
    """The photo under the heat of values, each over its own patch: blue lowest, red highest."""
    colours = np.array(photo)
    paint(colours, patches.rectangles(ids_N), heat(spread(values_N)))
    return Image.blend(photo, Image.fromarray(colours), 0.6)


def _dim(photo: Image.Image) -> Image.Image:
    """The photo between dark and mid grey: colours over white would look pale."""
    return photo.point(lambda value: 30 + value // 2)


def _two_lines(name: str) -> str:
    """The name of a keypoint on the second line, its side on the first."""
    side, _, part = name.rpartition("_")
    return f"{side}\n{part}"


def _tile(words: str, width: int, lines: int) -> Image.Image:
    """A label of so many lines, or as high as a map, with its text in the middle."""
    label = text(words, BODY, width=width, centred=True)
    tile = Image.new("RGB", (width, round(lines * BODY * 1.35) or _SIDE), PAPER)
    tile.paste(label, (0, (tile.height - label.height) // 2))
    return tile
