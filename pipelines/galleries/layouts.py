"""Folder layouts of data sets: the person of a picture by its path; detection of the layout.

The grammars are those of the data sets as they are published and unpacked. Most have a folder for
each person somewhere below, whatever lies around it (`lfw_home/lfw_funneled/`, `train/`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.galleries.people_folders import base, is_generic, people_of_folders
from webbody.errors import WebbodyError
from webbody.plain_text import plain_text


@dataclass(frozen=True)
class PeopleLayout:
    """pattern: what the end of a picture's path matches, less its ending; person: the group of that
    name. sure: a narrower pattern, by which the layout is recognised where it is not named."""

    title: str
    pattern: str
    example: str
    sure: str = ""


#: Ordered from specific to general patterns.
LAYOUTS = {
    # Data/Images/001/{frontal,profile}: 10 and 4 pictures (cfpw.io).
    "cfp": PeopleLayout(
        "CFP",
        r"(?P<person>\d{3,})/(?:frontal|profile)/\d+",
        "001/frontal/01.jpg",
    ),
    # All in one folder: number of the *picture*, name, age, gender (the annotations are in the
    # names alone; ibug.doc.ic.ac.uk/resources/agedb).
    "agedb": PeopleLayout("AgeDB", r"\d+_(?P<person>[^/]+)_\d+_[mfMF]", "0_MariaCallas_35_f.jpg"),
    # README of LFW: name/name_xxxx.jpg, four digits (vis-www.cs.umass.edu/lfw).
    "lfw": PeopleLayout(
        "LFW", r"(?P<person>[^/]+)/(?P=person)_\d{4}", "Aaron_Eckhart/Aaron_Eckhart_0001.jpg"
    ),
    # Its train_list.txt: class, image and face (www.robots.ox.ac.uk/~vgg/data/vgg_face2).
    "vggface2": PeopleLayout(
        "VGGFace2", r"(?P<person>n\d{6})/\d{4}_\d{2}", "train/n000002/0001_01.jpg"
    ),
    # CASIA-maxpy-clean and the original: seven digits, three digits.
    "casia": PeopleLayout("CASIA-WebFace", r"(?P<person>\d{7})/\d{3,}", "0000045/001.jpg"),
    # Freebase's id in the aligned release; numbers where insightface's records were unpacked.
    "ms1m": PeopleLayout(
        "MS1M",
        r"(?P<person>m\.[0-9a-z_]+|\d+)/[^/]+",
        "m.0107_f/100-FaceId-0.jpg",
        sure=r"(?P<person>m\.[0-9a-z_]+)/\d+-FaceId-\d+[^/]*",
    ),
}
#: The list by which CelebA (mmlab.ie.cuhk.edu.hk/projects/CelebA.html) tells who is on a picture.
CELEBA_LIST = "identity_CelebA.txt"
#: Values of `--layout` and their meaning.
NAMES = {
    "auto": "found out, and told",
    "plain": "the person is the folder that holds the pictures",
    "nested": "the person is the first folder below the source",
    "flat": "the person is in the file's name: NAME_0001.jpg",
    **{name: f"{layout.title}: {layout.example}" for name, layout in LAYOUTS.items()},
    "celeba": f"CelebA: {CELEBA_LIST} says who it is",
}

_FLAT = re.compile(r"(?P<person>[^/]+)_\d+")
#: The share of pictures that a layout must match to be recognised, and the sample tried first.
_NEARLY_ALL, _SAMPLE = 0.9, 1000


@dataclass(frozen=True)
class Placed:
    """layout: as a user reads it. people: of each picture, None for one the layout does not know.

    notes: sentences about what is not sure.
    """

    layout: str
    people: list[str | None]
    notes: list[str]


def place(paths: Sequence[str], layout: str, folder: str) -> Placed:
    """The people of a folder's pictures, by their paths below it (with `/`).

    layout: of `NAMES`, less `celeba`. folder: the folder's own name, whose pictures are `plain`.
    Raises WebbodyError where a layout that is named knows none of the pictures.
    """
    if layout == "auto":
        return _recognised(paths, folder)
    if layout == "plain":
        return _plain(paths, folder)
    if layout == "nested":
        people: list[str | None] = [path.split("/")[0] if "/" in path else None for path in paths]
        title, example = "nested", "NAME/2019/1.jpg"
    elif layout == "flat":
        title, example = "flat", "NAME_0001.jpg"
        people = [match["person"] if (match := _flat(path)) else None for path in paths]
    else:
        title, example = LAYOUTS[layout].title, LAYOUTS[layout].example
        people = [_person(path, LAYOUTS[layout].pattern) for path in paths]
    strange = [path for path, person in zip(paths, people, strict=True) if person is None]
    if len(strange) == len(paths):
        raise WebbodyError(
            f"None of the {len(paths):,} pictures lies as in the layout {title} (such as "
            f"{example}), but as {plain_text(paths[0])}: name another --layout, or leave it to "
            "auto."
        )
    notes = [f"{_few(strange)} not as in the layout {title} and left out."] if strange else []
    return Placed(title, people, notes)


def _recognised(paths: Sequence[str], folder: str) -> Placed:
    some = paths[:: len(paths) // _SAMPLE + 1]
    for layout in LAYOUTS.values():
        pattern = layout.sure or layout.pattern
        if sum(_person(path, pattern) is not None for path in some) < len(some) / 2:
            continue
        people = [_person(path, pattern) for path in paths]
        strange = [path for path, person in zip(paths, people, strict=True) if person is None]
        if len(strange) > (1 - _NEARLY_ALL) * len(paths):
            continue
        if not strange:
            return Placed(layout.title, people, [])
        rest = _mixed(strange, folder)
        notes = [f"{_few(strange)} not as in {layout.title}.", *rest.notes]
        return Placed(layout.title, _filled(people, rest.people), notes)
    return _mixed(paths, folder)


def _mixed(paths: Sequence[str], folder: str) -> Placed:
    """Several data sets in a folder: those in which folders are not people are recognised."""
    people = [
        _person(path, LAYOUTS["cfp"].pattern) or _person(path, LAYOUTS["agedb"].pattern)
        for path in paths
    ]
    others = [path for path, person in zip(paths, people, strict=True) if person is None]
    if not others:
        return Placed("CFP and AgeDB", people, [])
    rest = _plain_or_flat(others, folder)
    known = len(paths) - len(others)
    notes = [f"{known:,} pictures are taken as of CFP or AgeDB.", *rest.notes]
    return Placed(rest.layout, _filled(people, rest.people), notes) if known else rest


def _filled(people: Sequence[str | None], others: Sequence[str | None]) -> list[str | None]:
    """People with those filled in, in their order, whom only the others know."""
    left = iter(others)
    return [person if person is not None else next(left) for person in people]


def _plain_or_flat(paths: Sequence[str], folder: str) -> Placed:
    """A folder for each person; pictures that lie in the given folder itself, or all in folders
    that can be no person's, are called `<identity>_<number>`."""
    inside = [path for path in paths if "/" in path]
    loose = [path for path in paths if "/" not in path]
    flat = inside and _looks_flat(inside)
    placed = _plain(inside, folder) if inside and not flat else Placed("flat", [], [])
    own = iter(placed.people)
    people = [next(own) if "/" in path and not flat else _flat_person(path) for path in paths]
    title = "flat" if flat or not inside else "plain and flat" if loose else placed.layout
    return Placed(title, people, placed.notes)


def _looks_flat(paths: Sequence[str]) -> bool:
    """Whether people are named by the pictures' names and not by the folders."""
    folders = {path.rpartition("/")[0] for path in paths}
    numbered = [match["person"] for path in paths if (match := _flat(path))]
    if len(numbered) < _NEARLY_ALL * len(paths) or len(set(numbered)) < 2:
        return False
    generic = all(is_generic(name) for name in folders)
    # Of one folder alone, what its files are called tells: many names, some with several numbers.
    many = len(folders) == 1 and 5 <= len(set(numbered)) <= len(numbered) / 2
    return generic or (many and not all(name.isdigit() for name in numbered))


def _plain(paths: Sequence[str], folder: str) -> Placed:
    people, notes = people_of_folders(paths, folder)
    return Placed("plain", list(people), notes)


def _person(path: str, pattern: str) -> str | None:
    match = re.search(rf"(?:^|/){pattern}$", _stem(path))
    return match["person"] if match else None


def _flat(path: str) -> re.Match[str] | None:
    return _FLAT.fullmatch(base(_stem(path)))


def _flat_person(path: str) -> str:
    return match["person"] if (match := _flat(path)) else base(_stem(path))


def _stem(path: str) -> str:
    return path[: path.rindex(".")]


def _few(paths: Sequence[str]) -> str:
    """A count of pictures and an example, for messages."""
    are = "picture lies" if len(paths) == 1 else "pictures lie"
    return f"{len(paths):,} {are} (such as {plain_text(paths[0])})"
