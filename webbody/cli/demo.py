"""`webbody demo`: draw the synthetic web, serve it, build from it, score the build."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from webbody.cli.people import demo_models
from webbody.cli.printing import PlainConsole
from webbody.cli.verbose import Verbose
from webbody.config import BuildConfig, WorkerResources, load, merge
from webbody.demo import MODELS
from webbody.errors import WebbodyError
from webbody.folder_walk import FolderWalk


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for everything.")] = Path(
        "demo-out"
    ),
    names: Annotated[int, typer.Option(min=1, help="Names in the manifest.")] = 40,
    images: Annotated[int, typer.Option(min=1, help="URLs per name.")] = 12,
    world: Annotated[
        str, typer.Option(help="`default`, or `stress`: crowds, occlusion, tiny and huge people.")
    ] = "default",
    seed: Annotated[int, typer.Option(help="Another seed draws another web.")] = 0,
    port: Annotated[int | None, typer.Option(help="Port of the local web server.")] = None,
    train: Annotated[
        bool, typer.Option(help="Go on to train a small model on what was built.")
    ] = True,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="KEY=VALUE", help="One setting of the build."),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Build a data set from a synthetic web with known truth, offline, score it, train on it.

    Draws people, serves their photos on 127.0.0.1 with the faults of the real web, builds from the
    manifest with the real libraries and tiny models, and compares the result with the truth. Then a
    small SapiensID is trained on the build and evaluated on other people. Exit codes are those of
    `webbody build`.
    """
    from webbody.cli.build import run
    from webbody.demo.scoring.score import print_score, write_score
    from webbody.demo.website.server import serve
    from webbody.demo.website.web import DEFAULT_PORT, make_web

    gallery, folder = out / "gallery.parquet", out / "build"
    settings = demo_config(out / "web", folder, (str(gallery),), set_ or ())
    if settings.samples != "people":
        raise WebbodyError(
            f"samples={settings.samples}: the demo scores and trains on people; whole photos are "
            "built with `webbody build --preset humans` from a list of URLs."
        )
    console = PlainConsole()
    console.print(
        f"1. The synthetic web: {names} names x {images} URLs, in {out / 'web'}", soft_wrap=True
    )
    web = make_web(
        out / "web", names=names, images=images, world=world, seed=seed, port=port or DEFAULT_PORT
    )
    console.print(f"2. Validation people who must not be in the data: {gallery}", soft_wrap=True)
    make_demo_gallery(web.gallery, gallery, settings)

    console.print(f"3. The build, from http://127.0.0.1:{web.port}, in {folder}", soft_wrap=True)
    with serve(web.folder, web.port):
        code = run(settings, console)
    if code:
        raise typer.Exit(code)

    console.print("4. The score: the build beside the truth")
    print_score(write_score(folder, web.folder, out / "score.json"), console)
    _finish(folder, out, web.manifest, train, console)


def _finish(build: Path, out: Path, manifest: Path, train: bool, console: PlainConsole) -> None:
    """Draw the contact sheets, train if possible, and print the paths of all results."""
    from pipelines.diagnostics.ending import read_ending
    from pipelines.inspection.report import write_report

    page = write_report(str(build))
    if train and read_ending(str(build)).nothing_to_train_on:
        console.print("\n5. No training: all people of the build are test people")
        train = False
    if train:
        from webbody.cli.demo_training import train_on_build

        console.print("\n5. Training on the build, a few minutes: ranks strangers, then learns")
        train_on_build(build, out, console)
    console.print(
        f"\nManifest        {manifest}\n"
        f"Shards          {build / 'pack'}\n"
        f"Score           {out / 'score.json'}\n"
        f"Contact sheets  {page}\n"
        + (f"Curves          {out / 'training' / 'curves.png'}\n" if train else "")
        + (f"Rankings        {out / 'evaluation' / 'evaluation.html'}\n" if train else "")
        + f"Next: webbody explain {build} URL   webbody status {build}",
        soft_wrap=True,
    )


def demo_config(
    web: Path, out: Path, galleries: Sequence[str], overrides: Sequence[str]
) -> BuildConfig:
    """The configuration of a synthetic web's build."""
    from webbody.demo.website.kinds import BUILD_SETTINGS

    values: dict[str, Any] = {"manifest": str(web / "manifest.parquet"), "out": str(out)}
    values = merge(values, demo_models())
    for key, value in BUILD_SETTINGS.items():
        section, field = key.split(".")
        values = merge(values, {section: {field: value}})
    values = merge(values, {"identities": {"galleries": list(galleries)}})
    return load(None, overrides, base=values)


def make_demo_gallery(images: Path, out: Path, settings: BuildConfig) -> None:
    """Embed the validation people, unless the file there is newer than images and models."""
    from pipelines.galleries.gallery import make_gallery

    sources = [*(file.real for file in FolderWalk(images)), *map(str, MODELS.iterdir())]
    if out.exists() and out.stat().st_mtime >= max(map(os.path.getmtime, sources)):
        return
    make_gallery(
        [str(images)], out, "demo", settings.faces, WorkerResources(settings.resources.device)
    )
