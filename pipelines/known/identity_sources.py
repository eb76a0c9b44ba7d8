"""Pictures with known identities, from folders and lists (galleries, calibration)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from webbody.errors import WebbodyError
from webbody.images import RGB, ImageError, decode

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}
#: Pictures with more pixels are skipped.
MAX_PIXELS = 100_000_000


@dataclass(frozen=True)
class Labelled:
    """A picture and who it shows."""

    path: Path
    identity: str


def read_sources(sources: Sequence[str | Path]) -> list[Labelled]:
    """The pictures of folders and lists, sorted by identity and path.

    A folder with a subfolder for each identity (as LFW, CFP and CASIA come); pictures that lie in
    the folder itself are named `<identity>_<number>` (as LFW's and AgeDB-style aligned sets). A
    .txt, .tsv or .csv list has a line `path identity`, separated by a comma, a tab or blanks; a
    relative path starts at the list's folder. Raises WebbodyError for what is neither, or empty.
    """
    out: list[Labelled] = []
    for source in map(Path, sources):
        if source.is_dir():
            found = list(_folder(source))
        elif source.suffix.lower() in {".txt", ".tsv", ".csv"} and source.is_file():
            found = list(_list(source))
        else:
            raise WebbodyError(
                f"{source}: is neither a folder of pictures nor a .txt, .tsv or .csv list of them."
            )
        if not found:
            raise WebbodyError(
                f"{source}: holds no pictures; it wants a subfolder for each identity, or a list "
                "with lines `path identity`."
            )
        out += found
    return sorted(out, key=lambda picture: (picture.identity, str(picture.path)))


def decoded(pictures: Iterable[Labelled]) -> Iterator[tuple[str, RGB]]:
    """Identity and pixels of each picture; broken pictures are skipped."""
    for picture in pictures:
        try:
            yield picture.identity, decode(picture.path.read_bytes(), MAX_PIXELS)
        except ImageError:
            continue
        except OSError as error:
            raise WebbodyError(
                f"{picture.path}: cannot be read ({error.strerror}); mend the list or the folder."
            ) from error


def _folder(folder: Path) -> Iterator[Labelled]:
    for path in folder.rglob("*"):
        if path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        if path.parent == folder:
            yield Labelled(path, re.sub(r"_\d+$", "", path.stem))
        else:
            yield Labelled(path, path.relative_to(folder).parts[0])


def _list(file: Path) -> Iterator[Labelled]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WebbodyError(f"{file}: cannot be read as UTF-8 text ({error}).") from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or (number == 1 and line.split(",")[0].strip() == "path"):
            continue
        # A path may hold blanks, an identity may not (unless a comma or a tab sets it off).
        for separator in ("\t", "," if file.suffix.lower() == ".csv" else None, None):
            parts = line.strip().rsplit(separator, 1)
            if len(parts) == 2:
                break
        else:
            raise WebbodyError(f"{file}, line {number}: write it as `path identity`.")
        yield Labelled(file.parent / parts[0].strip().strip('"'), parts[1].strip().strip('"'))
