"""What heads have learned, and what they have not: from the runs of benchmarks.ablation.

    python -m benchmarks.head_diagnosis DIR [--rows ROW ...] [--seed 0]

For each row, rank-1 in percent as the ablation's (`face`, `body`, `cross`, mean), of

- the features of 100 people that it was trained on, and of the strangers: does it over-fit, or has
  it not learned?
- what the head is given: the pooled tokens of its encoder, and, for heads of parts, the values at
  the peaks around single keypoints, and the mean cosine of the keypoints that both images show.
  Such raw numbers are compared less their mean and over their deviation;
- the strangers' features with other keypoints: without those below the head, without each by a
  chance of 0.3, and with noise of 1 % and 3 % of the image; and with parts of all images painted
  over, whose keypoints are then missing.

Then the effective rank of the head's first map, how steadily gradients pulled (the mean of
|Adam's first moment| over the root of the second; 0.18 is that of pure noise), and how far the
part weights went.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.ablation import TRAINED, folder_of, head_of
from model import SapiensID
from model.features.samples import read_shard
from model.sapiensid.heads.pooled import pooled_tokens
from webbody import skeleton

PEOPLE = 100
_BATCH = 64
_HEAD = len(skeleton.FACE) + 2  # face and ears
#: Keypoints whose parts are probed, by what they are of.
_PROBED = {
    "nose": (0,), "eyes": (1, 2), "mouth": (3, 4), "ears": (5, 6), "shoulders": (7, 8),
    "elbows and wrists": (9, 10, 11, 12), "hips": (13, 14), "knees and ankles": (15, 16, 17, 18),
}  # fmt: skip
Array = NDArray[np.float32]


class Side(NamedTuple):
    """Images of one kind of shot: pixels (B, 3, S, S), keypoints (B, 19, 3), people (B,)."""

    images: Tensor
    keypoints: Tensor
    people: NDArray[np.int64]


def read_side(shards: list[Path], size: int, people: range | None) -> Side:
    found = []
    for shard in shards:
        with shard.open("rb") as file:
            samples = read_shard(file, str(shard), size)
            found += [s for s in samples if people is None or s.person in people]
    images = torch.from_numpy(np.stack([s.image for s in found])).permute(0, 3, 1, 2)
    keypoints = torch.from_numpy(np.stack([s.keypoints for s in found])).float()
    return Side(images, keypoints, np.array([s.person for s in found]))


def given(model: Any, side: Side, moved: Callable[[Tensor], Tensor]) -> dict[str, Array]:
    """By name: `feature` (B, F), `pooled` (B, 2 D), `peaks` (B, 19, X) of heads that have parts."""
    rows: dict[str, list[Array]] = {}
    points = moved(side.keypoints.clone())
    head = getattr(model.head, "set", model.head)
    features = getattr(head, "features", head)
    for start in range(0, len(points), _BATCH):
        some = slice(start, start + _BATCH)
        with torch.inference_mode():
            encoded = model.encode(side.images[some].float() / 127.5 - 1, points[some])
            found = {"feature": model.head(encoded, None), "pooled": pooled_tokens(encoded)}
            if hasattr(features, "parts"):
                peaks_BPD = features.parts(encoded).chunk(2, 1)[1]
                found["peaks"] = peaks_BPD.unflatten(1, (model.keypoints, -1)).flatten(2)
        for name, value in found.items():
            rows.setdefault(name, []).append(value.numpy())
    return {name: np.concatenate(value) for name, value in rows.items()}


def ranks(sides: Sequence[Side], scores: Callable[[int, int], Array]) -> list[float]:
    """Rank-1 of face, body and cross in percent, and their mean; sides: close-ups, full bodies."""
    who = [side.people for side in sides]
    found = []
    for query, gallery in ((0, 0), (1, 1), (1, 0)):
        score = scores(query, gallery).copy()
        if query == gallery:
            np.fill_diagonal(score, -np.inf)
        found.append(100 * float((who[gallery][score.argmax(1)] == who[query]).mean()))
    return [*found, float(np.mean(found))]


def cosines(sides: list[Array]) -> Callable[[int, int], Array]:
    """Of numbers less their mean, over their deviation."""
    every = np.concatenate(sides).reshape(sum(map(len, sides)), -1)
    even = (every - every.mean(0)) / (every.std(0) + 1e-6)
    even /= np.linalg.norm(even, axis=1, keepdims=True) + 1e-9
    parted = np.split(even, [len(sides[0])])
    return lambda query, gallery: parted[query] @ parted[gallery].T


def common(sides: list[Array], seen: list[NDArray[np.bool_]]) -> Callable[[int, int], Array]:
    """The mean cosine over the keypoints that both images show."""
    each = [cosines([side[:, k] for side in sides]) for k in range(sides[0].shape[1])]

    def scores(query: int, gallery: int) -> Array:
        both = [seen[query][:, k, None] & seen[gallery][None, :, k] for k in range(len(each))]
        total = sum(one(query, gallery) * b for one, b in zip(each, both, strict=True))
        return np.asarray(total / np.maximum(sum(b.astype(np.float32) for b in both), 1))

    return scores


def without_body(points: Tensor) -> Tensor:
    points[:, _HEAD:] = 0
    return points


def some_missing(points: Tensor) -> Tensor:
    gone = torch.rand(points.shape[:2], generator=torch.Generator().manual_seed(0)) < 0.3
    return points.masked_fill(gone[..., None], 0)


def noisy(share: float) -> Callable[[Tensor], Tensor]:
    def moved(points: Tensor) -> Tensor:
        noise = torch.randn(points[..., :2].shape, generator=torch.Generator().manual_seed(0))
        points[..., :2] += share * noise * (points[..., 2:] > 0)
        return points

    return moved


def as_they_are(points: Tensor) -> Tensor:
    return points


MOVED = {
    "no keypoints below the head": without_body,
    "keypoints missing by 0.3": some_missing,
    "keypoints with noise of 1 %": noisy(0.01),
    "keypoints with noise of 3 %": noisy(0.03),
}


def erased(side: Side, boxes: Array) -> Side:
    """A grey box (B, 4) in each image, in fractions of it; keypoints below it are missing."""
    size = side.images.shape[-1]
    x_S = (torch.arange(size) + 0.5) / size
    left, top, right, bottom = torch.from_numpy(boxes).unsqueeze(-1).unbind(1)
    rows_BS, columns_BS = (x_S >= top) & (x_S < bottom), (x_S >= left) & (x_S < right)
    below_BSS = rows_BS[:, :, None] & columns_BS[:, None]
    images = side.images.masked_fill(below_BSS[:, None], 128)
    x_BK, y_BK = side.keypoints[..., :2].unbind(-1)
    gone_BK = (x_BK >= left) & (x_BK < right) & (y_BK >= top) & (y_BK < bottom)
    return Side(images, side.keypoints.masked_fill(gone_BK[..., None], 0), side.people)


def around(side: Side, chosen: slice, share: float = 0.5) -> Array:
    """The boxes (B, 4) around keypoints, with a share of their extent more at each side."""
    points = side.keypoints[:, chosen].numpy()
    places = np.where(points[..., 2:] > 0, points[..., :2], np.nan)
    low, high = np.nanmin(places, 1), np.nanmax(places, 1)
    margin = share * (high - low).max(1, keepdims=True)
    return np.concatenate([low - margin, high + margin], 1)


def anywhere(side: Side) -> Array:
    """Boxes (B, 4) over a quarter of each image."""
    corner = np.random.default_rng(0).random((len(side.people), 2), np.float32) / 2
    return np.concatenate([corner, corner + 0.5], 1)


ERASED: dict[str, Callable[[Side], Array]] = {
    "face painted over": lambda side: around(side, slice(0, _HEAD)),
    "body painted over": lambda side: around(side, slice(_HEAD, None), 0.05),
    "a quarter of the image painted over": anywhere,
}


def effective_rank(weights: Tensor) -> float:
    """The exponential of the entropy of the squared singular values."""
    share = torch.linalg.svdvals(weights.float()) ** 2
    share = share / share.sum()
    return float(torch.exp(-torch.special.xlogy(share, share).sum()))


def diagnose(folder: Path, row: str, seed: int) -> None:
    run = folder_of(folder, row, seed)
    with head_of(row):
        model = SapiensID.from_pretrained(run / "model").eval()

    def line(name: str, figures: list[float]) -> None:
        print(f"| {name} | {' | '.join(f'{one:.1f}' for one in figures)} |", flush=True)

    print(f"\n### {row}\n\n| | face | body | cross | mean |\n|---|---|---|---|---|")
    for name, group, people in (
        ("trained", "train", range(TRAINED, TRAINED + PEOPLE)),
        ("strangers", "held-out", None),
    ):
        sides = [
            read_side(
                sorted((folder / "people" / group).glob(f"{shot}-*.tar")), model.image_size, people
            )
            for shot in ("close", "full")
        ]
        found = [given(model, side, as_they_are) for side in sides]
        for what in ("feature", "pooled"):
            figures = ranks(sides, cosines([one[what] for one in found]))
            line(f"{name}, {'pooled tokens' if what == 'pooled' else what}", figures)
    if "peaks" in found[0]:
        for what, places in _PROBED.items():
            peaks = [one["peaks"][:, list(places)] for one in found]
            line(f"strangers, {what} alone", ranks(sides, cosines(peaks)))
        seen = [(side.keypoints[..., 2] > 0).numpy() for side in sides]
        line("strangers, keypoints that both show",
             ranks(sides, common([one["peaks"] for one in found], seen)))  # fmt: skip
    for name, moved in MOVED.items():
        features = [given(model, side, moved)["feature"] for side in sides]
        line(f"strangers, {name}", ranks(sides, cosines(features)))
    for name, boxes in ERASED.items():
        covered = [erased(side, boxes(side)) for side in sides]
        features = [given(model, side, as_they_are)["feature"] for side in covered]
        line(f"strangers, {name}", ranks(covered, cosines(features)))
    learned(model, run)


def learned(model: Any, run: Path) -> None:
    """How the head's maps have moved."""
    name, first = next((n, p) for n, p in model.head.named_parameters() if n.endswith("0.weight"))
    torch.manual_seed(0)
    start = torch.nn.init.kaiming_uniform_(torch.empty_like(first), a=5**0.5)
    print(f"\n{name} {tuple(first.shape)}: effective rank {effective_rank(first):.0f}", end="")
    print(f", at the start {effective_rank(start):.0f}")
    moments = load_file(min((run / "checkpoints").glob("*/moments.safetensors")))
    pulls = {}
    for key, value in moments.items():
        parameter, _, kind = key.partition(":")
        if kind == "exp_avg" and value.ndim > 1:
            second = moments[f"{parameter}:exp_avg_sq"]
            pulls[parameter] = float((value.abs() / (second.sqrt() + 1e-12)).mean())
    encoder = [pull for parameter, pull in pulls.items() if parameter.startswith("blocks.")]
    print(f"pull of gradients: encoder's blocks {np.mean(encoder):.2f}", end="")
    print(f", this map {pulls[f'head.{name}']:.2f}")
    if hasattr(model.head, "part_weights"):
        gates = model.head.part_weights.detach()
        print(f"part weights: {gates.sigmoid().min():.3f} to {gates.sigmoid().max():.3f}", end="")
        print(f", pull {pulls['head.part_weights']:.2f}, logits {gates.abs().mean():.3f} from 0")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dir", type=Path, help="--out of benchmarks.ablation")
    parser.add_argument("--rows", nargs="+", default=["ViT + RP", "ViT + RP + SAH"])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for row in arguments.rows:
        diagnose(arguments.dir, row, arguments.seed)


if __name__ == "__main__":
    main()
