"""Saying things of the pictures and people of a build."""

from collections.abc import Callable, Iterable, Sequence

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

    def undo(self, correction_ids: Sequence[str], why: str = "") -> list[Correction]:
        """Take corrections back.

        Raises:
            WebbodyError: There is none of such an id; nothing was written then.
        """
        known = {one.id: one for one in self.journal.read()}
        for one in correction_ids:
            if one not in known or known[one].verdict == Verdict.UNDO:
                raise WebbodyError(f"{one}: is no correction that can be taken back.")
        return [self.journal.say(Verdict.UNDO, undoes=one, why=why) for one in correction_ids]

    def take_over(
        self, others: Sequence[str], allowed: Callable[[Correction], Correction | None]
    ) -> tuple[int, int]:
        """Add what was said of other builds: how many are new, and how many have a picture here.

        Args:
            others: Build folders.
            allowed: Takes out of a correction what was taken down here; None: nothing is left.

        Raises:
            WebbodyError: Nothing was said in one of them; nothing was written then.
        """
        theirs: dict[str, Correction] = {}
        for other in others:
            said = read_corrections(Folder(other))
            if not said:
                raise WebbodyError(f"{other}: holds no corrections.")
            theirs |= {one.id: one for one in said}
        known = {one.id for one in self.journal.read()}
        new = [
            left
            for one in theirs.values()
            if one.id not in known and (left := allowed(one)) is not None
        ]
        if new:
            self.journal.add(new)
        references = {reference for one in new for reference in one.references}
        located = locate(references, self.lookup.records.shards, self.lookup.columns)
        meant = sum(any(one in located for one in said.references) for said in new)
        return len(new), meant
