"""Non-maximum suppression."""

import numpy as np
from numpy.typing import NDArray


def nms(boxes: NDArray[np.float32], scores: NDArray[np.float32], iou: float) -> NDArray[np.int64]:
    """Indices of the boxes (N, 4) xyxy to keep, best first: no pair has an IoU above `iou`."""
    import torch
    from torchvision.ops import nms

    kept = nms(
        torch.from_numpy(np.ascontiguousarray(boxes, np.float32)),
        torch.from_numpy(np.ascontiguousarray(scores, np.float32)),
        iou,
    )
    return np.asarray(kept.numpy(), np.int64)
