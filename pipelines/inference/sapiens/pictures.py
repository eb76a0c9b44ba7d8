"""The pictures that a user names, each with a name for its results."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from model.prefetch import prefetch
from pipelines.inference.sources import find_sources
from webbody.errors import WebbodyError
from webbody.images import MAX_PIXELS, RGB, ImageError, decode
from webbody.storage import Folder

_THREADS, _AHEAD = 4, 8


@dataclass(frozen=True)
class NamedPicture:
    """A picture; name: its path below the folder that was given, or its file's name."""

    folder: str
    name: str

    @property
    def path(self) -> str:
        """Where it is, for sentences."""
        return f"{self.folder}/{self.name}"


@dataclass(frozen=True)
class DecodedPicture:
    """A picture and its pixels, or why there are none."""

    picture: NamedPicture
    pixels: RGB | None
    reason: str = ""


def find_pictures(sources: Sequence[str]) -> list[NamedPicture]:
    """The pictures of files and folders (paths or fsspec URLs).

    Raises WebbodyError where there is no such file or picture, and where two would have results of
    one name.
    """
    found = find_sources(sources)
    if found.shards:
        where = next(iter(found.shards))
        raise WebbodyError(f"{where}: holds shards; give pictures, or folders of pictures.")
    names: dict[str, NamedPicture] = {}
    for folder, paths in found.pictures.items():
        for path in paths:
            picture = NamedPicture(folder, path)
            if path in names:
                raise WebbodyError(
                    f"{names[path].path} and {picture.path} would have results of one name; give "
                    "them in two runs, or a folder that holds both."
                )
            names[path] = picture
    return list(names.values())


def decoded_pictures(pictures: Sequence[NamedPicture]) -> Iterator[DecodedPicture]:
    """The pictures in their order, decoded ahead by threads."""
    folders = {picture.folder: Folder(picture.folder) for picture in pictures}

    def read(picture: NamedPicture) -> DecodedPicture:
        try:
            data = folders[picture.folder].read(picture.name)
            return DecodedPicture(picture, decode(data, MAX_PIXELS))
        except ImageError as error:
            return DecodedPicture(picture, None, str(error))
        except OSError as error:
            return DecodedPicture(picture, None, error.strerror or str(error))

    with ThreadPoolExecutor(_THREADS) as pool:
        yield from prefetch(pool, read, pictures, _AHEAD)
