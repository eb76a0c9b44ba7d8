"""Aligned faces and their features: KP-RPE ViT (ours) or ArcFace (insightface), in batches."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.detection.devices import choose_device, onnx_options, onnx_providers
from webbody import models
from webbody.errors import WebbodyError
from webbody.geometry import FACE_SIDE, FACE_TEMPLATE, similarities
from webbody.library_environment import quiet_libraries
from webbody.model_table import FACE_EMBEDDER

_STILL = np.eye(2, 3)[None]  # the transform that moves nothing

#: From faces (N, 112, 112, 3) uint8 RGB and landmarks (N, 5, 2) to features (N, width) float32.
Features = Callable[[NDArray[np.uint8], NDArray[np.float32]], NDArray[np.float32]]


def alignments(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """Similarity transforms (N, 2, 3) of landmarks (N, 5, 2) to the template.

    Equal to those of insightface's `norm_crop`. Coinciding points give a transform of zeros.
    """
    return similarities(landmarks, FACE_TEMPLATE)


def align(picture: NDArray[np.uint8], transform: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The aligned face (112, 112, 3) of a picture; black beyond its border."""
    return np.asarray(
        cv2.warpAffine(picture, transform, (FACE_SIDE, FACE_SIDE), borderValue=0.0), np.uint8
    )


def transformed_landmarks(
    landmarks: NDArray[np.float32], transforms: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Landmarks (N, 5, 2) after their transforms (N, 2, 3), as fractions of the aligned face."""
    points = np.einsum("nij,nkj->nki", transforms[:, :, :2], landmarks) + transforms[:, None, :, 2]
    fractions: NDArray[np.float32] = (points / FACE_SIDE).astype(np.float32)
    return fractions


class Embedder:
    """Raw, un-normalised features of aligned faces.

    `digest` is the sha256 of the model's file, `width` the size of a feature.
    """

    def __init__(self, model: str, device: str, batch: int, threads: int) -> None:
        self.batch = batch
        path = models.resolve(model, FACE_EMBEDDER)
        self.digest = models.digest(path)
        load = _arcface if path.suffix == ".onnx" else _kprpe
        self._features = load(str(path), choose_device(device), threads)
        blank = np.zeros((1, FACE_SIDE, FACE_SIDE, 3), np.uint8)
        with models.loading(path, "a face embedder"):
            shape = self._features(blank, transformed_landmarks(FACE_TEMPLATE[None], _STILL)).shape
        if len(shape) != 2 or shape[0] != 1:
            raise WebbodyError(
                f"{path}: gives {' x '.join(map(str, shape))} numbers for one face, not one "
                "feature; choose another embedder."
            )
        self.width = shape[1]

    def __call__(
        self, faces: Sequence[NDArray[np.uint8]], landmarks: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The features (N, width) of faces, N x (112, 112, 3) uint8 RGB.

        landmarks (N, 5, 2) as fractions of the face.
        """
        parts = [
            self._features(
                np.stack(faces[start : start + self.batch]), landmarks[start : start + self.batch]
            )
            for start in range(0, len(faces), self.batch)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.width), np.float32)


def _kprpe(path: str, device: str, threads: int) -> Features:
    import torch

    from model.face_embedder import FaceEmbedder

    with models.loading(path, "a KP-RPE face embedder"):
        network = FaceEmbedder.from_pretrained(path).to(device)
    torch.set_num_threads(threads)

    @torch.inference_mode()
    def features(faces: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
        pixels = torch.from_numpy(faces).to(device).permute(0, 3, 1, 2).float()
        marks = torch.from_numpy(landmarks).to(device)
        found: NDArray[np.float32] = network(pixels / 127.5 - 1, marks).float().cpu().numpy()
        return found

    return features


def _arcface(path: str, device: str, threads: int) -> Features:
    quiet_libraries()
    from insightface.model_zoo import get_model
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    with models.loading(path, "an ArcFace embedder"):
        network = get_model(
            path, sess_options=onnx_options(threads), providers=onnx_providers(device)
        )
    if not isinstance(network, ArcFaceONNX) or tuple(network.input_size) != (FACE_SIDE, FACE_SIDE):
        raise WebbodyError(
            f"{path}: is no ArcFace recognition model with {FACE_SIDE} x {FACE_SIDE} px input; "
            "choose another ONNX file of insightface, or a KP-RPE checkpoint."
        )
    one_by_one = isinstance(network.input_shape[0], int)  # exported for a fixed number of faces
    if one_by_one and network.input_shape[0] != 1:
        raise WebbodyError(f"{path}: has a fixed batch; export it for any number of faces.")

    def features(faces: NDArray[np.uint8], _: NDArray[np.float32]) -> NDArray[np.float32]:
        pictures = [np.ascontiguousarray(face[..., ::-1]) for face in faces]
        if one_by_one:
            return np.concatenate([network.get_feat(picture) for picture in pictures])
        found: NDArray[np.float32] = network.get_feat(pictures)
        return found

    return features
