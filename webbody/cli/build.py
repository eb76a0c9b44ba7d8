"""`webbody build` and `webbody config`."""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from pydantic import BaseModel
from rich.console import Console

from webbody.cli.printing import PlainConsole, echo
from webbody.cli.rot import report as report_rot
from webbody.cli.verbose import Verbose
from webbody.config import BuildConfig, load, read_preset
from webbody.errors import EXIT_EMPTY, EXIT_INCOMPLETE

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="YAML file with settings; see `webbody config`."),
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="Settings to start from: `webbody4m` (the paper's build), `permissive` (model files "
        "under permissive licences only) or `humans` (whole photos of people from a list of URLs "
        "without names, to pretrain on).",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", "-s", metavar="KEY=VALUE", help="One setting, e.g. persons.confidence=0.6."
    ),
]


def build(
    manifest: Annotated[
        list[str] | None,
        typer.Option(
            "--manifest",
            "-m",
            help="URL list: Parquet, CSV, JSON Lines or text list; a folder of parts, "
            "'glob:PATTERN', @FILE, or several files by repeating it; or a release.",
        ),
    ] = None,
    out: Annotated[str, typer.Option("--out", "-o", help="Output folder or fsspec URL.")] = "",
    preset: Preset = None,
    config: ConfigFile = None,
    set_: Overrides = None,
    ray_address: Annotated[
        str | None, typer.Option(help="Ray cluster to join; without it a local Ray is started.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only count, and estimate time and disk; write nothing.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let a folder become the build of another manifest.")
    ] = False,
    retry: Annotated[
        list[str] | None,
        typer.Option(
            "--retry",
            metavar="WHAT",
            help="Ask failed URLs again: `passing` (refused, reset, time-outs, name servers, 5xx, "
            "429), outcomes such as download:http-404, or an age such as 'older than 30d'.",
        ),
    ] = None,
    partial: Annotated[
        bool,
        typer.Option("--partial", help="Go to the end without the shards that failed."),
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Turn a manifest of URLs and names into labelled WebDataset shards, or build a release anew.

    A release (a folder, https://... or hf://datasets/...) needs no model and no GPU; what became of
    its pictures is told at the end.

    Everything committed in --out is kept and skipped: run the same command again to resume.
    Exit code 0: complete. 1: some shards are incomplete (run again). 2: an error to fix first.
    3: done to the end, but nothing was kept; the closing lines say where all was lost.
    """
    console = PlainConsole()
    settings = chosen(preset, config, set_)
    given: dict[str, Any] = {"manifest": manifest, "out": out}
    for key, value in given.items():
        if value:
            setattr(settings, key, value)
    if retry:
        settings.download.retry = tuple(retry)
    if ray_address:
        settings.resources.ray_address = ray_address
    if plan:
        from pipelines.inspection.estimate import estimate
        from webbody.cli.tables import print_estimate

        print_estimate(estimate(settings), console)
        return
    if code := run(settings, console, replace, partial):
        raise typer.Exit(code)


def run(
    settings: BuildConfig, console: Console, replace: bool = False, partial: bool = False
) -> int:
    """Build with progress and a closing table; the exit code."""
    from pipelines.build import build as run_build
    from pipelines.diagnostics.ending import read_ending
    from webbody.cli.progress import BuildProgress
    from webbody.cli.tables import print_result

    with BuildProgress(console) as progress:
        result = run_build(settings, progress, replace, partial)
    ending = read_ending(result.out, (result.outcomes, result.rows)) if result.complete else None
    print_result(result, ending, console)
    if ending is None:
        return EXIT_INCOMPLETE
    if result.from_release:
        report_rot(result.out, console)
    return EXIT_EMPTY if ending.empty else 0


def config(preset: Preset = None, config: ConfigFile = None, set_: Overrides = None) -> None:
    """Print the effective configuration as YAML, every setting with its meaning."""
    echo(describe(chosen(preset, config, set_)), nl=False)


def chosen(preset: str | None, config: Path | None, overrides: list[str] | None) -> BuildConfig:
    """The settings of a preset, a file over it and single ones over both."""
    return load(config, overrides or (), read_preset("build", preset) if preset else None)


def describe(settings: BaseModel) -> str:
    """YAML of a configuration with each field's description as a comment; it can be read back."""
    lines: list[str] = []

    def add(model: Any, indent: str) -> None:
        for name, field in type(model).model_fields.items():
            value = getattr(model, name)
            if hasattr(value, "model_fields"):
                doc = (type(value).__doc__ or "").strip().splitlines()[0]
                lines.append(f"{indent}{name}:  # {doc}")
                add(value, indent + "  ")
                continue
            plain = model.model_dump(mode="json", include={name})[name]
            text = yaml.safe_dump(plain, default_flow_style=True, width=1000, allow_unicode=True)
            text = text.removesuffix("...\n").strip()
            comment = f"  # {field.description}" if field.description else ""
            lines.append(f"{indent}{name}: {text}{comment}")

    add(settings, "")
    return "\n".join(lines) + "\n"
