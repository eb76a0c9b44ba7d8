"""Of boxes that overlap the best alone."""

import numpy as np
from numpy.typing import NDArray


def nms(boxes: NDArray[np.float32], scores: NDArray[np.float32], iou: float) -> NDArray[np.int64]:
    """Which boxes (N, 4) xyxy stay, best first: none overlaps a better one by more than `iou`."""
    import torch
    from torchvision.ops import nms

    kept = nms(
        torch.from_numpy(np.ascontiguousarray(boxes, np.float32)),
        torch.from_numpy(np.ascontiguousarray(scores, np.float32)),
        iou,
    )
    return np.asarray(kept.numpy(), np.int64)
