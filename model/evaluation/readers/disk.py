"""File access of readers, with errors that describe the expected layout."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from webbody.errors import WebbodyError
from webbody.folder_walk import FolderWalk
from webbody.list_text import text_lines


def find_root(path: str | os.PathLike[str], needed: Sequence[str], inside: str = "") -> Path:
    """The folder that holds all the files and folders `needed`: `path`, or one below it.

    `inside` is what the data set unpacks to, such as `prcc/rgb/test`; `path` may be any folder
    from the one around it down. Raises WebbodyError where nothing is found.
    """
    given = Path(path)
    if not given.is_dir():
        raise WebbodyError(f"{given}: there is no such folder")
    folders = PurePath(inside).parts
    for depth in range(len(folders) + 1):
        root = given.joinpath(*folders[depth:])
        if all((root / name).exists() for name in needed):
            return root
    missing = [name for name in needed if not (given / name).exists()]
    also = f" (or in {inside} below it)" if inside else ""
    raise WebbodyError(
        f"{given}: {', '.join(missing)} should be here{also}; give the folder as it was unpacked"
    )


def images_below(root: Path, folder: str, *endings: str) -> list[str]:
    """Paths below root/folder of the files that end so, at any depth, sorted; no hidden ones.

    Links are followed (`webbody.folder_walk`). Raises WebbodyError where there are none, or a
    link to one leads nowhere.
    """
    top = root / folder
    walk = FolderWalk(top)
    files = [file.path for file in walk] if top.exists() else []
    found = [path for path in files if path.lower().endswith(endings)]
    broken = [path for path in walk.broken if path.lower().endswith(endings)]
    if broken:
        raise WebbodyError(f"{top}: {broken[0]} is a link that leads nowhere")
    if not found:
        raise WebbodyError(f"{top}: there are no {' or '.join(endings)} images here")
    return sorted(found)


def list_lines(root: Path, name: str, fields: int, separator: str | None = None) -> list[list[str]]:
    """The fields of the lines of a list, blank lines left out; without a separator, of white space.

    Raises WebbodyError for an empty list, lines with fewer fields, and text that is no UTF-8.
    """
    lines = []
    text = text_lines((root / name).read_bytes(), str(root / name))
    for number, line in enumerate(text, 1):
        parts = [part.strip() for part in line.split(separator)]
        if not any(parts):
            continue
        if len(parts) < fields:
            raise WebbodyError(
                f"{root / name}: line {number} is {line.strip()!r}, which has not the {fields} "
                "fields that it should have"
            )
        lines.append(parts)
    if not lines:
        raise WebbodyError(f"{root / name}: the list is empty")
    return lines


def check_images_exist(root: Path, images: Iterable[str], named_in: str) -> None:
    """Raises WebbodyError where images that a list names are not below the folder."""
    images = list(images)
    missing = [image for image in images if not (root / image).is_file()]
    if missing:
        raise WebbodyError(
            f"{root}: {len(missing)} of {len(images)} images that {named_in} names are missing, "
            f"the first is {missing[0]}"
        )


def whole_number(text: str, where: str) -> int:
    """The number that a field of a list is; raises WebbodyError where it is none."""
    try:
        return int(text)
    except ValueError:
        raise WebbodyError(f"{where}: {text!r} should be a whole number") from None
