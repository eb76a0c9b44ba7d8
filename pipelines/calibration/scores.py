"""Scores in sample pictures, and the share that each threshold would keep."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from webbody.errors import WebbodyError

#: Thresholds of the table, and those that are searched for the best.
SHOWN = np.round(np.arange(0.1, 0.95, 0.1), 2)
CHOICES = np.round(np.arange(0.05, 0.96, 0.05), 2)
#: Thresholds within this F1 of the best are as good.
_EQUAL = 0.005
#: Fewer scores than this give a warning.
_FEW = 30


@dataclass
class ScoreSample:
    """Scores in 0..1 of one kind of detection.

    setting: its threshold in a build's configuration, `section.field`, and now, its value. right:
    for each score whether the detection is true, empty without ground truth; positives: how many
    true ones there are.
    """

    kind: str
    setting: str
    now: float
    scores: list[float] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    positives: int = 0

    def kept(self, threshold: float) -> float:
        """The share of the detections at or above a threshold; NaN where nothing was found."""
        values = np.array(self.scores)
        return float((values >= threshold).mean()) if len(values) else float("nan")

    def precision_recall(self, threshold: float) -> tuple[float, float, float]:
        """Precision, recall and F1 at a threshold, where the truth is known."""
        kept = np.array(self.scores) >= threshold
        good = int((kept & np.array(self.right, bool)).sum())
        precision, recall = good / max(1, int(kept.sum())), good / max(1, self.positives)
        return precision, recall, 2 * good / max(1, int(kept.sum()) + self.positives)

    def best(self) -> tuple[float, float]:
        """The lowest and the highest of the thresholds with the best F1."""
        f1 = np.array([self.precision_recall(float(choice))[2] for choice in CHOICES])
        good = CHOICES[f1 >= f1.max() - _EQUAL]
        return float(good.min()), float(good.max())

    def suggested(self) -> float:
        """The present threshold if it is among the best, else the middle of the best."""
        low, high = self.best()
        return self.now if low <= self.now <= high else round((low + high) / 2, 2)

    def report_lines(self) -> Iterator[str]:
        """The lines of the table for the user."""
        if not self.scores:
            yield f"{self.kind}: none found; {self.setting} is {self.now:g}"
            return
        quartiles = np.quantile(self.scores, [0, 0.25, 0.5, 0.75, 1])
        yield (
            f"{self.kind}: {len(self.scores):,} found, scores "
            + " ".join(f"{value:.2f}" for value in quartiles)
            + f" (least, quartiles, largest); {self.setting} is {self.now:g}, "
            f"which keeps {self.kept(self.now):.1%}"
        )
        for threshold in SHOWN:
            line = f"  from {threshold:.1f}: {self.kept(threshold):6.1%} kept"
            if self.right:
                precision, recall, _ = self.precision_recall(threshold)
                line += f", {precision:.1%} of them true, {recall:.1%} of the true ones found"
            yield line
        if self.right:
            low, high = self.best()
            _, _, f1 = self.precision_recall(self.suggested())
            yield f"  best: {low:g} to {high:g} (F1 {f1:.3f})"

    def warnings(self) -> Iterator[str]:
        """Warnings about the present threshold."""
        if not self.scores:
            yield f"No {self.kind} were found in the pictures; check them and the model."
        elif self.kept(self.now) < 0.1:
            yield (
                f"{self.setting} {self.now:g} keeps {self.kept(self.now):.1%} of the {self.kind}: "
                "it is meant for another model."
            )
        elif len(self.scores) < _FEW:
            yield f"Only {len(self.scores)} {self.kind} were found: take more pictures."


def picture(found: Iterable[ScoreSample], out: str) -> None:
    """Draw the histograms, with what each threshold would keep, as a PNG."""
    from pathlib import Path

    from matplotlib.figure import Figure

    kinds = list(found)
    # Without pyplot, which would ask for a display and keep every figure.
    figure = Figure(figsize=(4.2 * len(kinds), 3.4))
    panels = figure.subplots(1, len(kinds), squeeze=False)
    edges = np.linspace(0, 1, 41)
    for panel, one in zip(panels[0], kinds, strict=True):
        scores = np.array(one.scores)
        if one.right:
            right = np.array(one.right, bool)
            parts: list[NDArray[Any]] = [scores[right], scores[~right]]
            panel.hist(parts, edges, stacked=True, color=["tab:green", "tab:red"])
            panel.legend(["true", "false"], loc="upper left")
        else:
            panel.hist(scores, edges, color="tab:grey")
        panel.axvline(one.now, color="black", linestyle="--")
        panel.set_title(f"{one.kind}: {len(scores):,}")
        panel.set_xlabel(f"score ({one.setting} {one.now:g})")
        share = panel.twinx()
        share.plot(edges, [one.kept(edge) for edge in edges], color="tab:blue")
        share.set_ylim(0, 1.02)
        share.set_ylabel("share kept", color="tab:blue")
    figure.tight_layout()
    try:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, dpi=110)
    except (OSError, ValueError) as error:
        raise WebbodyError(f"--out {out}: cannot be written ({error}); name a .png file.") from None
