"""Predictions of a task's model on photos of any size: keypoints, body parts, depth, normals."""

from model.sapiens.prediction.predictor import Predictor

__all__ = ["Predictor"]
