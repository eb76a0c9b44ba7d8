"""The demo's face detector: targets, loss and training of an SCRFD-style network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from webbody.demo.train_models import face_scenes, lane, measure
from webbody.demo.train_models.face_network import TinyFaceNetwork, anchor_points, export
from webbody.demo.train_models.face_scenes import CANVAS, View

# Faces whose longer side is below these px belong to strides 8 and 16; larger ones to 32.
_LARGEST = (40.0, 130.0)


def train(out: Path, fast: bool, log: Callable[[str], None]) -> dict[str, Any]:
    """Write `out`/faces.onnx (about 1.6 MB); return its held-out figures."""
    photos, bodies = face_scenes.pool(1200 if fast else 2500, log)
    network = fit(photos, bodies, steps=2500 if fast else 4500, log=log)
    export(network, out / "faces.onnx")
    return {world: measure.faces(out / "faces.onnx", world) for world in measure.WORLDS}


def fit(
    photos: list[View], bodies: list[View], steps: int, log: Callable[[str], None], batch: int = 16
) -> TinyFaceNetwork:
    """Train on canvases composed of the views; return the moving average of the weights."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    anchors = anchor_points(CANVAS)
    network = TinyFaceNetwork().to(memory_format=torch.channels_last)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.998), use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, steps, pct_start=0.1)
    recent = np.zeros(3)
    for step in range(steps):
        views = [face_scenes.compose(rng, photos, bodies) for _ in range(batch)]
        assigned = [assign(view, anchors) for view in views]
        targets = [torch.stack(parts) for parts in zip(*assigned, strict=True)]
        with lane.bfloat16():
            outputs = network(images(views))
        losses = loss(*(output.float() for output in outputs), *targets)
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        recent += [part.item() for part in losses]
        if (step + 1) % 250 == 0:
            score, box, landmark = recent / 250
            log(f"step {step + 1}: score {score:.3f} box {box:.3f} landmarks {landmark:.3f}")
            recent[:] = 0
    assert isinstance(average.module, TinyFaceNetwork)
    return average.module


def images(views: list[View]) -> Tensor:
    """Canvases as the network's input (B, 3, H, W)."""
    bgr = torch.from_numpy(np.stack([view.image for view in views]))
    rgb = (bgr.permute(0, 3, 1, 2).flip(1).float() - 127.5) / 128
    return rgb.contiguous(memory_format=torch.channels_last)


def assign(view: View, anchors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What every anchor (N, 3) should say about a view.

    Returns labels (N,): 1 face, 0 background, -1 ignored; distances (N, 4) and landmark offsets
    (N, 10) in units of the stride. A face's anchors are those of its size's stride near its centre;
    around them, on every stride, nothing is punished, nor anywhere on faces that are not searched.
    """
    points, strides = anchors[:, :2], anchors[:, 2]
    labels = torch.zeros(len(anchors))
    distances, offsets = torch.zeros(len(anchors), 4), torch.zeros(len(anchors), 10)
    boxes, landmarks = torch.from_numpy(view.boxes), torch.from_numpy(view.landmarks)
    positive = torch.zeros(len(anchors), dtype=torch.bool)
    for box, marks, searched in zip(boxes, landmarks, view.searched(), strict=True):
        inside = ((points > box[:2]) & (points < box[2:])).all(1)
        if not searched:
            labels[inside] = -1
            continue
        sides = box[2:] - box[:2]
        away = (points - (box[:2] + box[2:]) / 2).abs()
        labels[inside & (away.amax(1) < 1.6 * strides)] = -1
        stride = 8 if sides.max() < _LARGEST[0] else 16 if sides.max() < _LARGEST[1] else 32
        # Small faces need a radius of half a cell, or no anchor might fall inside it.
        reach = torch.clamp(0.38 * sides, min=0.51 * stride, max=1.55 * stride)
        own = (strides == stride) & (away < reach).all(1)
        positive |= own
        distances[own] = torch.cat([points[own] - box[:2], box[2:] - points[own]], 1) / stride
        offsets[own] = (marks.reshape(1, 10) - points[own].repeat(1, 5)) / stride
    labels[positive] = 1
    return labels, distances, offsets


def loss(
    logits: Tensor, boxes: Tensor, marks: Tensor, labels: Tensor, distances: Tensor, offsets: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Focal loss of the scores; IoU and log-distance loss of boxes; landmark loss per face size."""
    positive = labels == 1
    count = positive.sum().clamp(min=1)
    probability = logits.detach().sigmoid()
    focal = torch.where(positive, 0.75 * (1 - probability) ** 2, 0.5 * probability**2)
    entropy = F.binary_cross_entropy_with_logits(logits, labels.clamp(min=0), reduction="none")
    score = 2 * (entropy * focal * (labels >= 0)).sum() / count
    # A plain zero would have no gradient to send back when a batch shows no face.
    if not positive.any():
        return score, boxes.sum() * 0, marks.sum() * 0
    # Anchors off a small face have a negative distance, which no box can have.
    found, required = boxes[positive], distances[positive].clamp(min=0)
    overlap = torch.minimum(found, required)
    intersection = (overlap[:, 0] + overlap[:, 2]) * (overlap[:, 1] + overlap[:, 3])
    union = _area(found) + _area(required) - intersection
    relative = F.l1_loss(torch.log(found + 0.05), torch.log(required + 0.05))
    box = 2 * (1 - intersection / (union + 1e-6)).mean() + 0.5 * relative
    size = (required[:, 0] + required[:, 2] + required[:, 1] + required[:, 3])[:, None].clamp(
        min=0.6
    ) / 2
    landmark = 16 * F.smooth_l1_loss(marks[positive] / size, offsets[positive] / size, beta=0.02)
    return score, box, landmark


def _area(distances: Tensor) -> Tensor:
    return (distances[:, 0] + distances[:, 2]) * (distances[:, 1] + distances[:, 3])


if __name__ == "__main__":
    lane.command("faces")
