"""Labelled sets of drawn people: keypoints, body parts, and exact depth and normals."""

from webbody.demo.vision_sets.write import write_vision_sets

__all__ = ["write_vision_sets"]
