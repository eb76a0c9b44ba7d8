"""The configuration of a training of the face embedder: every setting, its default and meaning."""

from typing import Any, Literal

from pydantic import Field

from webbody.config import Count, Section, Unit
from webbody.train_config import (
    MarginOptimization,
    RayWorkers,
    TrainResources,
    ValidationSettings,
)

#: Presets of `webbody train` whose settings are these.
FACE_PRESETS = ("face", "face-demo")


class FaceData(Section):
    """What is trained on: the faces of samples."""

    sources: tuple[str, ...] = Field(
        (), description="builds, folders of shards or patterns of them; each is a data set"
    )
    weights: tuple[float, ...] = Field(
        (), description="how often an epoch shows each data set's samples; () once each"
    )
    min_face: float = Field(
        16, ge=1, description="pixels of an aligned face's side in the sample; smaller ones are out"
    )
    image_size: Count = Field(
        384, description="side that samples are brought to before faces are cut out: the shards'"
    )


class FaceModel(Section):
    """The network: CVLFace's ViT with KP-RPE on aligned faces of 112 px."""

    preset: Literal["base", "small", "tiny"] = Field("base", description="its size")
    arguments: dict[str, Any] = Field(
        {}, description="further arguments of model.FaceEmbedder, e.g. {output_dim: 256}"
    )


class FaceAugmentation(Section):
    """Changes of faces in training: AdaFace's, and the errors of landmarks."""

    flip: Unit = Field(0.5, description="share of mirrored faces")
    jitter: Unit = Field(
        0.05, description="largest deviation of the landmarks, as a fraction of the aligned face"
    )
    crop: Unit = Field(0.2, description="share of faces of which only a rectangle is left")
    colour: Unit = Field(0.2, description="share of faces whose colours are changed")
    colour_change: Unit = Field(
        0.5, description="largest change of their brightness, contrast and saturation, as a share"
    )
    low_resolution: Unit = Field(0.2, description="share of faces that lose detail")
    resolution: float = Field(
        0.2, gt=0, le=1, description="share of their side whose detail is left of them at least"
    )


class FaceTrainConfig(Section):
    """Everything that training a face embedder needs."""

    out: str = Field("", description="folder for checkpoints, logs and the model")
    seed: int = Field(0, ge=0, lt=1 << 31, description="another seed is another run")
    data: FaceData = FaceData()
    model: FaceModel = FaceModel()
    augmentation: FaceAugmentation = FaceAugmentation()
    optimization: MarginOptimization = MarginOptimization()
    validation: ValidationSettings = ValidationSettings()
    resources: TrainResources = TrainResources()
    ray: RayWorkers = RayWorkers()
