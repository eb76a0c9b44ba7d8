"""`webbody takedown`: what is removed on request leaves a build, and all later builds of it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from webbody.errors import EXIT_INCOMPLETE, WebbodyError
from webbody.plain_text import plain_text
from webbody.releases.format import RELEASE_FILE
from webbody.removals import REASONS, RemovalLists, Removals, lists_in, new_key, read_removals
from webbody.storage import Folder


def takedown(
    where: Annotated[
        str, typer.Argument(metavar="DIR", help="Folder of a build, or of a release.")
    ],
    url: Annotated[list[str] | None, typer.Option(help="A picture's address.")] = None,
    domain: Annotated[
        list[str] | None, typer.Option(help="A site, and all below it: example.org.")
    ] = None,
    sha256: Annotated[list[str] | None, typer.Option(help="A picture's digest.")] = None,
    person: Annotated[list[int] | None, typer.Option(help="A person's id.")] = None,
    like: Annotated[
        list[Path] | None,
        typer.Option(help="A photo of the person; needs the build's models. Shows who it is like."),
    ] = None,
    reason: Annotated[str, typer.Option(help=f"One of {', '.join(REASONS)}.")] = "request",
    yes: Annotated[
        bool, typer.Option("--yes", help="With --like: remove what it found, too.")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Look through every file that what was removed is gone.")
    ] = False,
    runs: Annotated[
        list[Path] | None,
        typer.Option("--run", help="Folder of a training: tells whether it saw what is removed."),
    ] = None,
    gallery: Annotated[
        list[Path] | None,
        typer.Option(help="With --like and --yes: take the person out of this gallery, too."),
    ] = None,
    features: Annotated[
        list[Path] | None,
        typer.Option(help="A file of `webbody embed`: take out what was removed, too."),
    ] = None,
) -> None:
    """Remove pictures or people on request: from tables, shards, features, logs and later builds.

    Nothing else changes, byte for byte, and nothing is fetched. The folder's removals.parquet,
    which is only added to and names nothing, keeps what was removed out of every later build;
    publish it with a release so that others apply it, too. docs/takedown.md tells what a removal
    cannot reach.

    Exit code 0: done, or proven absent. 1: --check found something. 2: something to mend first.
    """
    folder = Folder(where)
    wanted = any((url, domain, sha256, person, like))
    if gallery and not (like and yes):
        raise WebbodyError("--gallery: people in a gallery are found by a photo: --like and --yes.")
    if not wanted and not check and not features:
        raise WebbodyError(
            "Say what to remove: --url, --domain, --sha256, --person or --like; or --check."
        )
    if wanted and folder.size(RELEASE_FILE) is not None:
        if like or runs:
            raise WebbodyError(
                f"{where} is a release, which holds no faces and trained nothing: --like and --run "
                "are for builds."
            )
        _from_release(where, url, domain, sha256, person, reason)
    elif wanted:
        _take_down(folder, url, domain, sha256, person, like, reason, yes, runs or [], gallery)
    if features:
        from pipelines.takedown.elsewhere import without_removed

        for path in features:
            count = without_removed(path, lists_in(folder))
            typer.echo(f"{plain_text(str(path))}: {count:,} rows of features were removed.")
    if check and not _check(folder):
        raise typer.Exit(EXIT_INCOMPLETE)


def _take_down(
    folder: Folder,
    url: list[str] | None,
    domain: list[str] | None,
    sha256: list[str] | None,
    person: list[int] | None,
    like: list[Path] | None,
    reason: str,
    yes: bool,
    runs: list[Path],
    galleries: list[Path] | None,
) -> None:
    from pipelines.takedown.surgery import apply
    from pipelines.takedown.targets import TakedownRequest, entries_of
    from pipelines.takedown.trainings import packed_places, seen_by
    from webbody.build_records import BuildRecords

    build = BuildRecords(folder).build
    asked = TakedownRequest(url or (), domain or (), sha256 or (), list(person or ()))
    if like:
        from pipelines.takedown.alike import find_alike

        found = find_alike(folder, like)
        for line in found.lines():
            typer.echo(plain_text(line))
        if not yes:
            typer.echo(
                "Nothing was removed: look at them, then add --yes, or name people by --person."
            )
            return
        for path in galleries or ():
            from pipelines.takedown.elsewhere import without_alike

            count = without_alike(path, found)
            typer.echo(f"{plain_text(str(path))}: {count:,} identities were removed.")
        asked.people = [*asked.people, *found.people]
        asked.crops = list(found.crops)
    own = read_removals(folder) or Removals(new_key(build["sha256"]))
    today = datetime.now(UTC).date()
    listed = own.plus(today, reason, entries_of(folder, asked))
    before = packed_places(folder)
    others = [one for one in lists_in(folder).lists if one != own]
    taken = apply(folder, RemovalLists((listed, *others)), listed)
    typer.echo(
        f"{taken.rows:,} rows and {len(set(before) & taken.samples):,} packed samples were "
        "removed; "
        f"{len(listed.entries) - len(own.entries):,} entries were added to the list of removals."
    )
    if not taken.rows:
        typer.echo(
            "Nothing here matched: addresses must be spelled as in the list that was built. The "
            "entries keep it out of later builds."
        )
    for run in runs:
        count = seen_by(run, {key: before[key] for key in taken.samples if key in before})
        told = f"saw {count:,} of the removed samples" if count else "saw none of them"
        typer.echo(f"{plain_text(str(run))}: the training {told}.")


def _from_release(
    where: str,
    url: list[str] | None,
    domain: list[str] | None,
    sha256: list[str] | None,
    person: list[int] | None,
    reason: str,
) -> None:
    from pipelines.release.taken_down import take_down
    from pipelines.takedown.targets import TakedownRequest

    asked = TakedownRequest(url or (), domain or (), sha256 or (), person or ())
    taken = take_down(where, asked.entries(), reason, datetime.now(UTC).date())
    typer.echo(
        f"{taken.samples:,} samples were removed; {taken.entries:,} entries were added to "
        "removals.parquet. Publish the folder again, so that others apply them."
    )


def _check(folder: Folder) -> bool:
    from pipelines.takedown.absence import check_absence

    lists = lists_in(folder)
    if not lists:
        typer.echo("Nothing was ever removed here: the list of removals is empty.")
        return True
    absence = check_absence(folder, lists)
    for name, count in absence.found.most_common():
        typer.echo(f"{plain_text(name)}: holds {count:,} values that were removed.")
    if absence.unread:
        names = ", ".join(plain_text(name) for name in absence.unread[:5])
        typer.echo(f"Not looked into, as they are no tables, shards or texts: {names}.")
    if not absence.found:
        typer.echo(
            f"Absent: none of {absence.values:,} values in {absence.files:,} files is in the list "
            f"of {len(lists):,} removals."
        )
    return not absence.found


def forget(
    out: Annotated[str, typer.Argument(metavar="DIR", help="Folder of a finished build.")],
    features: Annotated[
        bool, typer.Option("--features", help="Face features, which are biometric data.")
    ] = False,
) -> None:
    """Forget what is kept no longer than needed: face features, once the data set stands.

    The build stays complete. Rows that are added later, and takedowns by photo, need the features:
    a build that needs them computes them anew.
    """
    from pipelines.takedown.forgetting import forget_features

    if not features:
        raise WebbodyError("Say what to forget: --features.")
    count = forget_features(Folder(out))
    typer.echo(f"{out}: the face features of {count:,} shards are gone; the rest is as it was.")
