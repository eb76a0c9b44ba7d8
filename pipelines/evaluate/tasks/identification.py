"""One against many: probes are searched among the templates of a gallery that has two halves."""

from collections.abc import Sequence

import numpy as np

from model.evaluation.images import Images
from model.evaluation.open_set import OpenSet, identify
from model.evaluation.ranking import evaluate
from pipelines.evaluate.tasks.figure import TaskResult, cmc_curve


def identification(
    name: str, probes: Images, halves: Sequence[Images], gallery: Images, missing: int
) -> TaskResult:
    """Ranks in the whole `gallery` (closed set), and open-set rates, their means over its halves.

    Of a half the strangers are the probes whose person is in the other alone, or in none.
    missing: images of the data set without a feature.
    """
    closed = evaluate(probes, gallery, "ignore_cameras")
    opened = [identify(probes, half) for half in halves]
    metrics = {f"top{k}": closed.rank(k) for k in (1, 5, 10)}
    counts = {
        "probes": closed.queries,
        "probes without a match": closed.skipped,
        "in the gallery": len(gallery.person),
        "images without a feature": missing,
    }
    return TaskResult(name, metrics | _rates(opened), counts, _notes(opened), cmc_curve(closed))


def _rates(opened: Sequence[OpenSet]) -> dict[str, float]:
    """Shares identified at false identification rates, means over the halves."""
    tpir = np.mean([one.tpir for one in opened], axis=0)
    return {f"TPIR@FPIR={f:g}": float(t) for f, t in zip(opened[0].fpir, tpir, strict=True)}


def _notes(opened: Sequence[OpenSet]) -> list[str]:
    notes = []
    for number, half in enumerate(opened, 1):
        unresolved = [f"{fpir:g}" for fpir in half.fpir[~half.resolved]]
        if not half.mated:
            notes.append(f"nobody of half {number} of the gallery is a probe")
        if unresolved:
            rates = ", ".join(unresolved)
            notes.append(
                f"{half.strangers:,} strangers to half {number} of the gallery are too few for a "
                f"FPIR of {rates}"
            )
    return notes
