"""The configuration of Sapiens' training runs: every setting, its default and its meaning.

The defaults are the paper's and its code's recipes for the 0.3B model; what differs by task is in
the presets.
"""

from typing import Any, Literal

from pydantic import Field

from webbody.config import Count, Section, Unit
from webbody.train_config import RayWorkers, RunResources

Size = Literal["0.3b", "0.6b", "1b", "2b", "small", "tiny", "mini"]


class PictureSources(Section):
    """What is pretrained on."""

    sources: tuple[str, ...] = Field(
        (), description="builds, folders of shards or patterns of them; labels are not looked at"
    )


class AutoencoderSettings(Section):
    """Encoder and pretraining decoder."""

    size: Size = Field("0.3b", description="of the encoder")
    side: Count = Field(1024, description="of the square images in pixels, a multiple of 16")
    decoder: tuple[Count, Count, Count] = Field(
        (512, 8, 16), description="width, layers and heads of the decoder"
    )
    mask_ratio: float = Field(0.75, gt=0, lt=1, description="share of the patches that are hidden")
    normalise: bool = Field(
        True, description="predict pixels in units of their patch's deviation; no: plain pixels"
    )


class CropSettings(Section):
    """Random crops of pictures."""

    area: tuple[float, float] = Field((0.2, 1.0), description="range of a crop's share")
    flip: Unit = Field(0.5, description="share of mirrored images")


class PretrainingOptimization(Section):
    """Batches, learning rate, weight decay."""

    epochs: float = Field(1600, gt=0, description="times that the pictures are shown")
    warmup_epochs: float = Field(40, ge=0, description="of them with a rising learning rate")
    warmup_from: float = Field(1e-4, gt=0, le=1, description="share of it at the first step")
    batch: Count = Field(4096, description="images of all processes in a step")
    learning_rate: float = Field(
        1.5e-4, gt=0, description="the highest one, for each 256 images of a batch"
    )
    schedule: Literal["cosine", "linear"] = Field("cosine", description="how it falls to 0")
    weight_decay: float = Field(0.05, ge=0, description="of AdamW")
    betas: tuple[Unit, Unit] = Field((0.9, 0.95), description="of AdamW")
    max_grad_norm: float = Field(1.0, gt=0, description="largest norm of the gradient")


class SapiensResources(RunResources):
    """How the work is done; only the precision changes the result, and compiling its rounding."""

    recompute: bool = Field(
        False, description="compute layers twice in training, which takes far less memory"
    )
    picture_steps: int = Field(
        2000, ge=0, description="steps between pictures of what the model does; 0: only at the end"
    )


class PretrainConfig(Section):
    """Everything that masked pretraining needs; `webbody sapiens pretrain --settings` prints it."""

    out: str = Field("", description="folder for checkpoints, logs and the model")
    seed: int = Field(0, ge=0, lt=1 << 31, description="another seed is another run")
    data: PictureSources = PictureSources()
    model: AutoencoderSettings = AutoencoderSettings()
    augmentation: CropSettings = CropSettings()
    optimization: PretrainingOptimization = PretrainingOptimization()
    resources: SapiensResources = SapiensResources()
    ray: RayWorkers = RayWorkers()


class LabelledSources(Section):
    """What is fine-tuned on."""

    sources: tuple[str, ...] = Field(
        (), description="keypoint files (COCO's format), or folders with images/ and labels"
    )
    images: tuple[str, ...] = Field(
        (), description="pose: each file's folder of pictures; (): `images` beside the file"
    )


class HeldOutSources(LabelledSources):
    """Labelled pictures that are not trained on; the model that does best on them is kept."""

    steps: int = Field(
        2000, ge=0, description="between two; also before the first and after the last (0: only)"
    )
    batch: Count = Field(16, description="images in one call of the model")


class TaskModelSettings(Section):
    """Encoder, head, and what they start from."""

    size: Size = Field("0.3b", description="of the encoder")
    image_size: tuple[Count, Count] = Field(
        (1024, 768), description="height and width in pixels, multiples of 16"
    )
    outputs: Count | None = Field(
        None, description="keypoints (17, 133, 308) or classes (28, 20); None: the task's first"
    )
    channels: Count | None = Field(None, description="inside the head; None: the published ones")
    patch_padding: Literal[0, 2] | None = Field(
        None, description="of the patches; None: the task's (a start from another one is told)"
    )
    start: str = Field(
        "", description="pretrained: a run's folder `model` or a published file; '': from scratch"
    )


class TaskOptimization(Section):
    """Batches, learning rate, weight decay, loss."""

    epochs: float = Field(210, gt=0, description="times that the images are shown")
    batch: Count = Field(64, description="images of all processes in a step")
    learning_rate: float = Field(5e-4, gt=0, description="the highest one, of the head")
    layer_decay: float = Field(
        0.85, gt=0, le=1, description="factor of the rate from a layer to the one before"
    )
    warmup_steps: int = Field(500, ge=0, description="steps with a rising learning rate")
    warmup_from: float = Field(1e-3, gt=0, le=1, description="share of it at the first step")
    schedule: Literal["cosine", "linear", "steps"] = Field(
        "linear", description="how it falls: to 0, or to a tenth after each of `drops`"
    )
    drops: tuple[Unit, ...] = Field(
        (170 / 210, 200 / 210), description="shares of the run after which it drops"
    )
    weight_decay: float = Field(0.1, ge=0, description="of AdamW")
    betas: tuple[Unit, Unit] = Field((0.9, 0.999), description="of AdamW")
    max_grad_norm: float = Field(1.0, gt=0, description="largest norm of the gradient")
    sigma: float = Field(6.0, gt=0, description="pose: of a target's Gaussian in heatmap pixels")
    hardest: int = Field(
        0, ge=0, description="pose: so many keypoints with the largest errors count (OHKM); 0: all"
    )


class FinetuneConfig(Section):
    """Everything that fine-tuning needs; `webbody sapiens finetune --settings` prints it."""

    out: str = Field("", description="folder for checkpoints, logs and the model")
    seed: int = Field(0, ge=0, lt=1 << 31, description="another seed is another run")
    task: Literal["pose", "segmentation", "depth", "normal"] = Field(
        "pose", description="what is learned"
    )
    data: LabelledSources = LabelledSources()
    model: TaskModelSettings = TaskModelSettings()
    augmentation: dict[str, Any] = Field(
        {}, description="arguments of the task's augmentation in model.sapiens.data"
    )
    optimization: TaskOptimization = TaskOptimization()
    validation: HeldOutSources = HeldOutSources()
    resources: SapiensResources = SapiensResources()
    ray: RayWorkers = RayWorkers()
