"""`webbody gallery`: face features of known people."""

import csv
import io
from pathlib import Path
from typing import Annotated, Any

import typer

from webbody.cli.build import ConfigFile, Overrides, Preset, chosen
from webbody.cli.printing import echo
from webbody.config import WorkerResources, merge, read_yaml
from webbody.demo import MODELS, PRESET
from webbody.storage import Folder

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
    names: Annotated[
        Path | None,
        typer.Option(
            help="Write a CSV `id,name` here, to look up who leaked; keep it to yourself."
        ),
    ] = None,
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Embed validation people, so that a build can keep them out (identities.galleries).

    The file holds face features under ids without meaning, no names and no pixels. It must be made
    with the same face models as the build that uses it. Printed is what was found in each source
    and what was left out: hidden files, broken links, pictures that cannot be read.
    """
    from pipelines.galleries.gallery import make_gallery

    settings = chosen(preset, config, set_)
    use = WorkerResources(settings.resources.device)
    made = make_gallery(sources, out, name, settings.faces, use, layout=layout)
    if names is not None:
        write_names(names, made.ids)
    for line in made.report_lines():
        echo(line)
    echo(
        f"{out}: {made.identities:,} people from {made.images:,} images; "
        f"{made.without_face:,} images show no clear face."
    )


def write_names(path: Path, ids: dict[str, str]) -> None:
    """Write the private table of a gallery's ids and names."""
    with Folder(path.resolve().parent).write(path.name) as file:
        text = io.TextIOWrapper(file, "utf-8", "surrogateescape", newline="")
        rows = csv.writer(text)
        rows.writerow(["id", "name"])
        rows.writerows(sorted((number, name) for name, number in ids.items()))
        text.flush()
        text.detach()


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
