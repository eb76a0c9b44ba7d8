"""Average precision and recall of keypoints by object keypoint similarity, with pycocotools.

Shape suffixes: K keypoints of the vocabulary, G of a group, T thresholds, R recalls, A areas.
"""

import contextlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.sapiens.metrics.poses import FoundPose, TruePose, without_duplicates
from model.sapiens.vocabulary import KeypointVocabulary


@dataclass(frozen=True)
class KeypointFigures:
    """Fractions, as COCO reports keypoints; NaN where no labelled person is of the kind.

    ap and ar: means over similarities of 0.5 to 0.95; ..50, ..75: at 0.5 and 0.75; medium: people
    of 32² to 96² px, large: of more.
    """

    ap: float
    ap50: float
    ap75: float
    ap_medium: float
    ap_large: float
    ar: float
    ar50: float
    ar75: float
    ar_medium: float
    ar_large: float


def keypoint_figures(
    truth: Sequence[TruePose],
    found: Sequence[FoundPose],
    images: Iterable[int],
    vocabulary: KeypointVocabulary,
) -> dict[str, KeypointFigures]:
    """Figures of every group of the vocabulary, such as "body" and "whole_body".

    Of people found twice the best stays (`without_duplicates`). images: the ids of all pictures
    that were looked at; who is found on one without labels is found wrongly. A person without a
    labelled point in a group, or labelled as a crowd, counts neither way there.
    """
    kept = without_duplicates(found, vocabulary.sigmas)
    looked_at = sorted(set(images))
    figures: dict[str, KeypointFigures] = {}
    for name, group in vocabulary.groups.items():
        if name == "whole_body" and len(vocabulary.groups["body"]) == len(group):
            figures[name] = figures["body"]
        else:
            figures[name] = _figures(evaluation(truth, kept, looked_at, group, vocabulary.sigmas))
    return figures


def evaluation(
    truth: Sequence[TruePose],
    found: Sequence[FoundPose],
    images: Sequence[int],
    group: NDArray[np.integer],
    sigmas: NDArray[np.floating],
) -> Any:
    """pycocotools' COCOeval of some keypoints, accumulated; `ious` are the similarities.

    group (G,): indices of the keypoints. sigmas (K,): of all.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    labelled = [_labelled(number, person, group) for number, person in enumerate(truth, 1)]
    predicted = [_predicted(number, person, group) for number, person in enumerate(found, 1)]
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        sides = []
        for people in (labelled, predicted):
            side = COCO()
            side.dataset = {
                "images": [{"id": image} for image in images],
                "categories": [{"id": 1, "name": "person"}],
                "annotations": people,
            }
            side.createIndex()
            sides.append(side)
        result = COCOeval(*sides, "keypoints")
        result.params.kpt_oks_sigmas = np.asarray(sigmas)[group]
        result.evaluate()
        result.accumulate()
    return result


def _labelled(number: int, person: TruePose, group: NDArray[np.integer]) -> dict[str, Any]:
    points_G3 = person.keypoints[group]
    x1, y1, x2, y2 = person.box.tolist()
    return {
        "id": number,
        "image_id": person.image,
        "category_id": 1,
        "keypoints": points_G3.ravel().tolist(),
        "num_keypoints": int((points_G3[:, 2] > 0).sum()),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": person.area,
        "iscrowd": int(person.crowd),
    }


def _predicted(number: int, person: FoundPose, group: NDArray[np.integer]) -> dict[str, Any]:
    points_K2 = np.array(person.keypoints, np.float64)
    present_K = np.isfinite(points_K2).all(-1)
    extent = np.ptp(points_K2[present_K], axis=0) if present_K.any() else np.zeros(2)
    points_K2[~present_K] = np.inf  # similar to nothing
    flags_G1 = np.ones((len(group), 1))
    return {
        "id": number,
        "image_id": person.image,
        "category_id": 1,
        "keypoints": np.concatenate([points_K2[group], flags_G1], 1).ravel().tolist(),
        "score": person.score,
        "area": float(np.prod(extent)),  # of all keypoints, whichever group is measured
    }


def _figures(result: Any) -> KeypointFigures:
    precision_TRA = result.eval["precision"][:, :, 0, :, 0]
    recall_TA = result.eval["recall"][:, 0, :, 0]
    # Thresholds are 0.5 to 0.95 in steps of 0.05; areas all, medium, large.
    at_50, at_75 = slice(0, 1), slice(5, 6)
    everywhere = slice(None)
    chosen = ((everywhere, 0), (at_50, 0), (at_75, 0), (everywhere, 1), (everywhere, 2))
    ap = [_mean(precision_TRA[thresholds, :, area]) for thresholds, area in chosen]
    ar = [_mean(recall_TA[thresholds, area]) for thresholds, area in chosen]
    return KeypointFigures(*ap, *ar)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[values > -1]
    return float(known.mean()) if known.size else float("nan")
