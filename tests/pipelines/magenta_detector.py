"""A hand-made face detector in insightface's format, whose faces are magenta squares."""

import numpy as np
import torch
import torch.nn.functional as F

SIDE = 24  # of the squares that it takes for faces, in pixels of the canvas
LANDMARKS = (-6.0, -4.0, 6.0, -4.0, 0.0, 0.0, -5.0, 6.0, 5.0, 6.0)  # from their centre


class Magenta(torch.nn.Module):
    """Nine outputs as an SCRFD file has them; only stride 8 ever finds anything."""

    def __init__(self) -> None:
        super().__init__()
        # The share of magenta (red without green) in the square around a cell's upper left corner.
        kernel = torch.tensor([1.0, -1.0, 0.0]).reshape(1, 3, 1, 1) / (2 * SIDE**2)
        self.kernel = torch.nn.Parameter(kernel.repeat(2, 1, SIDE, SIDE))  # two anchors a cell
        self.offsets = torch.nn.Parameter(torch.tensor([LANDMARKS]))

    def forward(self, image):
        scores, boxes, marks = [], [], []
        for stride in (8, 16, 32):
            share = F.conv2d(image, self.kernel, stride=stride, padding=SIDE // 2)[..., :-1, :-1]
            share = share.permute(0, 2, 3, 1).reshape(-1, 1)
            scores.append(torch.sigmoid((share - 0.6) * 20) * float(stride == 8))
            boxes.append(share.expand(-1, 4) * 0.0 + SIDE / 2 / stride)
            marks.append(share * 0.0 + self.offsets / stride)
        return (*scores, *boxes, *marks)


def export(path, height_width=None, network=None) -> str:
    side = height_width or 64
    axes = {} if height_width else {"input.1": {2: "height", 3: "width"}}
    names = [f"{kind}_{stride}" for kind in ("score", "bbox", "kps") for stride in (8, 16, 32)]
    if not height_width:
        axes |= {name: {0: f"{name}_rows"} for name in names}
    torch.onnx.export(
        network or Magenta(), (torch.zeros(1, 3, side, side),), str(path), input_names=["input.1"],
        output_names=names, dynamic_axes=axes, opset_version=12, dynamo=False,
    )  # fmt: skip
    return str(path)


def picture(width: int, height: int, face: tuple[int, int] | None, side: int = SIDE) -> np.ndarray:
    """A grey picture with a magenta square around a point."""
    out = np.full((height, width, 3), 90, np.uint8)
    if face:
        x, y = face
        out[max(0, y - side // 2) : y + side // 2, max(0, x - side // 2) : x + side // 2] = (
            255,
            0,
            255,
        )
    return out
