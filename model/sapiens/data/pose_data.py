"""People with labelled keypoints, read from a COCO-format file and a folder of pictures."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.sapiens.data.coco_keypoints import ListedPicture, read_keypoint_file
from model.sapiens.data.files import read_bytes, read_picture, refuse
from model.sapiens.vocabulary import KeypointVocabulary
from webbody.errors import WebbodyError
from webbody.images import RGB


@dataclass(frozen=True, eq=False)
class PoseSample:
    """A person on a photo.

    image (H, W, 3) uint8 RGB: the whole photo. box (4,) float32: xyxy px, inside the photo.
    keypoints (K, 3) float32: x, y px of the photo and visibility: 0 not labelled (x = y = 0),
    1 hidden, 2 seen. image_id, annotation_id: of the file.
    """

    image: NDArray[np.uint8]
    box: NDArray[np.float32]
    keypoints: NDArray[np.float32]
    image_id: int
    annotation_id: int


class PoseData:
    """The people of a file with at least one labelled keypoint, as PoseSample by index.

    Pictures are decoded when a person is asked for. left_out: numbers of people who are not among
    them, by reason. digest: of the annotations, and the names and sizes of the pictures.
    annotations, images: where they are.
    """

    def __init__(self, annotations: Path, images: Path, vocabulary: KeypointVocabulary) -> None:
        """annotations: a COCO-format JSON file. images: the folder of its pictures.

        Raises WebbodyError for a file that `read_keypoint_file` refuses, pictures that are missing,
        and where nobody is left.
        """
        file = read_keypoint_file(annotations, vocabulary)
        self.vocabulary = vocabulary
        self.left_out = Counter(
            "crowd" if person.pose.crowd else "no labelled keypoint"
            for person in file.people
            if not person.usable
        )
        people = [person for person in file.people if person.usable]
        if not people:
            raise WebbodyError(f"{annotations}: nobody in it has a labelled keypoint.")
        self.annotations, self.images = annotations, images
        self._pictures = {person.pose.image: file.pictures[person.pose.image] for person in people}
        # Arrays rather than objects: they are handed to every worker.
        self._image_ids = np.array([person.pose.image for person in people])
        self._annotation_ids = np.array([person.annotation for person in people])
        self._boxes = np.array([person.pose.box for person in people], np.float32)
        self._keypoints = np.array([person.pose.keypoints for person in people], np.float32)
        self.digest = self._digest(annotations)

    def __len__(self) -> int:
        return len(self._boxes)

    def __getitem__(self, index: int) -> PoseSample:
        """A person; WebbodyError where the picture cannot be used or is not of the stated size."""
        picture = self._pictures[int(self._image_ids[index])]
        image = self.photo(picture)
        return PoseSample(
            image=image,
            box=self._boxes[index],
            keypoints=self._keypoints[index],
            image_id=picture.image,
            annotation_id=int(self._annotation_ids[index]),
        )

    def photo(self, picture: ListedPicture) -> RGB:
        """A picture of the file, upright; WebbodyError as for a person."""
        path = self.images / picture.path
        image = read_picture(path)
        if image.shape[:2] != (picture.height, picture.width):
            refuse(
                path,
                f"is {image.shape[1]} x {image.shape[0]} pixels when upright, the annotations say "
                f"{picture.width} x {picture.height}; they belong to another version of it",
            )
        return image

    def _digest(self, annotations: Path) -> str:
        digest = hashlib.blake2b(read_bytes(annotations), digest_size=16)
        missing = []
        for picture in sorted(self._pictures.values(), key=lambda picture: picture.path):
            try:
                size = (self.images / picture.path).stat().st_size
            except OSError:
                missing.append(picture.path)
                continue
            digest.update(f"{picture.path}\0{size}\0".encode())
        if missing:
            others = f" (and {len(missing) - 1:,} more)" if len(missing) > 1 else ""
            raise WebbodyError(
                f"{self.images}: {missing[0]}{others} is missing, which {annotations.name} lists; "
                "check the folder of pictures."
            )
        return digest.hexdigest()
