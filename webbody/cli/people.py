"""`webbody gallery` and `webbody calibrate`: face features of people who are known."""

from pathlib import Path
from typing import Annotated, Any

import typer

from webbody.cli.build import ConfigFile, Overrides, Preset, chosen
from webbody.config import BuildConfig, load, merge, read_yaml
from webbody.demo import MODELS, PRESET
from webbody.errors import WebbodyError

Layout = Annotated[
    str,
    typer.Option(
        "--layout",
        help="How folders tell who is who: auto, plain (the folder that holds the pictures), "
        "nested (the first folder below the source), flat (NAME_0001.jpg), lfw, cfp, vggface2, "
        "agedb, casia, ms1m or celeba.",
    ),
]
_SOURCES = (
    "Folders (also fsspec URLs) with a folder for each person, or .txt, .tsv or .csv lists with "
    "lines `image person`."
)


def gallery(
    sources: Annotated[list[str], typer.Argument(help=_SOURCES)],
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
    from pipelines.known.gallery import make_gallery

    settings = chosen(preset, config, set_)
    made = make_gallery(sources, out, name=name, layout=layout, **gallery_models(settings))
    for line in made.told():
        typer.echo(line)
    typer.echo(
        f"{out}: {made.identities:,} people from {made.images:,} images; "
        f"{made.without_face:,} images show no clear face."
    )


def calibrate(
    sources: Annotated[list[str] | None, typer.Argument(help=_SOURCES)] = None,
    layout: Layout = "auto",
    people: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="People a build will have: more need stricter thresholds. Default: 1000, or the "
            "manifest's names.",
        ),
    ] = None,
    images: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Images each of them will have: centres of more are more alike. Default: 20, or "
            "0.7 of the rows that a middling name of the manifest has.",
        ),
    ] = None,
    manifest: Annotated[
        str | None,
        typer.Option("--manifest", "-m", help="The build's URL list, to take both from."),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Draw the people, and use the demo's models.")
    ] = False,
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Suggest similarity thresholds for the configured face models.

    Measures how alike pictures of one person and of different people are, on people whom the
    embedder has not seen, works out what that comes to for the centres of a build (--people,
    --images), and prints settings as YAML to put into its --config, with the wrong and missed
    merges to expect. Calibration people may have fewer or more images than the build's: 200 people
    with 4 each are good.
    """
    import yaml

    from pipelines.known.calibrate import calibrate_demo, calibrate_from_folder, size_of_build

    settings = (
        load(config, set_ or (), base=demo_models()) if demo else chosen(preset, config, set_)
    )
    models = gallery_models(settings)
    size: dict[str, int] = {}
    if manifest:
        size["people"], size["images"] = size_of_build(manifest)
    size |= {name: value for name, value in (("people", people), ("images", images)) if value}
    if demo:
        found = calibrate_demo(**size, **models)
    elif sources:
        found = calibrate_from_folder(
            sources,
            layout=layout,
            galleries=settings.identities.galleries,
            tell=lambda line: typer.echo(f"# {line}"),
            **size,
            **models,
        )
    else:
        raise WebbodyError("Give folders or lists with pictures of known people, or --demo.")
    for name, value in found.figures.items():
        typer.echo(f"# {name}: {value:.4g}")
    for sentence in found.expected:
        typer.echo(f"# {sentence}")
    for warning in found.warnings:
        typer.echo(f"# warning: {warning}")
    rounded = {
        section: {name: round(float(value), 3) for name, value in values.items()}
        for section, values in found.settings().items()
    }
    typer.echo(yaml.safe_dump(rounded, sort_keys=False), nl=False)


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
