"""Which folders of a tree are people: those that contain pictures, with exceptions."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from webbody.plain_text import plain_text

#: Names of folders for parts of data sets or kinds of pictures, not for people.
_GENERIC = frozenset(
    {
        "train", "test", "val", "valid", "validation", "dev", "trainset", "testset", "raw",
        "data", "images", "image", "imgs", "img", "pictures", "photos", "faces",
        "crops", "cropped", "aligned", "original", "originals", "frontal", "profile",
        "jpg", "jpeg", "png",
    }
)  # fmt: skip


def people_of_folders(paths: Sequence[str], folder: str) -> tuple[list[str], list[str]]:
    """The person of each picture (path with `/`), and sentences about what is not sure.

    The person is the folder that holds the pictures. What lies deeper in a person's folder is hers
    too; so are folders that are called by a kind of pictures (`Ann/raw`). folder: whom the
    pictures show that lie in no folder.
    """
    held = Counter(_around(path) for path in paths)
    deeper = Counter(way for holder in held for way in _ways(holder)[:-1] if way in held)
    # A few pictures beside many folders of pictures make nobody of the folder around them all.
    owners = {way for way in held if held[way] >= deeper[way] and not is_generic(way)}
    top = {holder: next((way for way in _ways(holder) if way in owners), holder) for holder in held}
    beside = defaultdict(set)
    for owner in top.values():
        beside[_around(owner)].add(owner)
    for holder, owner in top.items():
        while is_generic(owner) and _around(owner) and all(map(is_generic, beside[_around(owner)])):
            owner = _around(owner)
        top[holder] = owner
    names, notes = _named({owner: base(owner) or folder for owner in top.values()})
    return [names[top[_around(path)]] for path in paths], notes


def _named(names: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Names of folders, of which several may be called alike."""
    often = Counter(names.values())
    alike = [folder for folder in names if often[names[folder]] > 1]
    if not alike:
        return names, []
    kinds = {names[folder] for folder in alike}
    places = Counter(_around(folder) for folder in alike)
    inside = Counter(_around(folder) for folder in names)
    name, count = often.most_common(1)[0]
    told = f"{count:,} folders are called {plain_text(name)}"
    parts_of_a_set = all(not place or is_generic(place) for place in places)
    # The same names in several sets; numbers mean others in each.
    if parts_of_a_set or (len(kinds) > len(places) and not all(map(str.isdigit, kinds))):
        return names, [f"{told} in different places: taken as one person."]
    # The same few folders in each person's, such as years.
    above = {folder: base(_around(folder)) for folder in names if _around(folder) in places}
    if (
        len(kinds) < len(places) == len(set(above.values()))
        and all(places)
        and all(2 * places[place] >= inside[place] for place in places)
    ):
        return names | above, [f"{told}: the person is taken to be the folder above."]
    return names | {folder: folder or names[folder] for folder in alike}, [
        f"{told}: taken as different people; name the --layout (plain, nested ...) to be sure."
    ]


def is_generic(folder: str) -> bool:
    """Whether a folder's name describes its content rather than a person."""
    words = set(re.split(r"[\W_\d]+", base(folder).lower())) - {""}
    return bool(words) and words <= _GENERIC


def base(path: str) -> str:
    """The last name of a path."""
    return path.rpartition("/")[2]


def _around(path: str) -> str:
    """The folder that a picture or folder lies in, "" for none."""
    return path.rpartition("/")[0]


def _ways(folder: str) -> list[str]:
    """A folder and those around it, the outermost first, the source itself aside."""
    parts = folder.split("/")
    return ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
