"""`webbody show`: pictures of what SapiensID sees in an image."""

import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from webbody.cli.build import ConfigFile, Overrides
from webbody.cli.people import demo_models
from webbody.config import BuildConfig, load
from webbody.errors import WebbodyError
from webbody.images import RGB, ImageError, decode
from webbody.shards import read_members
from webbody.skeleton import COUNT, clean

if TYPE_CHECKING:
    from model import SapiensID

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
    checkpoint: Annotated[
        Path | None, typer.Option(help="SapiensID: a saved folder, or the authors' state dict.")
    ] = None,
    preset: Annotated[
        str, typer.Option(help="Model without a checkpoint: tiny, small or base.")
    ] = "base",
    key: Annotated[
        list[str] | None, typer.Option(help="Key of the sample in a shard, one for each shard.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Look for no person: the photo shows one, cut out.")
    ] = False,
    kept: Annotated[
        str, typer.Option(help="Numbers of kept tokens that kept.png shows.")
    ] = "112,166,281",
    seed: Annotated[int, typer.Option(help="Another seed keeps other tokens.")] = 0,
    demo: Annotated[
        bool, typer.Option("--demo", help="Find the person with the demo's tiny models.")
    ] = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Draw what SapiensID sees: regions and patches, positions, kept tokens, attention, parts.

    regions.png, positions.png and kept.png need no weights; attention.png, and similarity.png of
    two images, are drawn with a --checkpoint.
    """
    from model.pictures import album

    counts = _counts(kept)
    settings = load(config, set_ or (), base=demo_models() if demo else None)
    model = _model(checkpoint, preset)
    people = _people([image] if other is None else [image, other], key or [], settings, whole)
    first, keypoints = people[0]
    pictures = album.draw_patches(model, first, keypoints, counts, seed)
    if checkpoint is not None:
        pictures |= album.draw_attention(model, first, keypoints)
        if len(people) == 2:
            images, points = zip(*people, strict=True)
            pictures |= album.draw_similarity(model, images, points)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            picture.save(out / f"{name}.png")
            typer.echo(out / f"{name}.png")
    except OSError as error:
        raise WebbodyError(
            f"{out}: cannot be written ({error.strerror or error}); choose --out."
        ) from error
    if checkpoint is None:
        typer.echo("Attention and similarity are learned: they are drawn with a --checkpoint only.")


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
    from model.sapiensid.head import SemanticHead
    from model.sapiensid.sapiensid import PRESETS

    if checkpoint is None:
        if preset not in PRESETS:
            raise WebbodyError(f"--preset {preset}: choose one of {', '.join(sorted(PRESETS))}.")
        with torch.device("meta"):
            return SapiensID(**PRESETS[preset])
    try:
        model = SapiensID.from_pretrained(checkpoint)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise WebbodyError(f"--checkpoint {checkpoint}: cannot be used ({reason}).") from error
    if not isinstance(model.head, SemanticHead):
        raise WebbodyError(
            f"--checkpoint {checkpoint}: a model with a pooled head has no attention maps and no "
            "parts; leave --checkpoint away for the other pictures."
        )
    return model


def _people(
    paths: Sequence[Path], keys: Sequence[str], settings: BuildConfig, whole: bool
) -> list[_Person]:
    """The person of each photo or sample, in order; says it where a photo shows none."""
    shards = [path for path in paths if path.suffix == ".tar"]
    if len(keys) != len(shards):
        raise WebbodyError(
            f"{len(shards)} shard(s) and {len(keys)} --key: give one --key for each shard (.tar)."
        )
    left = iter(keys)
    photos = [path for path in paths if path.suffix != ".tar"]
    found = iter(_found(photos, settings, whole)) if photos else iter(())
    return [_sample(path, next(left)) if path.suffix == ".tar" else next(found) for path in paths]


def _found(photos: Sequence[Path], settings: BuildConfig, whole: bool) -> Iterator[_Person]:
    from pipelines.vision.subjects import SubjectFinder

    images = [_decoded(path, settings.download.max_pixels) for path in photos]
    for path, subject in zip(photos, SubjectFinder(settings, whole=whole)(images), strict=True):
        if not (subject.keypoints[:, 2] > 0).any():
            typer.echo(f"{path}: no keypoints were found, so the whole image is the only region.")
        yield subject.image, subject.keypoints


def _decoded(path: Path, max_pixels: int) -> RGB:
    try:
        return decode(path.read_bytes(), max_pixels)
    except OSError as error:
        raise WebbodyError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except ImageError as error:
        raise WebbodyError(f"{path}: is no image that can be read ({error}).") from error


def _sample(shard: Path, key: str) -> _Person:
    """The sample `key` of a shard that a build packed."""
    wanted = {f"{key}.jpg", f"{key}.json"}
    try:
        with shard.open("rb") as file:
            members = {name: data for name, data in read_members(file) if name in wanted}
        if members.keys() != wanted:
            raise WebbodyError(f"{shard}: holds no sample {key}; check --key.")
        image = decode(members[f"{key}.jpg"])
        points = np.array(json.loads(members[f"{key}.json"])["keypoints"], np.float32)
        if points.shape != (COUNT, 3) or image.shape[0] != image.shape[1]:
            raise ValueError(f"image {image.shape}, keypoints {points.shape}")
    except (OSError, tarfile.TarError, ImageError, ValueError, KeyError, TypeError) as error:
        raise WebbodyError(f"{shard}: sample {key} cannot be read ({error}).") from error
    points[:, :2] /= len(image)
    return image, clean(points)
