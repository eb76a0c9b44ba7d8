"""Samples of small shards, and a small model with chance weights, for the tests of features."""

import io
import json

import numpy as np
import torch
from PIL import Image

from model import SapiensID
from model.sapiensid.sapiensid import PRESETS


def tiny_model(seed: int = 0) -> SapiensID:
    torch.manual_seed(seed)
    return SapiensID(**{**PRESETS["tiny"], "depth": 2}).eval()


def members(key: str, seed: int, size=(384, 384), ending: str = "jpg") -> dict[str, bytes]:
    """The members of a sample: some coloured blocks, and some keypoints in its pixels."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 255, (6, 6, 3), np.uint8)).resize(size)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG" if ending == "jpg" else ending, quality=95)
    points = rng.uniform(0.2, 0.8, (19, 3)) * (*size, 0)
    points[:, 2] = rng.uniform(size=19) < 0.8
    points[points[:, 2] == 0] = 0
    described = {"keypoints": points.tolist(), "split": "train"}
    return {
        f"{key}.{ending}": buffer.getvalue(),
        f"{key}.cls": str(seed % 3).encode(),
        f"{key}.json": json.dumps(described).encode(),
    }
