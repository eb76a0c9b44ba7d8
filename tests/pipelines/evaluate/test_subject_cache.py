"""Keypoints of a data set's pictures are found once."""

import numpy as np
import pytest

from model.features.samples import Sample
from pipelines.detection.subject import Subject
from pipelines.evaluate.images.subject_cache import SubjectCache
from webbody.images import RGB, ImageError, letterbox
from webbody.storage import Folder

SIZE = 32


class Finder:
    """Finds other keypoints in each picture, and counts the pictures."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self):
        return self.find

    def find(self, photos):
        subjects = []
        for photo in photos:
            self.seen += 1
            here = np.full((19, 3), photo.mean() / 255, np.float32)
            image = letterbox(photo, SIZE)[0]
            subjects.append(Subject(image, here, None, here / 2))
        return subjects


def picture(key: str) -> RGB:
    if key == "bad":
        raise ImageError("image:unreadable", "for a test")
    return np.full((20, 10, 3), int(key), np.uint8)


def samples(cache: SubjectCache, part: str, keys: list[str]) -> list[Sample]:
    return list(cache.samples(part, "here", keys, picture))


def assert_equal(one: list[Sample], other: list[Sample]) -> None:
    assert [(x.key, x.outcome) for x in one] == [(x.key, x.outcome) for x in other]
    for a, b in zip(one, other, strict=True):
        for name in ("image", "keypoints", "mirrored"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_what_was_found_is_not_searched_again(tmp_path):
    keys = [*map(str, range(40)), "bad", "50"]
    finder = Finder()
    cache = SubjectCache(finder, SIZE, 10**6, Folder(str(tmp_path)))
    first = samples(cache, "part", keys)
    assert finder.seen == 41 and first[7].mirrored is not None
    assert_equal(samples(cache, "part", keys), first)
    assert finder.seen == 41
    # Pictures that have changed make another part.
    assert_equal(samples(cache, "other", keys), first)
    assert finder.seen == 82


def test_an_interrupted_search_leaves_nothing(tmp_path):
    finder = Finder()
    cache = SubjectCache(finder, SIZE, 10**6, Folder(str(tmp_path)))
    stream = cache.samples("part", "here", ["1", "2"], picture)
    next(stream)
    stream.close()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keys", [[], ["bad"]])
def test_nothing_to_find(tmp_path, keys):
    cache = SubjectCache(Finder(), SIZE, 10**6, Folder(str(tmp_path)))
    for _ in range(2):
        assert len(samples(cache, "part", keys)) == len(keys)


def test_nothing_is_kept_where_there_is_no_place():
    finder = Finder()
    cache = SubjectCache(finder, SIZE, 10**6)
    for _ in range(2):
        samples(cache, "part", ["1"])
    assert finder.seen == 2
