"""How alike the parts of two people are, as in the paper's Fig. 7."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.heads.semantic import SemanticHead
from model.sapiensid.sapiensid import SapiensID
from model.visualization.canvas import (
    BODY,
    HEADING,
    below,
    beside,
    font,
    heat_legend,
    page,
    panel,
    text,
)
from model.visualization.colours import FAINT, INK, PAPER, heat
from model.visualization.photo import RGB, dots, enlarged, grey
from webbody.skeleton import NAMES

_SIDE = 560
_ROW, _LABEL, _BAR, _VALUE = 26, 150, 240, 70


def similarity_picture(
    images: tuple[RGB, RGB],
    keypoints: tuple[NDArray[np.floating], NDArray[np.floating]],
    model: SapiensID,
    encoded: Encoded,
) -> Image.Image:
    """Both images with each shared keypoint in the heat of its similarity, and a list of bars.

    `encoded` is the model's encoding of the two images. Raises ValueError where the model's head
    is not semantic.
    """
    alike_K = part_similarity(model, encoded)
    cosine = feature_similarity(model, encoded)
    shared = np.isfinite(alike_K)
    panels = []
    for heading, image, points in zip(
        ("First image", "Second image"), images, keypoints, strict=True
    ):
        photo = grey(enlarged(image, _SIDE), light=0.2)
        marked = dots(photo, points[shared, :2], heat(alike_K[shared]), radius=9)
        panels.append(panel(marked, heading))
    note = (
        "The colour of a keypoint is the cosine of its part features in the two images, the mean "
        "over its offsets; the feature of the image is a map of all parts together. "
        f"{int(shared.sum())} of 19 keypoints are visible in both."
    )
    right = below(
        [
            text(f"Cosine of the features: {cosine:.3f}", HEADING),
            text("Cosine of the parts", BODY, FAINT),
            _bars(alike_K),
            heat_legend("0 or less", "1", width=200),
        ],
        gap=12,
    )
    return page("Similarity of parts", note, beside([*panels, right]))


@torch.no_grad()
def part_similarity(model: SapiensID, encoded: Encoded) -> NDArray[np.float32]:
    """Cosines (K,) of the keypoints' part features in two images, the mean over offsets.

    Both kinds count, those of the attention and those of the peaks. NaN where a keypoint is not
    visible in both images.
    """
    if not isinstance(model.head, SemanticHead):
        raise ValueError("a model with a pooled head has no part features")
    parts_BPD = model.head.parts(encoded)
    keypoints = encoded.visible_BK.shape[1]
    first_P, second_P = F.normalize(parts_BPD.float(), dim=-1)
    cosine_P = (first_P * second_P).sum(-1)
    alike_K = cosine_P.reshape(2, keypoints, -1).mean((0, 2))
    alike: NDArray[np.float32] = alike_K.where(encoded.visible_BK.all(0), torch.nan).numpy()
    return alike


@torch.no_grad()
def feature_similarity(model: SapiensID, encoded: Encoded) -> float:
    """The cosine of the two images' features."""
    features_BF = model.head(encoded).float()
    return float(F.cosine_similarity(features_BF[0], features_BF[1], dim=0))


def _bars(alike_K: NDArray[np.float32]) -> Image.Image:
    """A row for each keypoint: its name, a bar from 0 to 1, the figure."""
    picture = Image.new("RGB", (_LABEL + _BAR + _VALUE, _ROW * len(alike_K)), PAPER)
    draw = ImageDraw.Draw(picture)
    for row, (name, value) in enumerate(zip(NAMES, alike_K.tolist(), strict=True)):
        top = row * _ROW
        seen = np.isfinite(value)
        words = name.replace("_", " ")
        draw.text((0, top), words, font=font(BODY), fill=INK if seen else FAINT)
        draw.rectangle((_LABEL, top + 3, _LABEL + _BAR, top + _ROW - 7), fill=(240, 241, 244))
        if not seen:
            draw.text((_LABEL + 8, top), "not in both", font=font(BODY), fill=FAINT)
            continue
        red, green, blue = heat(value).tolist()
        length = round(_BAR * min(1.0, max(0.0, value)))
        draw.rectangle((_LABEL, top + 3, _LABEL + length, top + _ROW - 7), fill=(red, green, blue))
        draw.text((_LABEL + _BAR + 10, top), f"{value:.2f}", font=font(BODY), fill=INK)
    return picture
