"""`webbody manifest`: lists of URLs and names brought into shape, looked at and compared."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from webbody.cli.printing import PlainConsole, echo, echo_json
from webbody.manifest_forms import as_one_text
from webbody.plain_text import counted, plain_text

if TYPE_CHECKING:
    from webbody.manifest import Manifest, ManifestLayout
    from webbody.manifest.statistics import ManifestStatistics
    from webbody.manifest.tally import ManifestTally

app = typer.Typer(
    help="Lists of URLs and names: read, check, count, sample, merge and compare them.",
    rich_markup_mode=None,
    no_args_is_help=True,
)

Source = Annotated[
    list[str],
    typer.Argument(
        metavar="LIST...",
        help="A file or fsspec URL, also .gz, .zst and .bz2; several files are one list, as are a "
        "folder of parts, 'glob:PATTERN' and @FILE with a path a line.",
    ),
]
Out = Annotated[str, typer.Option("--out", "-o", help="Parquet file to write.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Format = Annotated[
    str, typer.Option("--format", help="parquet, csv, jsonl or text; else by ending or content.")
]
Separator = Annotated[
    str,
    typer.Option(
        "--separator", help="Of text and CSV: blank, tab, comma, semicolon, pipe or a character."
    ),
]
Url = Annotated[
    str, typer.Option("--url", help="Column of the URL: its name, or its position from 1.")
]
Name = Annotated[str, typer.Option("--name", help="Column of the name, likewise.")]
Sha256 = Annotated[str, typer.Option("--sha256", help="Column of the digest, likewise.")]
Keep = Annotated[
    list[str] | None,
    typer.Option("--keep", help="A further column to keep; '*' for all of Parquet or CSV."),
]
Memory = Annotated[
    str, typer.Option("--memory", help="What may be used before going to the disk, e.g. 4GB.")
]
_PLAIN: Any = {"soft_wrap": True, "markup": False, "highlight": False}


@app.command("import")
def import_(
    source: Source,
    out: Out,
    format_: Format = "",
    separator: Separator = "",
    url: Url = "",
    name: Name = "",
    sha256: Sha256 = "",
    keep: Keep = None,
    as_json: Json = False,
) -> None:
    """Turn a list of any format into a Parquet manifest, in bounded memory.

    Lines that are no rows go to OUT.rejected.parquet with their file and number in it, counted
    from 1, and the reason. Without options a text list is `index label url`, and other formats have
    columns called url and name.
    """
    from webbody.manifest import Manifest
    from webbody.manifest.importing import import_manifest, rejected_path

    layout = _layout(format_, separator, url, name, sha256, keep)
    with Manifest(as_one_text(source), layout=layout) as manifest:
        tally = import_manifest(manifest, out)
    if as_json:
        _print_json({"out": out, "rejected_lines": rejected_path(out), **_tally(tally)})
        return
    _print_tally(manifest, tally)
    echo(f"{out}: {tally.accepted:,} rows.")
    if tally.rejected:
        echo(f"{rejected_path(out)}: {tally.rejected:,} lines with their number and reason.")


@app.command("validate")
def validate(
    source: Source,
    format_: Format = "",
    separator: Separator = "",
    url: Url = "",
    name: Name = "",
    sha256: Sha256 = "",
    as_json: Json = False,
) -> None:
    """Say what an import or a build would make of a list, without writing anything.

    Exit code 0: there are rows that can be used. 2: there are none, or the file cannot be read.
    """
    from webbody.manifest import Manifest
    from webbody.manifest.importing import validate_manifest

    layout = _layout(format_, separator, url, name, sha256)
    with Manifest(as_one_text(source), layout=layout) as manifest:
        tally = validate_manifest(manifest)
    if as_json:
        _print_json(_tally(tally))
    else:
        _print_tally(manifest, tally)


@app.command("stats")
def stats(
    source: Source,
    top: Annotated[int, typer.Option("--top", min=0, help="How many domains are listed.")] = 20,
    memory: Memory = "2GB",
    as_json: Json = False,
) -> None:
    """Rows, names, images a name, domains, schemes and duplicates of a manifest.

    A released manifest counts its persons as names.
    """
    from webbody.manifest.statistics import manifest_statistics

    with _opened(as_one_text(source)) as manifest:
        found = manifest_statistics(manifest, top, memory)
    if as_json:
        _print_json({**asdict(found), "tally": _tally(found.tally)})
        return
    _print_tally(manifest, found.tally)
    _print_statistics(found)


@app.command("sample")
def sample(
    source: Source,
    out: Out,
    names: Annotated[int | None, typer.Option("--names", help="How many names.")] = None,
    fraction: Annotated[
        float | None, typer.Option("--fraction", help="The share of the names, in 0..1.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Another seed draws other names.")] = 0,
) -> None:
    """Write the rows of some names, each name with all of its rows.

    The same seed draws the same names, however the rows are sorted, and a larger sample holds the
    smaller one.
    """
    from webbody.manifest.sampling import sample_manifest

    with _opened(as_one_text(source), every=True) as manifest:
        rows, drawn = sample_manifest(manifest, out, names, fraction, seed)
    echo(f"{out}: {rows:,} rows of {drawn:,} names.")


@app.command("merge")
def merge(
    sources: Annotated[
        list[str], typer.Argument(metavar="LIST...", help="Manifests, two or more.")
    ],
    out: Out,
    memory: Memory = "2GB",
    as_json: Json = False,
) -> None:
    """Write the rows of several manifests, sorted by name, each URL and name once.

    Of rows with the same URL and name one with a sha256 is kept before one without, then that of
    the manifest that was named first.
    """
    from webbody.manifest import Manifest
    from webbody.manifest.merging import merge_manifests

    with ExitStack() as stack:
        opened = [stack.enter_context(Manifest(source)) for source in sources]
        counts = merge_manifests(opened, out, memory)
    if as_json:
        _print_json({"out": out, **asdict(counts)})
        return
    echo(
        f"{out}: {counts.merged:,} rows; {counts.duplicates:,} duplicates were dropped, "
        f"{counts.conflicts:,} of them with another sha256, and {counts.rejected:,} rows that "
        "cannot be used."
    )


@app.command("diff")
def diff(
    old: Annotated[str, typer.Argument(metavar="A", help="The manifest before.")],
    new: Annotated[str, typer.Argument(metavar="B", help="The manifest after.")],
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", help="Parquet file for the rows that differ."),
    ] = None,
    memory: Memory = "2GB",
    as_json: Json = False,
) -> None:
    """Rows and names that were added, removed or changed from A to B."""
    from webbody.manifest.difference import manifest_difference

    with _opened(old) as before, _opened(new) as after:
        found = manifest_difference(before, after, out, memory)
    if as_json:
        _print_json(asdict(found))
        return
    table = Table(title=Text(plain_text(f"From {old} to {new}")), title_justify="left")
    for column in ("", "added", "removed", "changed", "same"):
        table.add_column(column, justify="right" if column else "left")
    table.add_row(
        "rows", *(f"{n:,}" for n in (found.added, found.removed, found.changed, found.same))
    )
    table.add_row(
        "names", f"{found.names_added:,}", f"{found.names_removed:,}", "", f"{found.names_same:,}"
    )
    PlainConsole().print(table)
    if found.moved:
        echo(f"{found.moved:,} URLs went from one name to another.")


def _layout(
    format_: str,
    separator: str,
    url: str,
    name: str,
    sha256: str = "",
    keep: list[str] | None = None,
) -> "ManifestLayout":
    from webbody.manifest import ManifestLayout

    return ManifestLayout(format_, separator, url, name, sha256, tuple(keep or ()))


def _opened(source: str, every: bool = False) -> "Manifest":
    """A manifest or a released one; with `every` all columns of formats that say what they have."""
    from webbody.manifest import Manifest, ManifestLayout
    from webbody.manifest.layout import EVERY

    manifest = Manifest(source, layout=ManifestLayout(released=True))
    if every and manifest.format in ("parquet", "csv"):
        manifest.close()
        return Manifest(source, layout=ManifestLayout(keep=(EVERY,), released=True))
    return manifest


def _tally(tally: "ManifestTally") -> dict[str, Any]:
    return {
        "lines": tally.lines,
        "header": tally.header,
        "continued": tally.continued,
        "accepted": tally.accepted,
        "rejected": tally.rejected,
        "reasons": dict(tally.reasons.most_common()),
        "examples": {reason: list(map(asdict, lines)) for reason, lines in tally.examples.items()},
    }


def _print_json(values: dict[str, Any]) -> None:
    echo_json(values)


def _print_tally(manifest: "Manifest", tally: "ManifestTally") -> None:
    """The account of the lines, and examples of those that are no rows."""
    console = PlainConsole()
    for note in manifest.parts.notes:
        console.print(plain_text(note), **_PLAIN)
    rest = [
        f"{number:,} {what}"
        for number, what in (
            (tally.header, "of them headers" if tally.header > 1 else "of them the header"),
            (tally.continued, "going on from the line before"),
        )
        if number
    ]
    files = counted(len(manifest.parts.parts), "file") + ", " if manifest.parts.several else ""
    text = f"{manifest.path}: {files}{tally.lines:,} lines{''.join(f', {one}' for one in rest)}."
    console.print(plain_text(text), **_PLAIN)
    table = Table()
    for column in ("outcome", "lines", "share", "for example"):
        table.add_column(column, justify="right" if column in ("lines", "share") else "left")
    for outcome, count, example in _outcomes(tally):
        share = f"{count / max(1, tally.accepted + tally.rejected):.2%}"
        table.add_row(outcome, f"{count:,}", share, Text(plain_text(example, 200)))
    console.print(table)


def _outcomes(tally: "ManifestTally") -> Iterator[tuple[str, int, str]]:
    yield "accepted", tally.accepted, ""
    for outcome, count in tally.reasons.most_common():
        first = tally.examples[outcome][0]
        yield outcome, count, first.place + (f": {first.detail}" if first.detail else "")


def _print_statistics(found: "ManifestStatistics") -> None:
    console, images = PlainConsole(), found.images
    low, middle, high = images.quartiles
    table = Table(show_header=False)
    for what, value in (
        ("rows", f"{found.rows:,}"),
        ("names", f"{found.names:,}"),
        ("images a name", f"{images.least:,} to {images.most:,}, on average {images.mean:,.1f}"),
        ("its quartiles", f"{low:,} {middle:,} {high:,}"),
        ("names with one image", f"{images.single:,}"),
        ("duplicates", f"{found.duplicates:,} rows with the URL and name of another one"),
        ("URLs under several names", f"{found.shared:,}"),
        ("with a sha256", f"{found.digests:,}"),
        ("schemes", ", ".join(f"{name} {rows:,}" for name, rows in found.schemes.items())),
        ("domains", f"{found.domain_count:,}"),
    ):
        table.add_row(what, value)
    console.print(table)
    if found.domains:
        domains = Table(title="Largest domains", title_justify="left")
        for column in ("domain", "rows", "share"):
            domains.add_column(column, justify="left" if column == "domain" else "right")
        for domain, rows in found.domains:
            domains.add_row(Text(plain_text(domain, 80)), f"{rows:,}", f"{rows / found.rows:.2%}")
        console.print(domains)
