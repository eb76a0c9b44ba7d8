"""`webbody show`: pictures of what SapiensID sees in an image."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from webbody.cli.build import ConfigFile, Overrides
from webbody.cli.inference import CheckpointOption, Demo, Whole
from webbody.cli.people import demo_models
from webbody.cli.printing import echo
from webbody.config import load
from webbody.errors import WebbodyError, error_context
from webbody.images import RGB
from webbody.storage import Folder

if TYPE_CHECKING:
    from model import SapiensID
    from model.features.samples import Sample
    from pipelines.detection.person_crops import SubjectFinder

#: A square image of a person, and the keypoints (19, 3) as fractions of it.
_Person = tuple[RGB, NDArray[np.float32]]


def show(
    image: Annotated[
        Path, typer.Argument(metavar="IMAGE", help="A photo, or a shard (.tar) with --key.")
    ],
    other: Annotated[
        Path | None, typer.Argument(metavar="OTHER", help="A second one, to compare their parts.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the pictures.")] = Path(
        "show-out"
    ),
    checkpoint: CheckpointOption = None,
    preset: Annotated[
        str, typer.Option(help="Model without a checkpoint: tiny, small or base.")
    ] = "base",
    key: Annotated[
        list[str] | None, typer.Option(help="Key of the sample in a shard, one for each shard.")
    ] = None,
    whole: Whole = False,
    kept: Annotated[
        str, typer.Option(help="Numbers of kept tokens that kept.png shows.")
    ] = "112,166,281",
    seed: Annotated[int, typer.Option(help="Another seed keeps other tokens.")] = 0,
    demo: Demo = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Draw what SapiensID sees: regions and patches, positions, kept tokens, attention, parts.

    regions.png, positions.png and kept.png need no weights; attention.png, and similarity.png of
    two images, are drawn with a --checkpoint.
    """
    from model.visualization import figures as figures
    from pipelines.inference.embed import lazy_finder

    counts = _counts(kept)
    settings = load(config, set_ or (), base=demo_models() if demo else None)
    model = _model(checkpoint, preset)
    finder = lazy_finder(settings, whole, model.image_size)
    max_pixels = settings.download.max_pixels
    people = [
        _sample(path, shard_key, model.image_size)
        if shard_key
        else _photo(path, finder, max_pixels)
        for path, shard_key in _with_keys([image, other] if other else [image], key or [])
    ]
    pictures = figures.draw_patches(model, *people[0], counts, seed)
    if checkpoint is not None:
        pictures |= figures.draw_attention(model, *people[0])
        if len(people) == 2:
            pictures |= figures.draw_similarity(model, *people)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            picture.save(out / f"{name}.png")
            echo(out / f"{name}.png")
    except OSError as error:
        raise WebbodyError(
            f"{out}: cannot be written ({error.strerror or error}); choose --out."
        ) from error
    if checkpoint is None:
        echo("Attention and similarity are learned: they are drawn with a --checkpoint only.")


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [0]
    if min(counts) < 1:
        raise WebbodyError(f"--kept {text}: give positive numbers with commas, as in 112,166,281.")
    return counts


def _model(checkpoint: Path | None, preset: str) -> "SapiensID":
    """The checkpoint's model, or one of the preset's sizes that has no weights at all."""
    import torch

    from model import SapiensID
    from model.sapiensid.heads.semantic import SemanticHead
    from model.sapiensid.sapiensid import PRESETS
    from pipelines.inference.checkpoint import open_sapiensid

    if checkpoint is None:
        if preset not in PRESETS:
            raise WebbodyError(f"--preset {preset}: choose one of {', '.join(sorted(PRESETS))}.")
        with torch.device("meta"):
            return SapiensID(**PRESETS[preset])
    model = open_sapiensid(checkpoint)
    if not isinstance(model.head, SemanticHead):
        raise WebbodyError(
            f"{checkpoint}: a model with a pooled head has no attention maps and no parts; leave "
            "--checkpoint away for the other pictures."
        )
    return model


def _with_keys(paths: Sequence[Path], keys: Sequence[str]) -> list[tuple[Path, str | None]]:
    """Each path with its sample's key if it is a shard; the keys are those of the shards."""
    shards = [path for path in paths if path.suffix == ".tar"]
    if len(keys) != len(shards):
        raise WebbodyError(
            f"{len(keys)} --key for {len(shards)} shards: give one for each shard (.tar)."
        )
    left = iter(keys)
    return [(path, next(left) if path in shards else None) for path in paths]


def _photo(path: Path, finder: "Callable[[], SubjectFinder]", max_pixels: int) -> _Person:
    """The person of a photo; says it where no keypoints are found."""
    from pipelines.inference.pictures import read_pictures

    if not path.is_file():
        raise WebbodyError(f"{path}: there is no such picture; check the path.")
    (sample,) = read_pictures(Folder(path.parent), [path.name], finder, max_pixels)
    found, keypoints = _usable(sample, str(path))
    if not (keypoints[:, 2] > 0).any():
        echo(f"{path}: no keypoints were found, so the whole image is the only region.")
    return found, keypoints


def _sample(shard: Path, key: str, size: int) -> _Person:
    """The sample `key` of a shard that a build packed."""
    from model.features.samples import read_shard

    try:
        with error_context(after="; give another shard"), shard.open("rb") as file:
            samples = (s for s in read_shard(file, str(shard), size) if s.key == key)
            sample = next(samples, None)
    except OSError as error:
        raise WebbodyError(f"{shard}: cannot be read ({error.strerror or error}).") from error
    if sample is None:
        raise WebbodyError(f"{shard}: holds no sample {key}; check --key.")
    return _usable(sample, f"{shard}: {key}")


def _usable(sample: "Sample", name: str) -> _Person:
    if sample.image is None or sample.keypoints is None:
        raise WebbodyError(f"{name}: cannot be shown ({sample.outcome}).")
    return sample.image, sample.keypoints
