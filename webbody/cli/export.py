"""`webbody export`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from webbody.cli.printing import echo
from webbody.errors import WebbodyError
from webbody.plain_text import counted, plain_text
from webbody.removals import RemovalLists, Removals, read_removals
from webbody.storage import Folder


class ExportFormat(StrEnum):
    """The formats of `webbody export`."""

    FIFTYONE = "fiftyone"
    LIGHTLY = "lightly"
    HF = "hf"
    COCO = "coco"
    IMAGEFOLDER = "imagefolder"
    PARQUET = "parquet"


def export(
    build: Annotated[str, typer.Argument(metavar="DIR", help="A finished build.")],
    kind: Annotated[ExportFormat, typer.Argument(metavar="FORMAT", help="See above.")],
    out: Annotated[
        str, typer.Argument(metavar="OUT", help="Folder or URL to write; new or empty.")
    ],
    with_names: Annotated[
        bool,
        typer.Option(
            "--with-names",
            help="Write the names and URLs of people's pictures, too. Without it neither leaves "
            "the build.",
        ),
    ] = False,
    images: Annotated[
        bool, typer.Option("--images", help="parquet: put the pictures into the table.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an older export at OUT.")
    ] = False,
    removals: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A list of what was taken down (removals.parquet), beside the build's own.",
        ),
    ] = None,
) -> None:
    """Write a finished build's samples in a format that other tools read.

    fiftyone: a FiftyOneDataset. lightly: COCO boxes for LightlyStudio, a class for each person.
    hf: a data set of Hugging Face, Parquet with pictures. coco: people with boxes and 19 keypoints.
    imagefolder: OUT/train/PERSON/KEY.jpg. parquet: one table.

    Pictures stay as they are, byte for byte. Locally OUT appears when it is whole; in a store,
    OUT/export.json says whether it is. docs/export.md says how each format is read.
    """
    from pipelines.export.run import export_build

    lists = RemovalLists(tuple(_read(path) for path in removals or ()))
    done = export_build(
        build,
        kind.value,
        out,
        with_names=with_names,
        with_images=images,
        replace=replace,
        removals=lists,
    )
    splits = ", ".join(f"{split} {count:,}" for split, count in done.samples.items())
    total = counted(sum(done.samples.values()), "sample")
    people = "" if done.people is None else f" of {done.people:,} people"
    echo(plain_text(f"{out}: {total}{people} ({splits}) as {kind.value}."))
    if done.waiting:
        echo(f"Note: {plain_text(done.waiting)}", err=True)
    if done.left_out:
        echo(f"{counted(done.left_out, 'sample')} left out, taken down since the build.", err=True)


def _read(path: Path) -> Removals:
    found = read_removals(Folder(path.resolve().parent), path.name)
    if found is None:
        raise WebbodyError(f"--removals {path}: there is no such file.")
    return found
