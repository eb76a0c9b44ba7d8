"""Region-sampled position embeddings as colours, as in the paper's Fig. 4 (bottom)."""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from model.sapiensid.sapiensid import SapiensID
from model.visualization.canvas import below, beside, blank, page, panel
from model.visualization.colours import region_colour
from model.visualization.patches import Patches, paint
from model.visualization.photo import RGB
from model.visualization.regions import ABSENT, patch_overlay, region_names

_SMALL, _LARGE = 420, 645


def positions_picture(image: RGB, model: SapiensID, patches: Patches) -> Image.Image:
    """The position embedding of every region's patches, and of the kept patches at their places."""
    colours_T3 = position_colours(model, patches)
    names = region_names(len(patches.boxes_R4))
    top = [
        panel(_region_colours(colours_T3, patches, region), name, colour=region_colour(region))
        for region, name in enumerate(names)
    ]
    count = int(patches.kept_T.sum())
    bottom = [
        panel(patch_overlay(image, patches, _LARGE), f"The {count} patches"),
        panel(_painted(colours_T3, patches, _LARGE), "Their position embeddings"),
    ]
    note = (
        "Red, green and blue are the first three principal components of the whole image's "
        "embeddings. A patch of a region samples them at its own place, so like colours "
        "mean like places, but for the image's border: regions there reach half a cell beyond the "
        "embeddings, as in the published weights."
    )
    return page("Position embeddings", note, below([beside(top), beside(bottom)]))


def position_colours(model: SapiensID, patches: Patches) -> NDArray[np.uint8]:
    """Colours (T, 3) of all candidates' position embeddings; needs no weights.

    The components and their ranges are those of the fixed table, whatever the image.
    """
    boxes_1R4 = torch.from_numpy(patches.boxes_R4)[None]
    ids_1T = torch.arange(len(patches.kept_T))[None]
    embedding_1TD = model.patch_embed.positions(model.positions, boxes_1R4, ids_1T)
    table_ND = model.positions.table_SSD.flatten(0, 1)
    middle_D, axes_D3 = _principal(table_ND)
    table_N3 = (table_ND - middle_D) @ axes_D3
    low_3, high_3 = table_N3.amin(0), table_N3.amax(0)
    shares_T3 = ((embedding_1TD[0].detach() - middle_D) @ axes_D3 - low_3) / (high_3 - low_3)
    return (shares_T3.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def _principal(table_ND: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (D,) and the first three principal axes (D, 3), with signs that are always equal."""
    middle_D = table_ND.mean(0)
    _, _, axes_ND = torch.linalg.svd(table_ND - middle_D, full_matrices=False)
    axes_3D = axes_ND[:3]
    peak_31 = axes_3D.gather(1, axes_3D.abs().argmax(1, keepdim=True))
    return middle_D, (axes_3D * peak_31.sign()).T


def _region_colours(colours_T3: NDArray[np.uint8], patches: Patches, region: int) -> Image.Image:
    if not patches.has(region):
        return blank(_SMALL, ABSENT)
    mine = colours_T3.reshape(-1, patches.side, patches.side, 3)[region]
    return Image.fromarray(mine).resize((_SMALL, _SMALL), Image.Resampling.NEAREST)


def _painted(colours_T3: NDArray[np.uint8], patches: Patches, side: int) -> Image.Image:
    canvas = np.full((side, side, 3), 255, np.uint8)
    paint(canvas, patches.rectangles(patches.ids_N), colours_T3[patches.ids_N])
    return Image.fromarray(canvas)
