"""The list of removals that goes with a release."""

from pipelines.release.finished import FinishedBuild
from webbody.errors import WebbodyError
from webbody.releases.release import Release
from webbody.removals import Removals, new_key, read_removals


def released_removals(build: FinishedBuild, before: Release | None) -> Removals:
    """The build's list without private entries, plus that of the previous version.

    Entries are never removed. Raises WebbodyError if the two use hashes of different keys.
    """
    key = new_key(build.records.build["sha256"])
    own = (read_removals(build.folder) or Removals(key)).public()
    older = read_removals(before.folder) if before else None
    if older is None or not older:
        return own
    if not own:
        return older
    if own.key != older.key:
        raise WebbodyError(
            f"{build.folder.url}: its list of removals has another key than the one of the version "
            "before; take down in this folder what was taken down in that release."
        )
    new = [entry for entry in own.entries if entry not in set(older.entries)]
    return Removals(older.key, (*older.entries, *new))
