"""The demo's face embedder: a tiny ViT with KP-RPE, in the layout of the CVLFace checkpoints."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from webbody.demo.train_models import lane
from webbody.demo.train_models.face_crops import FaceCrops, draw_faces, imperfect_crop
from webbody.demo.train_models.verification import verification_figures

if TYPE_CHECKING:
    from model import FaceEmbedder

# Identity seeds; training and held-out people never meet.
_TRAINING_PEOPLE, _HELD_OUT_PEOPLE = 7_000_000, 8_000_000


@dataclass(frozen=True)
class EmbedderTraining:
    """What is trained and for how long. margin and scale: CosFace's m and s."""

    people: int
    pictures: int
    epochs: int
    depth: int = 4
    width: int = 80
    heads: int = 2
    batch: int = 64
    learning_rate: float = 1.5e-3
    margin: float = 0.25
    scale: float = 24.0


FULL = EmbedderTraining(people=1500, pictures=14, epochs=14)
FAST = EmbedderTraining(people=800, pictures=12, epochs=9)


def train(out: Path, fast: bool, log: Callable[[str], None]) -> dict[str, Any]:
    """Write `out`/embedder.pt (about 3 MB, float16); return its held-out figures."""
    plan = FAST if fast else FULL
    crops = draw_faces(
        range(_TRAINING_PEOPLE, _TRAINING_PEOPLE + plan.people), plan.pictures, seed=0
    )
    log(f"{len(crops.images)} faces drawn")
    fit(crops, plan, out / "embedder.pt", log)
    return measure(out / "embedder.pt", people=200, pictures=8)


def fit(
    crops: FaceCrops, plan: EmbedderTraining, path: Path, log: Callable[[str], None]
) -> list[float]:
    """Train on `crops`, writing `path` after every epoch; return the epochs' mean losses."""
    from model import FaceEmbedder

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = FaceEmbedder(
        plan.depth, plan.width, plan.heads, mlp_ratio=3, output_dim=512, drop_path=0.0
    )
    classes = nn.Parameter(torch.randn(plan.people, 512) * 0.01)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": [*decayed, classes], "weight_decay": 0.05},
        {"params": others, "weight_decay": 0},
    ]
    optimizer = torch.optim.AdamW(groups)
    steps = len(crops.images) // plan.batch
    losses = []
    for epoch in range(plan.epochs):
        model.train()
        order = rng.permutation(len(crops.images))[: steps * plan.batch].reshape(steps, plan.batch)
        total, hits = 0.0, 0.0
        for step, chosen in enumerate(order):
            progress = (epoch + step / steps) / plan.epochs
            for group in optimizer.param_groups:
                group["lr"] = plan.learning_rate * _schedule(progress)
            images, landmarks = to_input([imperfect_crop(crops, i, rng) for i in chosen])
            persons = torch.from_numpy(crops.persons[chosen])
            with lane.bfloat16():
                features = model(images, landmarks)
            cosines = F.normalize(features.float()) @ F.normalize(classes).T
            # A full margin from the start would outweigh what little the features say by then.
            margin = plan.margin * min(1.0, 3 * progress)
            logits = plan.scale * (cosines - margin * F.one_hot(persons, plan.people))
            loss = F.cross_entropy(logits, persons, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            total += loss.item() / steps
            hits += (cosines.argmax(1) == persons).float().mean().item() / steps
        losses.append(total)
        save(model, path)
        log(f"epoch {epoch + 1}/{plan.epochs}: loss {total:.3f}, training accuracy {hits:.3f}")
    return losses


def _schedule(progress: float) -> float:
    """Share of the learning rate: a linear rise over 5 %, then half a cosine to 0."""
    if progress < 0.05:
        return progress / 0.05
    return 0.5 + 0.5 * math.cos(math.pi * (progress - 0.05) / 0.95)


def to_input(samples: list[tuple[np.ndarray, np.ndarray]]) -> tuple[Tensor, Tensor]:
    """Crops (112, 112, 3) uint8 BGR and landmarks (5, 2) as the embedder's two inputs."""
    crops, landmarks = zip(*samples, strict=True)
    rgb = torch.from_numpy(np.stack(crops)[..., ::-1].copy()).permute(0, 3, 1, 2).contiguous()
    return rgb.float() / 127.5 - 1, torch.from_numpy(np.stack(landmarks)).float()


def save(model: FaceEmbedder, path: Path) -> None:
    """Write the weights in float16, whole or not at all."""
    state = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    torch.save(state, path.with_suffix(".partial"))
    os.replace(path.with_suffix(".partial"), path)


def measure(path: Path, people: int, pictures: int) -> dict[str, dict[str, float]]:
    """Figures on people that were not trained on.

    truth: aligned by true landmarks; jitter: by landmarks off by 5 % of the face's side; small: by
    landmarks off by 5 %, with as few as 20 px a face.
    """
    from model import FaceEmbedder

    model = FaceEmbedder.from_pretrained(path)
    crops = draw_faces(range(_HELD_OUT_PEOPLE, _HELD_OUT_PEOPLE + people), pictures, seed=1)
    figures = {}
    for name, jitter, degraded in (
        ("truth", 0.0, 0.0),
        ("jitter", 0.05, 0.0),
        ("small", 0.05, 1.0),
    ):
        rng = np.random.default_rng(0)
        features = []
        for start in range(0, len(crops.images), 100):
            samples = [
                imperfect_crop(
                    crops, i, rng, jitter=(jitter, jitter), degraded=degraded, mirrored=0
                )
                for i in range(start, min(start + 100, len(crops.images)))
            ]
            with torch.inference_mode():
                features.append(model(*to_input(samples)).numpy())
        figures[name] = verification_figures(np.concatenate(features), crops.persons)
    return figures


if __name__ == "__main__":
    lane.command("embedder")
