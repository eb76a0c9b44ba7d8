"""All pictures of an image, or of two: those that need no weights, and those that do."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.masking import KeptTokens
from model.sapiensid.sapiensid import SapiensID
from model.visualization.attention import attention_picture
from model.visualization.patches import patches_of
from model.visualization.photo import RGB, enlarged
from model.visualization.positions import positions_picture
from model.visualization.regions import regions_picture
from model.visualization.similarity import similarity_picture
from model.visualization.token_sampling import token_sampling_picture

#: An image and its keypoints.
Person = tuple[RGB, NDArray[np.float32]]


def draw_patches(
    model: SapiensID,
    image: RGB,
    keypoints: NDArray[np.float32],
    counts: Sequence[int],
    seed: int = 0,
) -> dict[str, Image.Image]:
    """The pictures "regions", "positions" and "kept" of an image; the model may lack weights.

    counts: numbers of kept tokens to show, drawn by chance from `seed`.
    """
    patches = patches_of(model, keypoints)
    return {
        "regions": regions_picture(image, keypoints, patches),
        "positions": positions_picture(image, model, patches),
        "kept": token_sampling_picture(image, patches, KeptTokens(), counts, seed),
    }


def draw_attention(
    model: SapiensID, image: RGB, keypoints: NDArray[np.float32]
) -> dict[str, Image.Image]:
    """The picture "attention"; ValueError where the model's head is not semantic."""
    encoded = encode(model, [image], [keypoints])
    patches = patches_of(model, keypoints)
    return {"attention": attention_picture(image, keypoints, model, encoded, patches)}


def draw_similarity(model: SapiensID, first: Person, second: Person) -> dict[str, Image.Image]:
    """The picture "similarity"; ValueError where the model's head is not semantic."""
    images, keypoints = (first[0], second[0]), (first[1], second[1])
    encoded = encode(model, images, keypoints)
    return {"similarity": similarity_picture(images, keypoints, model, encoded)}


@torch.no_grad()
def encode(
    model: SapiensID, images: Sequence[RGB], keypoints: Sequence[NDArray[np.float32]]
) -> Encoded:
    """The model's encoding of square images of any size, each with its keypoints (19, 3)."""
    pixels = np.stack([np.asarray(enlarged(image, model.image_size)) for image in images])
    images_BCHW = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    return model.encode(images_BCHW, torch.from_numpy(np.stack(keypoints).astype(np.float32)))
