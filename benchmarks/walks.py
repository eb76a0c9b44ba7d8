"""People found by short walks: how much do more frames bring, and who should pool them?

    python -m benchmarks.walks --out DIR --runs RUN/model [RUN/model ...]

A hundred drawn people whom no training has seen, each on two walks in different clothes; a walk of
the first kind is looked for among those of the second. Rank-1 and mAP in percent by the frames of a
walk that are used, evenly spread over it: pooled as the mean of the frames' features, and by the
head over all frames. The models are those of benchmarks.ablation, or any SapiensID.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks.ablation import HELD_OUT, STRANGERS
from model import SapiensID
from model.evaluation.ranking import Images, evaluate
from model.features.clips import ClipExtractor, Pooling, read_clips
from model.features.samples import read_shard

FRAMES = 8


def clip_features(model: SapiensID, shard: Path, frames: int, pooling: Pooling) -> Images:
    with shard.open("rb") as file:
        clips = read_clips(read_shard(file, str(shard), model.image_size), frames)
        found = list(ClipExtractor(model, pooling)(clips))
    people = np.array([clip.person for clip, _ in found])
    return Images(np.stack([feature for _, feature in found]), people, np.arange(len(people)))


def main() -> None:
    from webbody.demo.pose_scale import write_walks

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the walks")
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="folders of models")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not (arguments.out / "complete").exists():
        write_walks(arguments.out, range(HELD_OUT, HELD_OUT + STRANGERS), 2, FRAMES)
        (arguments.out / "complete").touch()
    queries, gallery = sorted(arguments.out.glob("walk-*.tar"))
    print("| model | frames | rank-1, mean | mAP | rank-1, head | mAP |\n|---|---|---|---|---|---|")
    for run in arguments.runs:
        model = SapiensID.from_pretrained(run)
        for frames in (1, 2, 4, FRAMES):
            cells = []
            for pooling in ("mean", "head"):
                one, other = (clip_features(model, s, frames, pooling) for s in (queries, gallery))
                found = evaluate(one, other, "ignore_cameras")
                cells += [f"{100 * found.rank(1):.1f}", f"{100 * found.mAP:.1f}"]
            print(f"| {run.parent.name} | {frames} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
