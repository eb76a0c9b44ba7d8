"""Pictures with masks of body parts: `images/`, and `masks/` of PNG files of the same names."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.sapiens.data.files import read_classes, read_picture, refuse, same_size
from model.sapiens.data.paired_files import MASK_SUFFIXES, paired_files
from model.sapiens.vocabulary import PartVocabulary
from model.sapiens.vocabulary.parts import IGNORED

MASKS = "masks"


@dataclass(frozen=True, eq=False)
class PartSample:
    """image (H, W, 3) uint8 RGB; label (H, W) uint8: classes, 255 where it does not count."""

    image: NDArray[np.uint8]
    label: NDArray[np.uint8]
    name: str


class PartData:
    """The pictures of a folder with their masks, as PartSample by index.

    Files are listed once and decoded when they are asked for. digest: of names and sizes.
    """

    def __init__(self, folder: Path, vocabulary: PartVocabulary) -> None:
        """folder: with `images/` and `masks/`. Raises WebbodyError as `paired_files` does."""
        self.vocabulary = vocabulary
        self._files, self.digest = paired_files(folder, {MASKS: MASK_SUFFIXES})

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> PartSample:
        """A picture; WebbodyError for files that cannot be used, other sizes, unknown classes."""
        picture, mask = self._files[index].paths
        image, label = read_picture(picture), read_classes(mask)
        same_size(mask, label, picture, image)
        classes = len(self.vocabulary)
        unknown = np.unique(label[(label >= classes) & (label != IGNORED)])
        if len(unknown):
            refuse(
                mask,
                f"holds the classes {', '.join(map(str, unknown[:5]))}, which are none of the "
                f"{classes} (0 to {classes - 1}, {IGNORED} for pixels that do not count)",
            )
        return PartSample(image, label, self._files[index].name)
