"""Pictures as samples: prefetched, with the person detected in each."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from model.features.samples import Sample
from model.prefetch import prefetch
from pipelines.base.batches import batched_by_weight
from pipelines.detection.subject import Finder
from webbody.images import RGB, ImageError, decode
from webbody.storage import Folder

#: Pictures of a detection batch, and its most pixels.
WINDOW, PIXELS = 32, 100_000_000
_THREADS = 4

#: A picture's path in its folder, and its pixels.
_Picture = tuple[str, RGB | ImageError]


def read_pictures(
    folder: Folder, keys: Sequence[str], finder: Finder, max_pixels: int
) -> Iterator[Sample]:
    """A sample for each picture (path in the folder), in their order.

    A picture that cannot be read, or has more than `max_pixels`, is a sample with an outcome.
    """
    return find_subjects(folder.url, keys, lambda key: decode(folder.read(key), max_pixels), finder)


def find_subjects(
    source: str,
    keys: Sequence[str],
    picture_of: Callable[[str], RGB],
    finder: Finder,
) -> Iterator[Sample]:
    """As `read_pictures`, from any source: `picture_of` returns the pixels of a key, in threads.

    It may raise OSError, and ImageError, whose outcome is the sample's.
    """

    def read(key: str) -> _Picture:
        try:
            return key, picture_of(key)
        except ImageError as error:
            return key, error
        except OSError as error:
            return key, ImageError("image:unreadable", error.strerror or str(error))

    with ThreadPoolExecutor(_THREADS) as pool:
        decoded = prefetch(pool, read, keys, 2 * _THREADS)
        for window in batched_by_weight(decoded, WINDOW, _pixels, PIXELS):
            good = [picture for _, picture in window if not isinstance(picture, ImageError)]
            subjects = iter(finder()(good) if good else [])
            for key, picture in window:
                if isinstance(picture, ImageError):
                    yield Sample(source, key, outcome=picture.outcome)
                else:
                    subject = next(subjects)
                    yield Sample(
                        source,
                        key,
                        subject.image,
                        subject.keypoints,
                        mirrored=subject.mirrored,
                        whole=subject.box is None,
                    )


def _pixels(picture: _Picture) -> int:
    return 0 if isinstance(picture[1], ImageError) else picture[1].size // 3
