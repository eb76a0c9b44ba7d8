"""Visibility of keypoints in WebBody4M: Kim et al., SapiensID (CVPR 2025), table 16."""

from collections.abc import Mapping

#: Kinds of keypoints, from top to bottom.
PARTS = ("nose", "eye", "mouth", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
#: Left and right, in per cent of the samples.
PAPER = {
    "eye": (93.49, 93.59), "ear": (76.87, 74.48), "shoulder": (88.15, 90.04),
    "elbow": (53.76, 53.80), "wrist": (49.98, 50.35), "hip": (45.68, 45.70),
    "knee": (23.92, 23.95), "ankle": (16.98, 17.00),
}  # fmt: skip


def left_and_right(shares: Mapping[str, float], part: str) -> tuple[float, float]:
    """In per cent, from the shares of all keypoints by name; a nose is both."""
    both = shares.get(part, 0.0)
    return 100 * shares.get(f"left_{part}", both), 100 * shares.get(f"right_{part}", both)
