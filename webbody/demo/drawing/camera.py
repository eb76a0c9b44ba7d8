"""What light and a camera do to a drawing."""

from __future__ import annotations

import cv2
import numpy as np


def develop(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Uneven light, colour cast, blur, noise and JPEG artefacts on (H, W, 3) uint8 BGR."""
    height, width = image.shape[:2]
    slope_x, slope_y = rng.normal(0, 0.16, 2)
    light = 1 + slope_x * np.linspace(-1, 1, 8)[None] + slope_y * np.linspace(-1, 1, 8)[:, None]
    light = light * np.exp(rng.normal(-0.08, 0.16))
    # Not above 1.25: light skin would burn out and with it the face.
    gain = np.clip(light[..., None] * np.exp(rng.normal(0, 0.05, 3)), 0.35, 1.25) * 128
    image = cv2.multiply(image, cv2.resize(gain.astype(np.uint8), (width, height)), scale=1 / 128)
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2) * max(width / 640, 0.4))
    if rng.random() < 0.8:
        tile = rng.normal(0, rng.uniform(1, 9), (height // 2 + 1, width // 2 + 1)).astype(np.int16)
        noise = np.tile(tile, (2, 2))[:height, :width]
        image = cv2.add(image, cv2.merge([noise] * 3), dtype=cv2.CV_8U)
    if rng.random() < 0.5:
        quality = int(rng.integers(40, 95))
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
    return image
