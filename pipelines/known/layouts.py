"""Who is on a picture, by its place in a data set: layouts by name, and which one a folder has.

The grammars are those of the data sets as they are published and unpacked. Most have a folder for
each person somewhere below, whatever lies around it (`lfw_home/lfw_funneled/`, `train/`).
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from webbody.errors import WebbodyError
from webbody.folder_walk import shown


@dataclass(frozen=True)
class Layout:
    """pattern: what the end of a picture's path matches, less its ending; person: the group of that
    name. sure: a narrower pattern, by which the layout is recognised where it is not named."""

    title: str
    pattern: str
    example: str
    sure: str = ""


#: Ordered by how telling the patterns are.
LAYOUTS = {
    # Data/Images/001/{frontal,profile}: 10 and 4 pictures (cfpw.io).
    "cfp": Layout(
        "CFP",
        r"(?P<person>\d{3,})/(?:frontal|profile)/\d+",
        "001/frontal/01.jpg",
    ),
    # All in one folder: number of the *picture*, name, age, gender (the annotations are in the
    # names alone; ibug.doc.ic.ac.uk/resources/agedb).
    "agedb": Layout("AgeDB", r"\d+_(?P<person>[^/]+)_\d+_[mfMF]", "0_MariaCallas_35_f.jpg"),
    # README of LFW: name/name_xxxx.jpg, four digits (vis-www.cs.umass.edu/lfw).
    "lfw": Layout(
        "LFW", r"(?P<person>[^/]+)/(?P=person)_\d{4}", "Aaron_Eckhart/Aaron_Eckhart_0001.jpg"
    ),
    # Its train_list.txt: class, image and face (www.robots.ox.ac.uk/~vgg/data/vgg_face2).
    "vggface2": Layout("VGGFace2", r"(?P<person>n\d{6})/\d{4}_\d{2}", "train/n000002/0001_01.jpg"),
    # CASIA-maxpy-clean and the original: seven digits, three digits.
    "casia": Layout("CASIA-WebFace", r"(?P<person>\d{7})/\d{3,}", "0000045/001.jpg"),
    # Freebase's id in the aligned release; numbers where insightface's records were unpacked.
    "ms1m": Layout(
        "MS1M",
        r"(?P<person>m\.[0-9a-z_]+|\d+)/[^/]+",
        "m.0107_f/100-FaceId-0.jpg",
        sure=r"(?P<person>m\.[0-9a-z_]+)/\d+-FaceId-\d+[^/]*",
    ),
}
#: The list by which CelebA (mmlab.ie.cuhk.edu.hk/projects/CelebA.html) tells who is on a picture.
CELEBA_LIST = "identity_CelebA.txt"
#: What `--layout` takes, and what it means.
NAMES = {
    "auto": "found out, and told",
    "plain": "the person is the folder that holds the pictures",
    "nested": "the person is the first folder below the source",
    "flat": "the person is in the file's name: NAME_0001.jpg",
    **{name: f"{layout.title}: {layout.example}" for name, layout in LAYOUTS.items()},
    "celeba": f"CelebA: {CELEBA_LIST} says who it is",
}

_FLAT = re.compile(r"(?P<person>[^/]+)_\d+")
#: Folders that are called so hold a part of a data set or a kind of pictures, no person.
_GENERIC = frozenset(
    {
        "train", "test", "val", "valid", "validation", "dev", "trainset", "testset", "raw",
        "data", "images", "image", "imgs", "img", "pictures", "photos", "faces",
        "crops", "cropped", "aligned", "original", "originals", "frontal", "profile",
        "jpg", "jpeg", "png",
    }
)  # fmt: skip
#: How much of a folder a layout must explain to be recognised, and by how many pictures that is
#: looked at first.
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
    """The people of the pictures of a folder, by their paths below it (with `/`).

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
            f"{example}), but as {shown(paths[0])}: name another --layout, or leave it to auto."
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
        # The others are nobody's only if no rule at all knows them.
        other = iter(_plain_or_flat(strange, folder).people if strange else ())
        people = [person if person is not None else next(other) for person in people]
        notes = [f"{_few(strange)} not as in {layout.title}."] if strange else []
        return Placed(layout.title, people, notes)
    return _plain_or_flat(paths, folder)


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
    """Whether pictures in folders are named by people, and the folders are not."""
    folders = {path.rpartition("/")[0] for path in paths}
    numbered = [match["person"] for path in paths if (match := _flat(path))]
    if len(numbered) < _NEARLY_ALL * len(paths) or len(set(numbered)) < 2:
        return False
    generic = all(_is_generic(name) for name in folders)
    # Of one folder alone, what its files are called tells: many names, some with several numbers.
    many = len(folders) == 1 and 5 <= len(set(numbered)) <= len(numbered) / 2
    return generic or (many and not all(name.isdigit() for name in numbered))


def _plain(paths: Sequence[str], folder: str) -> Placed:
    """The folder that holds the pictures; what lies deeper in a person's folder is hers too."""
    held = Counter(path.rpartition("/")[0] for path in paths)
    deeper = Counter(way for holder in held for way in _ways(holder)[:-1] if way in held)
    # A few pictures beside many folders of pictures make nobody of the folder around them all.
    owners = {way for way in held if held[way] >= deeper[way] and not _is_generic(way)}
    top = {holder: next((way for way in _ways(holder) if way in owners), holder) for holder in held}
    own = set(top.values())
    names = {holder: _base(holder) or folder for holder in own}
    notes: list[str] = []
    if len(set(names.values())) < len(own):
        names, notes = _told_apart(own, names)
    return Placed("plain", [names[top[path.rpartition("/")[0]]] for path in paths], notes)


def _ways(folder: str) -> list[str]:
    """A folder and those around it, the outermost first, the source itself aside."""
    parts = folder.split("/")
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _told_apart(own: set[str], names: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Names of folders of which several are called alike."""
    parents = {folder: folder.rpartition("/")[0] for folder in own}
    kinds, places = len(set(names.values())), len(set(parents.values()))
    alike = Counter(names.values()).most_common(1)[0]
    told = f"{alike[1]} folders are called {shown(alike[0])}"
    part_of_set = all(not parent or _is_generic(parent) for parent in parents.values())
    kind_of_picture = all(_is_generic(name) for name in names.values())
    if not part_of_set and (kind_of_picture or kinds < places):
        above = {folder: _base(parent) for folder, parent in parents.items()}
        if all(above.values()) and len(set(above.values())) == places:
            return above, [f"{told}: the person is taken to be the folder above."]
    elif part_of_set or kinds > places:
        return names, [f"{told} in different places: taken as one person."]
    often = Counter(names.values())
    apart = {folder: name if often[name] == 1 else folder or name for folder, name in names.items()}
    return apart, [
        f"{told}: taken as different people; name the --layout (plain, nested ...) to be sure."
    ]


def _is_generic(folder: str) -> bool:
    words = set(re.split(r"[\W_\d]+", _base(folder).lower())) - {""}
    return bool(words) and words <= _GENERIC


def _person(path: str, pattern: str) -> str | None:
    match = re.search(rf"(?:^|/){pattern}$", _stem(path))
    return match["person"] if match else None


def _flat(path: str) -> re.Match[str] | None:
    return _FLAT.fullmatch(_base(_stem(path)))


def _flat_person(path: str) -> str:
    return match["person"] if (match := _flat(path)) else _base(_stem(path))


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _stem(path: str) -> str:
    return path[: path.rindex(".")]


def _few(paths: Sequence[str]) -> str:
    """How many pictures lie in some way, and one of them."""
    are = "picture lies" if len(paths) == 1 else "pictures lie"
    return f"{len(paths):,} {are} (such as {shown(paths[0])})"
