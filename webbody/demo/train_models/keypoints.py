"""The demo's keypoint model: crops, loss and training of a SimCC network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from webbody.demo.drawing.scene import DrawnPerson, Photo
from webbody.demo.train_models import lane, measure
from webbody.demo.train_models.dataset import is_person, photo_rng, training_photo
from webbody.demo.train_models.keypoint_network import (
    BETA,
    HEIGHT,
    SPLIT,
    WIDTH,
    KeypointNetwork,
    export,
)
from webbody.skeleton import COUNT, FLIP

# Of RGB pixels, as mmpose's configurations of RTMPose and RTMW have them.
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_PADDING = 1.25  # rtmlib's enlargement of a box
_BATCH = 48
# Rounds of training, each on crops of its own: crops, steps, highest learning rate.
_ROUNDS = ((6000, 1800, 4e-3), (6000, 1200, 2e-3), (6000, 1200, 2e-3))
_FAST = ((3000, 700, 4e-3),)
_APART = 10_000  # photos of which a round draws its crops
# RTMPose's labels at 192 x 256 px: a Gaussian of these deviations (bins, along x and y) and of
# height 1; the softmax over it with this factor is the target.
_SIGMA = (4.9, 5.66)
_LABEL_BETA = 10
# How much of a target lies near the point (the rest is spread evenly): nothing of a point outside
# the picture, little of a hidden one, which is worth guessing and not to be believed.
_NEAR = (0.0, 0.15, 1.0)


def train(out: Path, fast: bool, log: Callable[[str], None]) -> dict[str, Any]:
    """Write `out`/keypoints.onnx (about 4.3 MB); return its held-out figures."""
    network = None
    for number, (count, steps, rate) in enumerate(_FAST if fast else _ROUNDS):
        images, points = crops(count, number * _APART)
        log(f"{len(images)} crops drawn")
        network = fit(images, points, steps, log, network, rate, seed=number)
    assert network is not None
    export(network, out / "keypoints.onnx")
    return {world: measure.keypoints(out / "keypoints.onnx", world) for world in measure.WORLDS}


def crops(count: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, 256, 192, 3) uint8 RGB and points (count, 19, 3): x, y in px, visibility.

    first: number of the first photo.
    """
    images = np.empty((count, HEIGHT, WIDTH, 3), np.uint8)
    points = np.empty((count, COUNT, 3), np.float32)
    done, index = 0, first
    while done < count:
        rng = photo_rng("keypoints", "train", index)
        index += 1
        photo = training_photo(rng)
        for figure in photo.figures:
            if is_person(figure) and done < count:
                images[done], points[done] = crop(photo, figure, rng)
                done += 1
    return images, points


def crop(
    photo: Photo, figure: DrawnPerson, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """What the network sees of a figure in a detected box: image (256, 192, 3), points (19, 3)."""
    tight = rng.random() < 0.2 and figure.visible_box is not None
    box = np.array(figure.visible_box if tight else figure.box, float)
    box += rng.normal(0, 0.04, 4) * np.tile(box[2:] - box[:2], 2)
    width, height = np.maximum(box[2:] - box[:2], 4) * _PADDING * np.exp(rng.normal(0, 0.05))
    scale = min(WIDTH / width, HEIGHT / height)
    turn = np.deg2rad(rng.normal(0, 6))
    image, points = photo.image, figure.keypoints.astype(float)
    if rng.random() < 0.5:  # the pipeline's person crops end a little outside the box
        image = _blackened(
            image, box + np.array([-0.05, -0.05, 0.05, 0.05]) * np.tile(box[2:] - box[:2], 2)
        )
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shift = np.array([WIDTH, HEIGHT]) / 2 - rotation @ (box[:2] + box[2:]) / 2
    matrix = np.column_stack([rotation, shift])
    picture = cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
    picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    points[:, :2] = points[:, :2] @ rotation.T + shift
    outside = (points[:, :2] < 0).any(1) | (points[:, :2] > (WIDTH - 1, HEIGHT - 1)).any(1)
    points[outside, 2] = 0
    return picture, points


def _blackened(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """A copy of the image that is black outside the box."""
    x1, y1, x2, y2 = np.clip(np.round(box), 0, [*image.shape[1::-1]] * 2).astype(int)
    out = np.zeros_like(image)
    out[y1:y2, x1:x2] = image[y1:y2, x1:x2]
    return out


def fit(
    images: np.ndarray,
    points: np.ndarray,
    steps: int,
    log: Callable[[str], None],
    network: KeypointNetwork | None = None,
    rate: float = 4e-3,
    seed: int = 0,
) -> KeypointNetwork:
    """Train on the crops, half of them mirrored; return the moving average of the weights.

    network: continues this one. rate: the highest learning rate.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = (network or KeypointNetwork()).to(memory_format=torch.channels_last)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.995), use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.1)
    recent = 0.0
    for step in range(steps):
        chosen = rng.choice(len(images), min(_BATCH, len(images)), replace=False)
        pixels, targets = images[chosen], points[chosen]
        if step % 2:
            pixels = np.ascontiguousarray(pixels[:, :, ::-1])
            targets = targets[:, FLIP]
            targets[..., 0] = WIDTH - 1 - targets[..., 0]
        with lane.bfloat16():
            outputs = network(normalised(pixels))
        x, y = (output.float() for output in outputs)
        lost = loss(x, y, torch.from_numpy(targets))
        optimizer.zero_grad()
        lost.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(network)
        recent += lost.item()
        if (step + 1) % 200 == 0:
            log(f"step {step + 1}: loss {recent / 200:.3f}")
            recent = 0.0
    assert isinstance(average.module, KeypointNetwork)
    return average.module


def normalised(pixels: np.ndarray) -> Tensor:
    """Crops (B, 256, 192, 3) uint8 RGB as the network's input (B, 3, 256, 192)."""
    scaled = (torch.from_numpy(pixels).float() - torch.tensor(MEAN)) / torch.tensor(STD)
    return scaled.permute(0, 3, 1, 2)  # a view: the memory is channels-last already


def loss(x: Tensor, y: Tensor, points: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of the bins from the targets, over points and both axes.

    x (B, 19, 384) and y (B, 19, 512): the network's logits. points (B, 19, 3): x, y in px and 2 for
    visible, 1 for hidden, 0 for outside.
    """
    near = torch.tensor(_NEAR)[points[..., 2].long()][..., None]
    parts = []
    for axis, (logits, sigma) in enumerate(zip((x, y), _SIGMA, strict=True)):
        bins = logits.shape[-1]
        targets = near * _label(points[..., axis], bins, sigma) + (1 - near) / bins
        predicted = F.log_softmax(BETA * logits, -1)
        parts.append(F.kl_div(predicted, targets, reduction="none").sum(-1).mean())
    return torch.stack(parts).sum()


def _label(centre: Tensor, bins: int, sigma: float) -> Tensor:
    """RTMPose's targets (..., bins) for positions (...) in px."""
    away = torch.arange(bins) - centre[..., None] * SPLIT
    return F.softmax(_LABEL_BETA * torch.exp(-(away**2) / (2 * sigma**2)), -1)


if __name__ == "__main__":
    lane.command("keypoints")
