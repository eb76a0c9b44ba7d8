"""The body-part vocabularies of Sapiens: 28 and 20 classes of segmentation."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from webbody.errors import WebbodyError

#: The label of pixels that count nowhere.
IGNORED = 255

# Names and class weights of the losses, in the order of the classes.
_28 = {
    "Background": 0.1, "Apparel": 10, "Face_Neck": 3, "Hair": 2, "Left_Foot": 4, "Left_Hand": 4,
    "Left_Lower_Arm": 2, "Left_Lower_Leg": 2, "Left_Shoe": 6, "Left_Sock": 10, "Left_Upper_Arm": 3,
    "Left_Upper_Leg": 3, "Lower_Clothing": 1, "Right_Foot": 4, "Right_Hand": 4,
    "Right_Lower_Arm": 2, "Right_Lower_Leg": 2, "Right_Shoe": 6, "Right_Sock": 10,
    "Right_Upper_Arm": 3, "Right_Upper_Leg": 3, "Torso": 1, "Upper_Clothing": 1, "Lower_Lip": 10,
    "Upper_Lip": 10, "Lower_Teeth": 10, "Upper_Teeth": 10, "Tongue": 10,
}  # fmt: skip
_20 = {
    "Background": 0.1, "Hat": 1.5, "Hair": 1, "Glove": 1.5, "Sunglasses": 1.5, "UpperClothes": 0.8,
    "Dress": 1.2, "Coat": 1, "Socks": 1.5, "Pants": 0.8, "Jumpsuits": 1.2, "Scarf": 1.5,
    "Skirt": 1.5, "Face": 0.7, "Left_Arm": 1, "Right_Arm": 1, "Left_Leg": 1, "Right_Leg": 1,
    "Left_Shoe": 1.5, "Right_Shoe": 1.5,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class PartVocabulary:
    """C classes, the background first; left and right are the subject's.

    names: (C,). weights (C,) float32: of the classes in the loss. flip (256,) uint8: the class of a
    pixel when the picture is mirrored, by its label; labels that are no class, such as 255 for
    ignored, stay.
    """

    names: tuple[str, ...]
    weights: NDArray[np.float32]
    flip: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.names)


@cache
def part_vocabulary(classes: int) -> PartVocabulary:
    """The vocabulary of 28 or 20 classes; WebbodyError for another number."""
    tables = {28: _28, 20: _20}
    if classes not in tables:
        raise WebbodyError(
            f"There is no vocabulary of {classes} body parts: known are those of 20 and 28 classes."
        )
    names = tuple(tables[classes])
    flip = np.arange(256, dtype=np.uint8)
    for left, name in enumerate(names):
        if name.startswith("Left_"):
            right = names.index(name.replace("Left_", "Right_", 1))
            flip[left], flip[right] = right, left
    weights = np.array(list(tables[classes].values()), np.float32)
    for array in (flip, weights):
        array.setflags(write=False)
    return PartVocabulary(names, weights, flip)
