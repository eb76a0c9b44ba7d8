"""Settings of the stages that look at images with models: persons, faces, keypoints."""

from typing import Literal

from pydantic import Field

from webbody.config.section import Count, ModelFile, Section, Unit


class PersonsSettings(Section):
    """Person boxes and native-resolution crops."""

    model: ModelFile = Field(
        "yolov8n-pose.pt",
        description="name of `webbody models list`; or path of an ultralytics model (.pt, or its "
        ".onnx, .engine, .torchscript) or of an RTMDet, YOLOX or RTMO ONNX file",
    )
    family: Literal["rtmdet", "yolox", "rtmo"] | None = Field(
        None, description="of an ONNX file given by path whose outputs fit several"
    )
    confidence: Unit | None = Field(
        None,
        description="detections below are dropped; null: the detector family's own, 0.7 for YOLO "
        "(`webbody models list`)",
    )
    iou: Unit = Field(
        0.7, description="of two boxes with more overlap (intersection over union) one is dropped"
    )
    image_size: int = Field(
        640, ge=32, description="side in pixels at which the detector sees the image"
    )
    padding: float = Field(
        0.05, ge=0, le=1, description="margin around a box, as a share of its width and height"
    )
    max_persons: Count = Field(6, description="largest persons of an image that go on")
    min_side: int = Field(
        32, ge=1, description="crops with a shorter side than this (pixels) are dropped"
    )


class FacesSettings(Section):
    """Face detection in the upper body of each crop, alignment and embedding."""

    detector: ModelFile = Field(
        "buffalo_l", description="insightface pack name, or path of a RetinaFace / SCRFD ONNX file"
    )
    detector_size: int = Field(
        640, ge=64, description="side in pixels of the detector's canvas (multiple of 32)"
    )
    embedder: ModelFile = Field(
        "cvlface_kprpe_vit_base_webface12m.pt",
        description="path of a KP-RPE ViT (CVLFace layout) or of an ArcFace ONNX file",
    )
    min_score: Unit | None = Field(
        None,
        description="detection score below which a face is not trusted; null: the detector "
        "family's own, 0.5 for SCRFD (`webbody models list`)",
    )
    min_size: float = Field(
        16, ge=1, description="longer side of the face box in pixels below which it is dropped"
    )


class KeypointsSettings(Section):
    """19 keypoints of each kept crop."""

    model: ModelFile = Field(
        "rtmw-l-256x192",
        description="rtmlib whole-body model name, URL or path of a SimCC ONNX file; or path of a "
        "Sapiens pose model (.safetensors of `webbody sapiens finetune`, published .pth)",
    )
    input_size: tuple[Count, Count] | None = Field(
        None, description="width and height of the model's input; null reads them from the file"
    )
    beta: float | None = Field(
        None,
        gt=0,
        description="factor of the softmax in the model's training loss (RTMPose 10, RTMW 1); null "
        "takes the known model's, or tells it from the file's outputs",
    )
    min_score: Unit = Field(
        0.3, description="points whose confidence (0 to 1, for every model) is below are absent"
    )
