"""`webbody gallery` and `webbody calibrate`: face features of people who are known."""

from pathlib import Path
from typing import Annotated

import typer

from webbody.cli.build import ConfigFile, Overrides
from webbody.config import BuildConfig, load


def gallery(
    sources: Annotated[
        list[str],
        typer.Argument(help="Folders with one subfolder per person, or lists of `image person`."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Parquet file to write.")],
    name: Annotated[str, typer.Option("--name", "-n", help="Short name for the ledger, e.g. lfw.")],
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Embed validation people, so that a build can keep them out (identities.galleries).

    The file holds face features under opaque ids, no names and no pixels. It must be made with the
    same face models as the build that uses it.
    """
    from pipelines.gallery import make_gallery

    settings = load(config, set_ or ())
    make_gallery(sources, out, name=name, **gallery_models(settings))
    typer.echo(out)


def calibrate() -> None:
    """Suggest thresholds for an embedder from held-out people."""


def gallery_models(settings: BuildConfig) -> dict:
    """The models and thresholds with which a gallery must be made to suit a build."""
    faces = settings.faces
    return {
        "detector": faces.detector,
        "detector_size": faces.detector_size,
        "embedder": faces.embedder,
        "min_score": faces.min_score,
        "min_size": faces.min_size,
        "device": settings.resources.device,
    }
