"""The configuration of a training run: every setting, its default and its meaning.

The defaults are the paper's recipe (A.1), with the authors' habits where it is silent.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from webbody.config import Count, Section, Unit


class DataSettings(Section):
    """What is trained on, and how its samples are shown."""

    sources: tuple[str, ...] = Field(
        (), description="builds, folders of shards or patterns of them; each is a data set"
    )
    weights: tuple[float, ...] = Field(
        (), description="how often an epoch shows each data set's samples; () once each"
    )
    oversampling: float = Field(
        0.5, ge=0, description="shows images with many visible keypoints more often; 0: not"
    )


class ModelSettings(Section):
    """The network."""

    preset: Literal["base", "small", "tiny"] = Field("base", description="its size")
    arguments: dict[str, Any] = Field(
        {}, description="further arguments of model.SapiensID, e.g. {level_embedding: true}"
    )


class AugmentationSettings(Section):
    """Changes of images in training; ranges of factors and shares of images."""

    zoom: tuple[float, float] = Field((0.9, 1.1), description="range of the size")
    aspect: tuple[float, float] = Field((0.95, 1.05), description="range of width over height")
    shift: Unit = Field(0.05, description="largest move, as a fraction of the image")
    flip: Unit = Field(0.5, description="share of mirrored images")
    face_zoom: Unit = Field(0.4, description="share of images zoomed in on the face")
    face_extent: tuple[float, float] = Field(
        (0.3, 0.5), description="range of a zoomed-in face's keypoints' extent in the image"
    )
    colour: Unit = Field(0, description="share of images whose colours are changed")
    colour_change: Unit = Field(
        0.5, description="largest change of their brightness, contrast and saturation, as a share"
    )
    grayscale: Unit = Field(0, description="share of images without colour")
    blur: Unit = Field(0, description="share of images that lose detail")
    resolution: float = Field(
        0.2, gt=0, le=1, description="share of their side whose detail is left of them at least"
    )
    background: Unit = Field(
        0, description="share of images with another background, of those that have a foreground"
    )
    background_fill: Literal["white", "noise", "mixed"] = Field(
        "white", description="what it becomes: white, colours of chance, or one of both"
    )


class TokenSettings(Section):
    """How many tokens a step keeps of each image: mostly few, sometimes many."""

    renamed: ClassVar[Mapping[str, str]] = {"least": "min", "most": "max"}

    min: float = Field(108, ge=1, description="the limit that counts come down to")
    max: float = Field(345, ge=1, description="the largest count")
    decay: float = Field(4, gt=0, description="how fast counts fall off")
    multiple: Count = Field(8, description="tokens, with CLS and mask token, are a multiple of it")


class MarginOptimization(Section):
    """Batches, learning rate, loss."""

    epochs: float = Field(33, gt=0, description="times that the data are shown")
    warmup_epochs: float = Field(3, ge=0, description="of them with a rising learning rate")
    batch: Count = Field(896, description="samples of all processes in a step")
    batch_multiple: Count = Field(
        8, description="batches are its multiples; the number of processes must divide it"
    )
    learning_rate: float = Field(1e-4, gt=0, description="the highest one, of the largest batch")
    weight_decay: float = Field(0.05, ge=0, description="of AdamW; the paper gives none")
    max_grad_norm: float = Field(5, gt=0, description="largest norm of the model's gradient")
    margin: float = Field(0.4, ge=0, description="AdaFace's m")
    scale: float = Field(64, gt=0, description="AdaFace's s; few people learn better with less")
    sample_rate: float = Field(
        0.1, gt=0, le=1, description="share of the people a sample is compared with (PartialFC)"
    )


class OptimizationSettings(MarginOptimization):
    """Batches, learning rate, loss."""

    renamed: ClassVar[Mapping[str, str]] = {
        "rate": "learning_rate",
        "clip": "max_grad_norm",
        "classes_in_use": "sample_rate",
    }

    batch: Count = Field(896, description="samples of all processes in a step of fewest tokens")
    batch_rule: Literal["square", "tokens"] = Field(
        "square", description="batch times tokens squared, or times tokens, stays equal"
    )


class ValidationSettings(Section):
    """People never trained on, whom the model is made to find now and then; the best is kept."""

    gallery: tuple[str, ...] = Field(
        (), description="sources like those of data; without any there is no validation"
    )
    queries: tuple[str, ...] = Field(
        (), description="a source for each gallery; (): each image against all others"
    )
    split: Literal["train", "validation", "test"] = Field(
        "test", description="the part of builds that is taken"
    )
    steps: int = Field(
        2000, ge=0, description="between two; also before the first and after the last (0: only)"
    )
    batch: Count = Field(64, description="images of a process in one call of the model")


class RunResources(Section):
    """How the work is done; only the precision changes the result, and compiling its rounding."""

    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where it runs")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="bfloat16 on CUDA, float32 on the CPU"
    )
    compile: Literal["auto", "yes", "no"] = Field(
        "auto", description="torch.compile, a minute at the start: yes on CUDA, no on the CPU"
    )
    workers: int = Field(4, ge=0, description="processes that read and decode images")
    checkpoint_steps: Count = Field(2000, description="steps between two checkpoints")
    keep_checkpoints: Count = Field(3, description="checkpoints that are kept")
    log_seconds: float = Field(10, gt=0, description="between two lines of progress")
    wandb: str = Field(
        "", description="project at Weights & Biases that gets the figures; '': nothing is sent"
    )


class TrainResources(RunResources):
    """How the work is done; only the precision changes the result, and compiling its rounding."""

    renamed: ClassVar[Mapping[str, str]] = {"keep": "keep_checkpoints"}

    decode: Literal["cpu", "cuda"] = Field("cpu", description="where JPEGs are decoded")


class RayWorkers(Section):
    """Training in the workers of Ray Train; changes no result."""

    address: str | None = Field(
        None, description="of a Ray cluster; none starts a local Ray where there are workers"
    )
    workers: int = Field(0, ge=0, description="processes of the run; 0: it runs without Ray")
    cpus: float = Field(
        1, gt=0, description="CPUs that Ray reserves for a worker; on CUDA it also gets a GPU"
    )
    restarts: int = Field(
        3, ge=-1, description="from the newest checkpoint after a worker died; -1: without end"
    )


class TrainConfig(Section):
    """Everything a training run needs; `webbody train --settings` prints it."""

    out: str = Field("", description="folder for checkpoints, logs and the model")
    seed: int = Field(0, ge=0, lt=1 << 31, description="another seed is another run")
    data: DataSettings = DataSettings()
    model: ModelSettings = ModelSettings()
    augmentation: AugmentationSettings = AugmentationSettings()
    tokens: TokenSettings = TokenSettings()
    optimization: OptimizationSettings = OptimizationSettings()
    validation: ValidationSettings = ValidationSettings()
    resources: TrainResources = TrainResources()
    ray: RayWorkers = RayWorkers()
