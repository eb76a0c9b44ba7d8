"""Saying things of the pictures and people of a build."""

from collections.abc import Iterable, Sequence

from pipelines.corrections.correction import OF_PICTURES, Correction, Verdict
from pipelines.corrections.journal import Journal, read_corrections
from pipelines.corrections.locating import locate
from pipelines.corrections.lookup import BuildLookup
from webbody.errors import WebbodyError
from webbody.storage import Folder


class Corrector:
    """Adds corrections to a build folder, for one editor.

    Pictures and people are given as the build's tables name them, and written down by their
    content. A build that runs heeds what was said before it began; the next one heeds the rest.
    """

    def __init__(self, out: str, who: str = "") -> None:
        """Args:
            out: The build folder.
            who: How the editor calls themselves; without it the system's user name.

        Raises:
            WebbodyError: The folder holds no build of people.
        """
        self.lookup = BuildLookup(out)
        self.journal = Journal(self.lookup.folder, who)

    def of_pictures(
        self, verdict: Verdict, items: Sequence[str], why: str = ""
    ) -> list[Correction]:
        """Say something of crops, each by itself.

        Args:
            verdict: One of OF_PICTURES.
            items: Keys of crops, samples or rows, or URLs.
            why: In one's own words.

        Returns:
            The corrections.

        Raises:
            WebbodyError: An item is unknown; nothing was written then.
        """
        if verdict not in OF_PICTURES:
            raise WebbodyError(f"{verdict}: is not said of pictures, but of people.")
        pictured = {one.crop: one for item in items for one in self.lookup.crops(item)}
        said = [(one, self.lookup.reference([one.name], [one.crop])) for one in pictured.values()]
        return [
            self.journal.say(verdict, crops=[one.reference], person=person, why=why)
            for one, person in said
        ]

    def of_people(
        self, verdict: Verdict, first: Iterable[str], second: Iterable[str], why: str = ""
    ) -> Correction:
        """Say that people are one, or two.

        Args:
            verdict: ONE_PERSON or TWO_PEOPLE.
            first: Names of the one, as in people.parquet.
            second: Names of the other.
            why: In one's own words.

        Raises:
            WebbodyError: They are the same name, or nobody of such a name has a picture with a
                face.
        """
        names = [sorted(set(first)), sorted(set(second))]
        if set(names[0]) & set(names[1]):
            raise WebbodyError(
                f"{', '.join(sorted(set(names[0]) & set(names[1])))}: stands on both sides. A name "
                f"is one person here; where some of its pictures show another, say "
                f"{Verdict.NOT_THIS_PERSON} of these."
            )
        people = [self.lookup.reference(own) for own in names]
        for own, person in zip(names, people, strict=True):
            if not person:
                raise WebbodyError(
                    f"{', '.join(own)}: has no picture with a face in this build by which one "
                    "could know them again."
                )
        return self.journal.say(verdict, person=people[0], other=people[1], why=why)

    def undo(self, correction_id: str, why: str = "") -> Correction:
        """Take a correction back; WebbodyError where there is none of that id."""
        known = {one.id: one for one in self.journal.read()}
        if correction_id not in known or known[correction_id].verdict == Verdict.UNDO:
            raise WebbodyError(f"{correction_id}: is no correction that can be taken back.")
        return self.journal.say(Verdict.UNDO, undoes=correction_id, why=why)

    def take_over(self, other: str) -> tuple[int, int]:
        """Add what was said of another build: how many are new, and how many have a picture here.

        Raises:
            WebbodyError: Nothing was said there.
        """
        theirs = read_corrections(Folder(other))
        if not theirs:
            raise WebbodyError(f"{other}: holds no corrections.")
        known = {one.id for one in self.journal.read()}
        new = [one for one in theirs if one.id not in known]
        if new:
            self.journal.add(new)
        references = {reference for one in new for reference in one.references}
        located = locate(references, self.lookup.records.shards, self.lookup.columns)
        meant = sum(any(one in located for one in said.references) for said in new)
        return len(new), meant
