"""What the page of a training shows: read from its folder, without pictures and HTML."""

from dataclasses import dataclass
from typing import Any

from model.training.monitoring.example_rankings import (
    ExampleRanking,
    PictureInTar,
    SimilarPicture,
)
from model.training.monitoring.metric_log import LOG, RANKINGS, SCORES, read_lines
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.storage import Folder

#: Figures without which a line of the log cannot be drawn.
_DRAWN = ("done", "steps", "seen", "loss", "images", "lr")


@dataclass(frozen=True)
class TrainingContent:
    """A training so far.

    log: a report each, as `model.training.monitoring.progress.TrainingProgress`. scores: a
    validation each. best: the one whose model is kept. rankings: of the newest validation, after
    `ranked_at` steps.
    """

    log: list[dict[str, Any]]
    scores: list[dict[str, Any]]
    best: dict[str, Any] | None
    ranked_at: int
    rankings: list[ExampleRanking]

    @property
    def newest(self) -> dict[str, Any]:
        """The last report; empty where there is none yet."""
        return self.log[-1] if self.log else {}

    @property
    def is_done(self) -> bool:
        """Whether all steps are done."""
        return bool(self.log) and self.newest["done"] >= self.newest["steps"]


def is_training(out: str) -> bool:
    """Whether a folder is one of `webbody train` that has reported anything."""
    folder = Folder(out)
    return any(folder.size(name) is not None for name in (LOG, SCORES))


def read_training(out: str) -> TrainingContent:
    """The content of a training's folder, also while it runs.

    A line that is being written, or that lacks a figure, is left out. Raises WebbodyError where the
    folder holds no training.
    """
    if not is_training(out):
        raise WebbodyError(f"{out} holds no training; start one with `webbody train --out {out}`.")
    folder = Folder(out)
    log = [line for line in _lines(folder, LOG) if all(_number(line.get(x)) for x in _DRAWN)]
    scores = [line for line in _lines(folder, SCORES) if _is_score(line)]
    ranked_at, rankings = _rankings(folder)
    return TrainingContent(log, scores, _best(folder), ranked_at, rankings)


def _lines(folder: Folder, name: str) -> list[dict[str, Any]]:
    try:
        return read_lines(folder.read(name).decode("utf-8", "replace"))
    except FileNotFoundError:
        return []


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e18


def _is_score(line: dict[str, Any]) -> bool:
    """Of a SapiensID, or of a model with one metric by name."""
    figures = ("rank1", "mAP") if "rank1" in line else ("value",)
    named = "rank1" in line or isinstance(line.get("metric"), str)
    return named and all(_number(line.get(name)) for name in ("done", "seen", *figures))


def _best(folder: Folder) -> dict[str, Any] | None:
    try:
        found = parse_json(folder.read("best/score.json"))
        return found if isinstance(found, dict) and _is_score(found) else None
    except (FileNotFoundError, ValueError):
        return None


def _rankings(folder: Folder) -> tuple[int, list[ExampleRanking]]:
    """Those of the newest validation; none where the trainer writes none, or is writing them."""
    try:
        told = parse_json(folder.read(RANKINGS))
        rankings = [
            ExampleRanking(
                PictureInTar(**one["query"]),
                int(one["first_match"]),
                [
                    SimilarPicture(
                        PictureInTar(**image["picture"]),
                        float(image["cosine"]),
                        image["match"] is True,
                    )
                    for image in one["found"]
                ],
            )
            for one in told["rankings"]
        ]
        return int(told["done"]), rankings
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return 0, []
