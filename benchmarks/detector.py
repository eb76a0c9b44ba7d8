"""The person detector (ultralytics' YOLOv8-pose, random weights): pictures a second by batch.

    python -m benchmarks.detector [--model yolov8n-pose] [--batches 32 128] [--json FILE]

The library's own call on decoded pictures of 640 x 640, as the persons stage makes it. With random
weights nearly nothing is found, so that sorting out what overlaps costs less than in a build.
Where ultralytics is not installed the table says so.
"""

import argparse

import numpy as np
import torch

from benchmarks.figures import Figures, add_option
from benchmarks.model_runs import seconds

MISSING = "ultralytics is not installed"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--model", default="yolov8n-pose", help="an architecture of ultralytics")
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--side", type=int, default=640, help="pixels")
    parser.add_argument("--rounds", type=int, default=3)
    add_option(parser)
    arguments = parser.parse_args()
    found = Figures("detector", arguments)
    try:
        import ultralytics
    except ImportError:
        print(f"Not measured: {MISSING}.")
        found.row(model=arguments.model, failed=MISSING)
        return
    yolo, side, device = (
        ultralytics.YOLO(f"{arguments.model}.yaml", verbose=False),  # type: ignore[attr-defined]
        arguments.side,
        arguments.device,
    )
    print(f"{arguments.model}, {side} px\n{'batch':>6} {'pictures':>12}")
    for batch in arguments.batches:
        pictures = list(np.random.default_rng(0).integers(0, 256, (batch, side, side, 3), np.uint8))

        def run(pictures: list[np.ndarray] = pictures) -> None:
            yolo.predict(pictures, imgsz=side, conf=0.7, device=device, verbose=False)

        speed = batch / seconds({"": run}, device, arguments.rounds)[""]
        print(f"{batch:6} {speed:10.1f}/s", flush=True)
        found.row(model=arguments.model, batch=batch, images_per_second=speed)


if __name__ == "__main__":
    main()
