"""Pictures with known identities, from folders and lists (galleries, calibration)."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipelines.galleries.identity_lists import ENDINGS, read_identity_list
from pipelines.galleries.labelled import LabelledPicture, Source, Sources, content
from pipelines.galleries.layouts import CELEBA_LIST, NAMES, Placed, place
from webbody.errors import WebbodyError
from webbody.folder_walk import FolderWalk, WalkedFile
from webbody.images import SUFFIXES
from webbody.list_text import text_lines
from webbody.plain_text import plain_text

#: A source with at least so many pictures of a single person is refused as a mistake.
_HANDFUL, _HUNDREDS = 10, 100
#: Nobody has more pictures in the data sets of `layouts` (VGGFace2: at most 843).
_MANY = 1000
#: The share of a source's pictures from which one person gives a warning.
_NEARLY_ALL = 0.9
#: The layout name of lists.
LIST = "list"
#: The reason under which files without picture suffix are counted.
OTHER = "other files"


def read_sources(sources: Sequence[str | os.PathLike[str]], layout: str = "auto") -> Sources:
    """The pictures of folders (paths or fsspec URLs) and of lists, with their people.

    A folder is read by its layout (`layouts`), hidden files left out and links followed
    (`webbody.folder_walk`); a .txt, .tsv or .csv list as `read_identity_list` says. A person who
    has the same name in two sources is one person; a picture that an earlier source has is not
    taken again. Raises WebbodyError for what is neither folder nor list, for a source without
    pictures, and for one person from hundreds of pictures unless the layout is named.
    """
    if layout not in NAMES:
        raise WebbodyError(f"--layout {layout}: there is no such layout; take {', '.join(NAMES)}.")
    found: list[tuple[LabelledPicture, Source]] = []
    read: list[Source] = []
    taken: dict[str, str] = {}
    home: dict[str, str] = {}
    shared: set[str] = set()
    conflicts = 0
    for given in [os.fspath(source) for source in sources]:
        pictures, source = _read(given, layout)
        counts: Counter[str] = Counter()
        # In a folder, two links to a picture are two pictures; a list may repeat a line.
        mine = taken if source.layout == LIST else {}
        for real, picture in pictures:
            before = taken.get(real)
            if before is not None:
                source.left_out["given twice"] += 1
                conflicts += before != picture.identity
                continue
            mine[real] = picture.identity
            counts[picture.identity] += 1
            found.append((picture, source))
            if home.setdefault(picture.identity, given) != given:
                shared.add(picture.identity)
        taken |= mine
        read.append(source)
        _check_people(source, counts, named=layout != "auto")
    if not found:
        raise WebbodyError("None of the sources holds a picture that is not given twice.")
    warnings = []
    if conflicts:
        warnings.append(
            f"{conflicts:,} pictures are given twice with different people; the first is taken."
        )
    if shared:
        warnings.append(
            f"{len(shared):,} people (such as {plain_text(min(shared))}) are called alike in "
            "several sources, and each is taken as one person."
        )
    found.sort(key=lambda one: (one[0].identity, one[0].path))
    return Sources([one for one, _ in found], [source for _, source in found], read, warnings)


def _read(given: str, layout: str) -> tuple[list[tuple[str, LabelledPicture]], Source]:
    """Real path, path and person of each picture of a source."""
    if given.lower().endswith(ENDINGS) and os.path.isfile(given):
        listed = read_identity_list(Path(given))
        if not listed:
            raise WebbodyError(
                f"{plain_text(given)}: names no pictures; write lines `path identity`."
            )
        pictures = [
            (os.path.realpath(one.path), LabelledPicture(one.path, one.identity)) for one in listed
        ]
        return pictures, Source(given, LIST)
    if "://" not in given and not os.path.isdir(given):
        nothing = "" if os.path.lexists(given) else "; there is nothing of this name"
        raise WebbodyError(
            f"{plain_text(given)}: is neither a folder of pictures nor a .txt, .tsv or .csv list "
            f"of them{nothing}."
        )
    return _folder(given, layout)


def _folder(given: str, layout: str) -> tuple[list[tuple[str, LabelledPicture]], Source]:
    walk = FolderWalk(given)
    files: list[WalkedFile] = []
    celeba: WalkedFile | None = None
    empty: list[str] = []
    for folder in walk.folders():
        pictures = [file for file in folder.files if _is_picture(file.path)]
        files += pictures
        walk.left_out[OTHER] += len(folder.files) - len(pictures)
        celeba = next((one for one in folder.files if _named(one.path, CELEBA_LIST)), celeba)
        if not pictures and not folder.subfolders and folder.path:
            empty.append(folder.path)
    if not files:
        raise WebbodyError(
            f"{plain_text(given)}: holds no pictures; it wants a folder for each person, or a list "
            "with lines `path identity`."
        )
    paths = [file.path for file in files]
    if layout == "celeba" and celeba is None:
        raise WebbodyError(
            f"{plain_text(given)}: the layout celeba needs {CELEBA_LIST} in the folder."
        )
    if celeba is not None and layout in ("auto", "celeba"):
        placed = _celeba(walk, celeba, paths)
        folders = {_around(path) for path, who in zip(paths, placed.people, strict=True) if who}
        others = [path for path in paths if _around(path) not in folders]
        if others and layout == "auto":
            rest = place(others, "auto", os.path.basename(os.path.realpath(given)))
            people = dict(zip(paths, placed.people, strict=True))
            people |= zip(others, rest.people, strict=True)
            placed = Placed(f"CelebA and {rest.layout}", list(people.values()), rest.notes)
    else:
        placed = place(paths, layout, os.path.basename(os.path.realpath(given)))
    source = Source(given, placed.layout, left_out=+walk.left_out, warnings=placed.notes)
    unknown = placed.people.count(None)
    if unknown:
        source.left_out["of nobody in this layout"] += unknown
    # A folder without pictures beside others with pictures is probably a person's.
    beside = {_around(_around(path)) for path in paths}
    if empty := [path for path in empty if _around(path) in beside]:
        source.warnings.append(
            f"{len(empty):,} folders hold no pictures (such as {plain_text(empty[0])}): nobody is "
            "taken from them."
        )
    labelled = [
        (file.real, LabelledPicture(f"{walk.url.rstrip('/')}/{file.path}", person))
        for file, person in zip(files, placed.people, strict=True)
        if person is not None
    ]
    return labelled, source


def _celeba(walk: FolderWalk, listed: WalkedFile, paths: Sequence[str]) -> Placed:
    """People by CelebA's list of names of pictures, wherever these lie in the folder."""
    where = f"{walk.url.rstrip('/')}/{listed.path}"
    lines = [line.split() for line in text_lines(content(where), plain_text(where))]
    person = {line[0]: line[1] for line in lines if len(line) == 2}
    return Placed("CelebA", [person.get(path.rpartition("/")[2]) for path in paths], [])


def _check_people(source: Source, counts: Counter[str], named: bool) -> None:
    """Count the people of a source, and warn of likely mistakes."""
    source.people, source.pictures = len(counts), counts.total()
    source.single = sum(count == 1 for count in counts.values())
    if not counts:
        return
    person, most = counts.most_common(1)[0]
    if source.pictures > _HANDFUL and most > _NEARLY_ALL * source.pictures:
        told = f"{most:,} of {source.pictures:,} pictures are of one person ({plain_text(person)})"
        if len(counts) == 1 and most >= _HUNDREDS and not named and source.layout != LIST:
            raise WebbodyError(
                f"{plain_text(source.name)}: {told}, read as the layout {source.layout}; if that "
                "is right give --layout plain, otherwise the layout that it has."
            )
        source.warnings.append(f"{told}: check the layout ({source.layout}).")
    elif most > _MANY:
        source.warnings.append(
            f"{most:,} pictures are of one person ({plain_text(person)}): check the layout "
            f"({source.layout})."
        )
    if source.pictures > _HANDFUL and source.single == source.people:
        source.warnings.append(
            f"each of the {source.people:,} people has one picture: check the layout "
            f"({source.layout})."
        )


def _is_picture(path: str) -> bool:
    return path.lower().endswith(tuple(SUFFIXES))


def _around(path: str) -> str:
    """The parent folder."""
    return path.rpartition("/")[0]


def _named(path: str, name: str) -> bool:
    return path.rpartition("/")[2] == name
