"""`webbody calibrate`: thresholds for the models of a build, measured on pictures."""

from typing import Annotated

import typer

from webbody.cli.build import ConfigFile, Overrides, Preset, chosen
from webbody.cli.people import SOURCES, Layout, demo_models
from webbody.cli.printing import echo
from webbody.config import BuildConfig, WorkerResources, load
from webbody.errors import WebbodyError


def calibrate(
    sources: Annotated[list[str] | None, typer.Argument(help=SOURCES)] = None,
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
    sample: Annotated[
        list[str] | None,
        typer.Option(
            "--sample",
            help="Folder or list of pictures of any people, such as 200 of the build's: tells what "
            "each threshold of persons, faces and keypoints would keep.",
        ),
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", "-o", help="Picture (.png) of these scores to write.")
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Draw the people, and use the demo's models.")
    ] = False,
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Suggest thresholds for the configured models, with the measurements behind them.

    Measures the similarity of pictures of one person and of different people, on people whom the
    embedder has not seen, extrapolates to the centres of a build (--people, --images), and prints
    settings as YAML for its --config, with the expected wrong and missed merges. Calibration people
    may have fewer or more images than the build's: 200 people with 4 each are good. With --sample
    the scores of persons, faces and keypoints are told, too; with --demo these are measured against
    the truth.
    """
    import yaml

    settings = (
        load(config, set_ or (), base=demo_models()) if demo else chosen(preset, config, set_)
    )
    if not (demo or sources or sample):
        raise WebbodyError(
            "Give folders or lists with pictures of known people, --sample with pictures of any, "
            "or --demo."
        )
    if out and not (demo or sample):
        raise WebbodyError("--out is the picture of the scores; give --sample, or --demo.")
    suggested: dict[str, dict[str, float]] = {}
    if demo or sample:
        suggested = _scores(sample, settings, out)
    if demo or sources:
        size: dict[str, int] = {}
        if manifest:
            from pipelines.calibration.calibrate import size_of_build

            size["people"], size["images"] = size_of_build(manifest)
        size |= {name: value for name, value in (("people", people), ("images", images)) if value}
        suggested |= _similarities(None if demo else sources, layout, size, settings)
    if suggested:
        echo(yaml.safe_dump(suggested, sort_keys=False), nl=False)


def _similarities(
    sources: list[str] | None, layout: str, size: dict[str, int], settings: BuildConfig
) -> dict[str, dict[str, float]]:
    """Measure similarities, print the figures, return the settings; drawn people by default."""
    from pipelines.calibration.calibrate import calibrate_demo, calibrate_from_folder

    use = WorkerResources(settings.resources.device)
    if sources is None:
        found = calibrate_demo(settings.faces, use, **size)
    else:
        found = calibrate_from_folder(
            sources,
            settings.faces,
            use,
            layout=layout,
            galleries=settings.identities.galleries,
            say=lambda line: echo(f"# {line}"),
            **size,
        )
    for name, value in found.figures.items():
        echo(f"# {name}: {value:.4g}")
    for sentence in found.expected:
        echo(f"# {sentence}")
    for warning in found.warnings:
        echo(f"# warning: {warning}")
    return {
        section: {name: round(float(value), 3) for name, value in values.items()}
        for section, values in found.settings().items()
    }


def _scores(
    sample: list[str] | None, settings: BuildConfig, out: str | None
) -> dict[str, dict[str, float]]:
    """Print the scores of sample pictures or of drawn scenes; settings if ground truth is known."""
    from pipelines.calibration.sampled import drawn_scenes, pictures_of, score_pictures
    from pipelines.calibration.scores import picture

    photos = pictures_of(sample) if sample else drawn_scenes()
    found = score_pictures(photos, settings)
    suggested: dict[str, dict[str, float]] = {}
    for one in found:
        for line in one.report_lines():
            echo(f"# {line}")
        for warning in one.warnings():
            echo(f"# warning: {warning}")
        if one.right:
            section, name = one.setting.split(".")
            suggested[section] = {name: one.suggested()}
    if out:
        picture(found, out)
        echo(f"# {out}: the scores as a picture")
    return suggested
