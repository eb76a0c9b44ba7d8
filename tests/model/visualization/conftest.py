"""Random keypoints, from full body to nothing at all, and an image to draw them on."""

import numpy as np
import pytest
import torch

from model import SapiensID
from model.sapiensid.sapiensid import PRESETS


def random_keypoints(seed: int) -> np.ndarray:
    """Keypoints (19, 3) around a place, of any size; some are missing, some outside the image."""
    rng = np.random.default_rng(seed)
    centre, size = rng.uniform(0.2, 0.8, 2), rng.uniform(0.02, 0.4)
    points = np.zeros((19, 3), np.float32)
    points[:, :2] = centre + size * rng.normal(size=(19, 2))
    # Face close together, as faces are, so that there is a region within a region.
    points[:7, :2] = centre + 0.2 * size * rng.normal(size=(7, 2))
    points[:, 2] = rng.random(19) < rng.choice([0.3, 0.7, 1.0])
    points[points[:, 2] == 0] = 0
    return points


@pytest.fixture(scope="session")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(60, 200, (384, 384, 3), np.uint8)


@pytest.fixture(scope="session")
def model() -> SapiensID:
    torch.manual_seed(0)
    return SapiensID(**PRESETS["tiny"]).eval()


@pytest.fixture(scope="session")
def whole_body() -> np.ndarray:
    """A standing person all of whose keypoints are visible."""
    x = [50, 53, 47, 52, 48, 56, 44, 62, 38, 66, 34, 66, 34, 57, 43, 57, 43, 57, 43]
    y = [17, 14, 14, 20, 20, 15, 15, 30, 30, 44, 44, 57, 57, 56, 56, 75, 75, 94, 94]
    return np.stack([x, y, [100] * 19], 1).astype(np.float32) / 100
