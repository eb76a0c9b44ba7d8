"""`webbody takedown`: what is removed on request leaves a build, and all later builds of it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from webbody.cli.printing import echo
from webbody.errors import EXIT_INCOMPLETE, WebbodyError
from webbody.plain_text import counted, plain_text
from webbody.releases.format import RELEASE_FILE
from webbody.removals import REASONS, RemovalLists, Removals, lists_in, new_key, read_removals
from webbody.storage import Folder

if TYPE_CHECKING:
    from pipelines.takedown.targets import TakedownRequest


def takedown(
    where: Annotated[
        str, typer.Argument(metavar="DIR", help="Folder of a build, or of a release.")
    ],
    url: Annotated[list[str] | None, typer.Option(help="A picture's address.")] = None,
    domain: Annotated[
        list[str] | None, typer.Option(help="A site, and all sites below it: example.org.")
    ] = None,
    sha256: Annotated[list[str] | None, typer.Option(help="A picture's digest.")] = None,
    person: Annotated[list[str] | None, typer.Option(help="A person's id.")] = None,
    like: Annotated[
        list[Path] | None,
        typer.Option(help="A photo of the person; needs the build's models. Shows who it is like."),
    ] = None,
    reason: Annotated[str, typer.Option(help=f"One of {', '.join(REASONS)}.")] = "request",
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Remove what --like found, too; let --domain be one such as org or co.uk."
        ),
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

    Exit code 0: done, or proven absent. 1: --check found something. 2: an error to fix first.
    """
    from pipelines.takedown.targets import TakedownRequest, person_id

    folder = Folder(where)
    is_removal = any((url, domain, sha256, person, like))
    if gallery and not (like and yes):
        raise WebbodyError("--gallery: people in a gallery are found by a photo: --like and --yes.")
    if not is_removal and not check and not features:
        raise WebbodyError(
            "Say what to remove: --url, --domain, --sha256, --person or --like; or --check."
        )
    request = TakedownRequest(
        url or (), domain or (), sha256 or (), list(map(person_id, person or ())), certain=yes
    )
    request.check()
    if is_removal and folder.size(RELEASE_FILE) is not None:
        if like or runs:
            raise WebbodyError(
                f"{where} is a release, which holds no faces and trained nothing: --like and --run "
                "are for builds."
            )
        _from_release(where, request, reason)
    elif is_removal:
        _take_down(folder, request, like, reason, yes, runs or [], gallery)
    if features:
        from pipelines.takedown.elsewhere import without_removed

        for path in features:
            count = without_removed(path, lists_in(folder))
            echo(f"{plain_text(str(path))}: {counted(count, 'row')} of features removed.")
    if check and not _check(folder):
        raise typer.Exit(EXIT_INCOMPLETE)


def _take_down(
    folder: Folder,
    request: "TakedownRequest",
    like: list[Path] | None,
    reason: str,
    yes: bool,
    runs: list[Path],
    galleries: list[Path] | None,
) -> None:
    from pipelines.takedown.surgery import apply, finish
    from pipelines.takedown.targets import entries_of
    from pipelines.takedown.trainings import packed_places, seen_by
    from webbody.build_records import BuildRecords

    build = BuildRecords(folder).build
    finish(folder)
    if like:
        from pipelines.takedown.alike import find_similar

        found = find_similar(folder, like)
        for line in found.lines():
            echo(plain_text(line))
        if not yes:
            echo("Nothing was removed: look at them, then add --yes, or name people by --person.")
            return
        for path in galleries or ():
            from pipelines.takedown.elsewhere import without_similar

            count = without_similar(path, found)
            echo(f"{plain_text(str(path))}: {counted(count, 'identity')} removed.")
        request.people = [*request.people, *found.people]
        request.crops = list(found.crops)
    own = read_removals(folder) or Removals(new_key(build["sha256"]))
    others = [one for one in lists_in(folder).lists if one != own]
    known = RemovalLists((own, *others))
    today = datetime.now(UTC).date()
    listed = own.plus(today, reason, entries_of(folder, request, known))
    before = packed_places(folder)
    taken = apply(folder, RemovalLists((listed, *others)), listed)
    added = len(listed.entries) - len(own.entries)
    echo(
        f"{counted(taken.rows, 'row')} and "
        f"{counted(len(set(before) & taken.samples), 'packed sample')} removed; "
        f"{counted(added, 'entry')} added to the list of removals."
    )
    if not taken.rows and not added:
        echo("All of it was taken down before.")
    elif not taken.rows:
        echo("Nothing here matched. The entries keep it out of later builds.")
    for run in runs:
        count = seen_by(run, {key: before[key] for key in taken.samples if key in before})
        text = f"saw {count:,} of the removed samples" if count else "saw none of them"
        echo(f"{plain_text(str(run))}: the training {text}.")


def _from_release(where: str, request: "TakedownRequest", reason: str) -> None:
    from pipelines.release.taken_down import take_down

    taken = take_down(where, request.entries(), reason, datetime.now(UTC).date())
    echo(
        f"{counted(taken.samples, 'sample')} removed; {counted(taken.entries, 'entry')} added to "
        "removals.parquet."
    )
    if not taken.samples and not taken.entries:
        echo("All of it was taken down before.")
        return
    if not taken.left:
        echo("Nothing is left in the release: withdraw it, or release another version.")
    echo("Publish the folder again, so that others apply the removals.")


def _check(folder: Folder) -> bool:
    from pipelines.takedown.absence import check_absence

    lists = lists_in(folder)
    if not lists:
        echo("Nothing was ever removed here: the list of removals is empty.")
        return True
    absence = check_absence(folder, lists)
    for name, count in absence.found.most_common():
        echo(f"{plain_text(name)}: holds {counted(count, 'value')} of what was removed.")
    if absence.unread:
        names = ", ".join(plain_text(name) for name in absence.unread[:5])
        echo(
            f"Not looked into: {counted(len(absence.unread), 'file')} that are no tables, shards "
            f"or texts, or pictures of which a changed copy cannot be told by its name: {names}"
            f"{', ...' if len(absence.unread) > 5 else '.'}"
        )
    if not absence.found:
        echo(
            f"Absent: none of {counted(absence.values, 'value')} in "
            f"{counted(absence.files, 'file')} is in the list of {counted(len(lists), 'removal')}."
        )
    return not absence.found


def forget(
    out: Annotated[str, typer.Argument(metavar="DIR", help="Folder of a finished build.")],
    features: Annotated[
        bool, typer.Option("--features", help="Face features, which are biometric data.")
    ] = False,
) -> None:
    """Remove face features of a finished data set, which are needed no longer.

    The build stays complete. Rows that are added later, and takedowns by photo, need the features:
    a build that needs them computes them anew.
    """
    from pipelines.takedown.forgetting import forget_features

    if not features:
        raise WebbodyError("Say what to forget: --features.")
    count = forget_features(Folder(out))
    if count:
        text = f"the face features of {counted(count, 'shard')} are gone; the rest is as it was."
    else:
        text = "keeps no face features any more: they were forgotten before."
    echo(f"{plain_text(out)}: {text}")
