"""Folders whose files belong together by name: pictures, and the maps of them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from webbody.errors import WebbodyError
from webbody.folder_walk import FolderWalk
from webbody.images import SUFFIXES

MAP_SUFFIXES = (".npz", ".exr")
MASK_SUFFIXES = (".png",)
#: The folder of pictures.
IMAGES = "images"


@dataclass(frozen=True, slots=True)
class FileGroup:
    """A picture and its maps: paths in the order of the folders."""

    name: str
    paths: tuple[Path, ...]


def paired_files(
    folder: Path, maps: dict[str, tuple[str, ...]]
) -> tuple[tuple[FileGroup, ...], str]:
    """The pictures of `folder`/images with the files of the same name in other folders.

    Names count without their endings, with the folders that they lie in. maps: folders beside
    `images`, and the endings of files in them. Returns the groups in the order of their names, and
    a digest of all names and sizes.

    Raises WebbodyError where a folder is missing or empty, a name occurs twice, or a picture lacks
    one of its maps; maps without a picture are left out.
    """
    listings = [_listing(folder / IMAGES, SUFFIXES)]
    listings += [_listing(folder / name, suffixes) for name, suffixes in maps.items()]
    pictures = listings[0]
    if not pictures:
        raise WebbodyError(f"{folder / IMAGES}: there are no pictures in this folder.")
    for name, listing in zip(maps, listings[1:], strict=True):
        missing = sorted(pictures.keys() - listing.keys())
        if missing:
            others = f" (and {len(missing) - 1:,} more)" if len(missing) > 1 else ""
            endings = " or ".join(maps[name])
            raise WebbodyError(
                f"{folder / name}: there is no {missing[0]}{endings} for the picture of this name"
                f"{others}; add it or take the picture away."
            )
    digest = hashlib.blake2b(digest_size=16)
    groups = []
    for name in sorted(pictures):
        files = [listing[name] for listing in listings]
        digest.update(repr((name, [(path.suffix, size) for path, size in files])).encode())
        groups.append(FileGroup(name, tuple(path for path, _ in files)))
    return tuple(groups), digest.hexdigest()


def _listing(folder: Path, suffixes: tuple[str, ...]) -> dict[str, tuple[Path, int]]:
    """Path and size of each file of a folder with one of the endings, by name without ending."""
    found: dict[str, tuple[Path, int]] = {}
    for file in FolderWalk(folder):
        path = PurePosixPath(file.path)
        if path.suffix.lower() not in suffixes:
            continue
        name = str(path.with_suffix(""))
        if name in found:
            raise WebbodyError(
                f"{folder}: {found[name][0].name} and {path.name} are of one name; keep one."
            )
        found[name] = folder / file.path, int(file.state.split()[0])
    return found
