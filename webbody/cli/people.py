"""`webbody gallery`: face features of people who are known, and what is made with their like."""

from pathlib import Path
from typing import Annotated, Any

import typer

from webbody.cli.build import ConfigFile, Overrides, Preset, chosen
from webbody.config import WorkerResources, merge, read_yaml
from webbody.demo import MODELS, PRESET

Layout = Annotated[
    str,
    typer.Option(
        "--layout",
        help="How folders tell who is who: auto, plain (the folder that holds the pictures), "
        "nested (the first folder below the source), flat (NAME_0001.jpg), lfw, cfp, vggface2, "
        "agedb, casia, ms1m or celeba.",
    ),
]
SOURCES = (
    "Folders (also fsspec URLs) with a folder for each person, or .txt, .tsv or .csv lists with "
    "lines `image person`."
)


def gallery(
    sources: Annotated[list[str], typer.Argument(help=SOURCES)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Parquet file to write.")],
    name: Annotated[str, typer.Option("--name", "-n", help="Short name for the ledger, e.g. lfw.")],
    layout: Layout = "auto",
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Embed validation people, so that a build can keep them out (identities.galleries).

    The file holds face features under opaque ids, no names and no pixels. It must be made with the
    same face models as the build that uses it. Printed is what was found in each source and what
    was left out: hidden files, broken links, pictures that cannot be read.
    """
    from pipelines.galleries.gallery import make_gallery

    settings = chosen(preset, config, set_)
    use = WorkerResources(settings.resources.device)
    made = make_gallery(sources, out, name, settings.faces, use, layout=layout)
    for line in made.told():
        typer.echo(line)
    typer.echo(
        f"{out}: {made.identities:,} people from {made.images:,} images; "
        f"{made.without_face:,} images show no clear face."
    )


def demo_models() -> dict[str, Any]:
    """Settings that use the tiny models of the synthetic web, and its other thresholds."""
    files = {
        "persons": {"model": str(MODELS / "persons.pt")},
        "faces": {
            "detector": str(MODELS / "faces.onnx"),
            "embedder": str(MODELS / "embedder.pt"),
        },
        "keypoints": {"model": str(MODELS / "keypoints.onnx")},
    }
    return merge(files, read_yaml(PRESET))
