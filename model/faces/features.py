"""The face embedder on samples: it takes what SapiensID takes, and looks at the face alone.

Shape suffixes: B batch, C channels, H W image sides, K keypoints, F feature size.
"""

import torch
from torch import Tensor, nn

from model.face_embedder import FaceEmbedder
from model.faces.alignment import aligned, landmarks_of

#: Side of samples' pictures in pixels, as builds pack them.
SAMPLE_SIDE = 384


class FaceFeatures(nn.Module):
    """Aligns the faces of samples and embeds them.

    A sample without all five landmarks has no face: its feature is NaN.
    """

    def __init__(self, embedder: FaceEmbedder, image_size: int = SAMPLE_SIDE) -> None:
        super().__init__()
        self.embedder, self.image_size = embedder, image_size

    @property
    def feature_dim(self) -> int:
        return self.embedder.output_dim

    def forward(self, images_BCHW: Tensor, keypoints_BK3: Tensor) -> Tensor:
        """Features (B, F), not normalised.

        Args:
            images_BCHW: RGB in [-1, 1], padded with white to a square.
            keypoints_BK3: x and y as fractions of the image, and visibility.
        """
        marks_BL2, there_B = landmarks_of(keypoints_BK3)
        faces_BCHW, marks_BL2 = aligned(images_BCHW - 1, marks_BL2)
        # Landmarks that all coincide align nothing either.
        there_B = there_B & faces_BCHW.isfinite().all((1, 2, 3))
        faces_BCHW = faces_BCHW.where(there_B[:, None, None, None], 0)
        marks_BL2 = marks_BL2.where(there_B[:, None, None], 0.5)
        feature_BF: Tensor = self.embedder(faces_BCHW + 1, marks_BL2)
        return feature_BF.where(there_B[:, None], torch.nan)
