"""`webbody embed` and `webbody compare`: features of whole people by SapiensID."""

import json
from pathlib import Path
from typing import Annotated

import typer

from webbody.cli.build import ConfigFile, Overrides
from webbody.cli.people import demo_models
from webbody.cli.printing import PlainConsole, echo
from webbody.config import BuildConfig, load
from webbody.errors import NothingKept, WebbodyError
from webbody.plain_text import plain_text
from webbody.skeleton import COUNT

CheckpointOption = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint",
        "-k",
        help="Folder of SapiensID.save_pretrained, a file with the authors' weights, or the folder "
        "of a face embedder that `webbody train` made.",
    ),
]
Whole = Annotated[
    bool, typer.Option("--whole", help="Pictures are crops of a person: search no persons.")
]
Flip = Annotated[
    bool,
    typer.Option(
        "--flip", help="Feature = image + mirrored image, with the keypoints mirrored likewise."
    ),
]
Demo = Annotated[bool, typer.Option("--demo", help="Find people with the demo's models.")]
#: What to look at where no keypoint is visible.
_NO_KEYPOINTS = (
    "look at some with `webbody show`, and at keypoints.model, keypoints.beta and "
    "keypoints.min_score"
)
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda (resources.device).")]


def embed(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folders of builds, shards (.tar) and folders of them, pictures and folders of "
            "pictures."
        ),
    ],
    out: Annotated[str, typer.Option("--out", "-o", help="Parquet file to write.")],
    checkpoint: CheckpointOption = None,
    whole: Whole = False,
    flip: Flip = False,
    batch: Annotated[int, typer.Option(min=1, help="Samples in one call of the model.")] = 32,
    dtype: Annotated[str, typer.Option(help="Of stored features: float32 or float16.")] = "float32",
    device: Device = None,
    demo: Demo = False,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Let go of features in --out that were made in another way."
        ),
    ] = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Compute a feature for every sample of shards and every picture.

    Samples of shards include keypoints. In a picture the largest person and the keypoints are found
    with the models of the configuration; a picture that shows nobody is taken whole. A picture that
    cannot be read is a row with its outcome and without a feature.

    Parts are committed in OUT.parts/ while it runs: run the same command again to go on. Features
    of another checkpoint, of other sources or settings are never mixed: it refuses without
    --replace, which starts over. Exit code 0: written. 2: an error to fix first. 3: written, but
    without any feature, or with features of pictures without keypoints alone, which are all alike.
    """
    from pipelines.inference.checkpoint import open_checkpoint
    from pipelines.inference.embed import embed as run
    from webbody.cli.progress import StatusLine

    if dtype not in ("float32", "float16"):
        raise WebbodyError(f"--dtype {dtype}: give float32 or float16.")
    console = PlainConsole()
    settings = _settings(config, set_, demo, device)
    opened = open_checkpoint(checkpoint)

    def progress(rows: int, parts: int, of: int) -> None:
        rate = rows / max(status.seconds, 1e-6)
        status.show(f"{parts:,}/{of:,} parts  {rows:,} samples, {rate:,.0f}/s")

    with StatusLine(console, "Reading the sources") as status:
        made = run(
            sources, opened, out, settings, whole=whole, flip=flip, batch=batch, dtype=dtype,
            replace=replace, progress=progress,
        )  # fmt: skip
    reasons = ", ".join(f"{outcome} {count:,}" for outcome, count in made.outcomes.items())
    if made.features == 0:
        raise NothingKept(f"{out}: nothing could be embedded ({reasons}).")
    if made.blind == made.features:
        raise NothingKept(
            f"{out}: none of the {made.features:,} pictures shows a keypoint, so all features are "
            f"alike and tell nobody from anybody; {_NO_KEYPOINTS}."
        )
    line = f"{out}: {made.features:,} features of {opened.model.feature_dim} values"
    if reasons:
        line += f"; {sum(made.outcomes.values()):,} pictures without one ({reasons})"
    if made.whole:
        line += f"; no person was found in {made.whole:,} pictures, which were taken whole"
    if made.blind:
        line += (
            f"; {made.blind:,} features are of pictures without any visible keypoint and tell "
            f"nobody from anybody (column visible is 0): {_NO_KEYPOINTS}"
        )
    if made.before:
        line += f"; {made.before:,} of {made.made + made.before:,} parts were there already"
    echo(line + ".")


def compare(
    a: Annotated[str, typer.Argument(help="A picture, or FILE.parquet:KEY of `webbody embed`.")],
    b: Annotated[str, typer.Argument(help="Another one.")],
    checkpoint: CheckpointOption = None,
    whole: Whole = False,
    flip: Flip = False,
    device: Device = None,
    demo: Demo = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigFile = None,
    set_: Overrides = None,
) -> None:
    """Compare two people: the cosine similarity of their features, from -1 to 1.

    Where no keypoint of one is visible there is no cosine, as its feature would be that of every
    such picture (exit code 2); where hardly any is, or no person was found, a warning says so.
    """
    from pipelines.inference.checkpoint import open_checkpoint
    from pipelines.inference.compare import compare as run

    settings = _settings(config, set_, demo, device)
    found = run(a, b, lambda: open_checkpoint(checkpoint), settings, whole=whole, flip=flip)
    if json_:
        sides = {
            side: {
                "name": of.name,
                "norm": of.norm,
                "visible": of.visible,
                "person_found": not of.whole,
            }
            for side, of in (("a", found.a), ("b", found.b))
        }
        warnings = list(found.warnings)
        echo(json.dumps({"cosine": found.cosine, **sides, "warnings": warnings}))
        return
    for warning in found.warnings:
        echo(f"warning: {plain_text(warning)}", err=True, fg="yellow")
    norms = f"norms {found.a.norm:.3g} and {found.b.norm:.3g}"
    visible = f"{found.a.visible} and {found.b.visible} of {COUNT} keypoints visible"
    echo(f"cosine {found.cosine:.4f}  ({norms}; {visible})")


def _settings(
    config: Path | None, set_: list[str] | None, demo: bool, device: str | None
) -> BuildConfig:
    overrides = [*(set_ or ()), *([f"resources.device={device}"] if device else ())]
    return load(config, overrides, base=demo_models() if demo else None)
