"""Loose pictures as samples: read and decoded ahead, the person found in each."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from model.features.samples import Sample
from pipelines.engine.ahead import ahead, windows
from webbody.images import RGB, ImageError, decode
from webbody.storage import Folder

if TYPE_CHECKING:
    from pipelines.vision.subjects import SubjectFinder

#: Pictures in which persons are searched together, and the most pixels they have together.
WINDOW, PIXELS = 32, 100_000_000
_THREADS = 4

#: A picture's path in its folder, and its pixels.
_Picture = tuple[str, RGB | ImageError]


def read_pictures(
    folder: Folder, keys: Sequence[str], finder: Callable[[], "SubjectFinder"], max_pixels: int
) -> Iterator[Sample]:
    """A sample for each picture (path in the folder), in their order.

    A picture that cannot be read, or has more than `max_pixels`, is a sample with an outcome.
    finder: gives the finder when it is needed, as loading its models takes seconds.
    """
    return find_in(folder.url, keys, folder.read, finder, max_pixels)


def find_in(
    source: str,
    keys: Sequence[str],
    bytes_of: Callable[[str], bytes],
    finder: Callable[[], "SubjectFinder"],
    max_pixels: int,
) -> Iterator[Sample]:
    """`read_pictures` of any source of encoded pictures: `bytes_of` gives those of a key."""

    def read(key: str) -> _Picture:
        try:
            return key, decode(bytes_of(key), max_pixels)
        except ImageError as error:
            return key, error
        except OSError as error:
            return key, ImageError("image:unreadable", error.strerror or str(error))

    with ThreadPoolExecutor(_THREADS) as pool:
        decoded = ahead(pool, read, keys, 2 * _THREADS)
        for window in windows(decoded, WINDOW, _pixels, PIXELS):
            good = [picture for _, picture in window if not isinstance(picture, ImageError)]
            subjects = iter(finder()(good) if good else [])
            for key, picture in window:
                if isinstance(picture, ImageError):
                    yield Sample(source, key, outcome=picture.outcome)
                else:
                    subject = next(subjects)
                    yield Sample(source, key, subject.image, subject.keypoints)


def _pixels(picture: _Picture) -> int:
    return 0 if isinstance(picture[1], ImageError) else picture[1].size // 3
