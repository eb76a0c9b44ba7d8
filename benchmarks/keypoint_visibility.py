"""Which keypoints are visible, beside the truth of drawn people, at a threshold on the confidence.

    python -m benchmarks.keypoint_visibility [--photos 200] [--model FILE] [--min-score 0.3]

People of photos that no training saw, cut out in their true boxes as the persons stage does and
read as the keypoints stage does, in the demo's two worlds. Visible in truth: the point's own pixel
is in sight. Precision: of the points called visible, those that are; recall: of the visible, those
called so. `right`: of the visible, those called so and within a tenth of the square root of the
box's area (PCK@0.1). The last table takes other thresholds, and compares with the file's twin of
beta 1: the share of points that both call the same.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import webbody.demo
from pipelines.detection.keypoint_detection import KeypointDetector
from pipelines.detection.to_sapiensid19 import to_sapiensid19
from webbody.config import KeypointsSettings
from webbody.demo.train_models.dataset import held_out_photo, is_person
from webbody.demo.train_models.twin import rescale
from webbody.geometry import padded
from webbody.skeleton import NAMES

WORLDS = ("default", "stress")
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
PADDING = 0.05  # of the persons stage
NEAR = 0.1  # of the square root of the box's area


class People:
    """The drawn people of a world: crops, boxes and true points in pixels of the crops."""

    def __init__(self, world: str, photos: int) -> None:
        self.crops: list[NDArray[np.uint8]] = []
        self.boxes: list[list[float]] = []
        truth = []
        for index in range(photos):
            photo = held_out_photo(world, index)
            height, width = photo.image.shape[:2]
            for figure in filter(is_person, photo.figures):
                left, top, right, bottom = padded(figure.box, PADDING, width, height)
                self.crops.append(np.ascontiguousarray(photo.image[top:bottom, left:right, ::-1]))
                self.boxes.append((figure.box - [left, top] * 2).tolist())
                truth.append(figure.keypoints - [left, top, 0])
        self.truth = np.array(truth)
        self.visible = self.truth[..., 2] == 2

    def found(
        self, points: NDArray[np.float32], scores: NDArray[np.float32], threshold: float
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which points (N, 19) are called visible, and which of these lie near the truth."""
        marks = []
        for crop, places, sure in zip(self.crops, points, scores, strict=True):
            height, width = crop.shape[:2]
            marks.append(to_sapiensid19(places, sure, None, None, width, height, threshold)[0])
        called = np.array(marks)[..., 2] > 0
        sides = np.sqrt(np.prod(np.array(self.boxes)[:, 2:] - np.array(self.boxes)[:, :2], 1))
        away = np.linalg.norm(np.array(marks)[..., :2] - self.truth[..., :2], axis=-1)
        return called, called & (away < NEAR * sides[:, None])


def shares(called: NDArray[np.bool_], near: NDArray[np.bool_], visible: NDArray[np.bool_]) -> str:
    """Precision, recall and share right, in percent."""
    both = (called & visible).sum()
    of = max(1, visible.sum())
    parts = both / max(1, called.sum()), both / of, (near & visible).sum() / of
    return " | ".join(f"{100 * part:.1f}" for part in parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=200, help="photos of each world")
    models = Path(webbody.demo.__file__).parent / "models"
    parser.add_argument("--model", type=Path, default=models / "keypoints.onnx")
    parser.add_argument("--min-score", type=float, default=KeypointsSettings().min_score)
    arguments = parser.parse_args()
    worlds = {world: People(world, arguments.photos) for world in WORLDS}
    detector = KeypointDetector(str(arguments.model), None, "cpu", 32, 1)
    read = {world: detector(people.crops, people.boxes) for world, people in worlds.items()}
    called = {
        world: people.found(*read[world], arguments.min_score) for world, people in worlds.items()
    }
    print("| point | visible | precision | recall | right | visible | precision | recall | right |")
    print("|---|---|---|---|---|---|---|---|---|")
    every = list(range(len(NAMES)))
    for points, name in [*(([k], name) for k, name in enumerate(NAMES)), (every, "all")]:
        cells = []
        for world, people in worlds.items():
            visible = people.visible[:, points]
            cells.append(f"{100 * visible.mean():.1f}")
            marked, near = called[world]
            cells.append(shares(marked[:, points], near[:, points], visible))
        print(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |")

    with tempfile.TemporaryDirectory() as scratch:
        file = rescale(arguments.model, Path(scratch) / "twin.onnx", detector.beta)
        twin = KeypointDetector(str(file), None, "cpu", 32, 1)
    print(
        f"\nbeta {detector.beta:g} {detector.beta_source}; twin: {twin.beta:g} {twin.beta_source}\n"
    )
    print("| threshold | precision | recall | right | precision | recall | right | as the twin |")
    print("|---|---|---|---|---|---|---|---|")
    others = {world: twin(people.crops, people.boxes) for world, people in worlds.items()}
    for threshold in THRESHOLDS:
        cells, same = [], []
        for world, people in worlds.items():
            here = people.found(*read[world], threshold)
            cells.append(shares(*here, people.visible))
            same.append(here[0] == people.found(*others[world], threshold)[0])
        equal = np.concatenate(same).mean()
        print(f"| {threshold} | {' | '.join(cells)} | {100 * equal:.2f} % |")
    for world in worlds:
        moved = np.abs(read[world][0] - others[world][0]).max(-1) > 0.1
        print(f"{world}: {moved.sum()} of {moved.size} points lie elsewhere with the twin")


if __name__ == "__main__":
    main()
