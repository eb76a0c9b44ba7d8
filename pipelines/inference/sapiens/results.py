"""Results as files: arrays as .npz, a picture of them, and poses in COCO's JSON.

Shape suffixes: N people, K keypoints, H W sides of a photo.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.sapiens.data.box_file import PersonBoxes
from model.sapiens.vocabulary import KeypointVocabulary
from webbody.errors import WebbodyError

#: The file of all poses.
POSES = "keypoints.json"
#: Of predicted points in COCO's JSON: not sure enough, and seen.
_UNSURE, _SEEN = 0, 2


class ResultFiles:
    """Writes OUT/NAME.npz and OUT/NAME.png for pictures, NAME with the picture's ending.

    Raises WebbodyError where the folder cannot be written.
    """

    def __init__(self, out: Path) -> None:
        self.out = out

    def write(self, name: str, arrays: Mapping[str, NDArray[Any]], picture: Image.Image) -> None:
        """The files of a picture."""
        try:
            (self.out / name).parent.mkdir(parents=True, exist_ok=True)
            with (self.out / f"{name}.npz").open("wb") as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
            picture.save(self.out / f"{name}.png")
        except OSError as error:
            raise _not_written(self.out, error) from error

    def write_json(self, name: str, content: Any) -> None:
        """A JSON file, which is there whole or not at all."""
        part = self.out / f"{name}.part"
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(content, separators=(",", ":")) + "\n", encoding="utf-8")
            part.replace(self.out / name)
        except OSError as error:
            raise _not_written(self.out, error) from error


class CocoPoses:
    """Poses in COCO's format, picture by picture.

    A keypoint's third number is 2 where its score is at least `least_score`, else 0; the scores
    themselves are in `keypoint_scores`. `score` of a person is the box's times the mean of the
    scores above 0.2, as for the metric.
    """

    def __init__(self, vocabulary: KeypointVocabulary, least_score: float) -> None:
        self._least = least_score
        self.content: dict[str, Any] = {
            "images": [],
            "annotations": [],
            "categories": [{"id": 1, "name": "person", "keypoints": list(vocabulary.names)}],
        }

    def add(
        self, name: str, size: tuple[int, int], people: PersonBoxes, poses_NK3: NDArray[np.float32]
    ) -> None:
        """The people of a picture of size (height, width)."""
        images, annotations = self.content["images"], self.content["annotations"]
        image = len(images) + 1
        images.append({"id": image, "file_name": name, "width": size[1], "height": size[0]})
        for box, score, pose_K3 in zip(people.boxes, people.scores, poses_NK3, strict=True):
            left, top, right, bottom = (round(float(side), 3) for side in box)
            scores_K = pose_K3[:, 2]
            counting = scores_K[scores_K > 0.2]
            flags_K = np.where(scores_K >= self._least, _SEEN, _UNSURE)
            points = [
                number
                for (x, y), flag in zip(pose_K3[:, :2].tolist(), flags_K.tolist(), strict=True)
                for number in (round(x, 3), round(y, 3), flag)
            ]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "bbox": [left, top, round(right - left, 3), round(bottom - top, 3)],
                    "area": round((right - left) * (bottom - top), 3),
                    "iscrowd": 0,
                    "num_keypoints": int((flags_K > 0).sum()),
                    "keypoints": points,
                    "keypoint_scores": [round(value, 4) for value in scores_K.tolist()],
                    "box_score": round(float(score), 4),
                    "score": round(float(score * counting.mean()) if len(counting) else 0.0, 4),
                }
            )


def _not_written(out: Path, error: OSError) -> WebbodyError:
    return WebbodyError(f"{out}: cannot be written ({error.strerror or error}); choose --out.")
