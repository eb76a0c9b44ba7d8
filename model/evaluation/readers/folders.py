"""Data sets with all labels in the names of images: a row of `LAYOUTS` or `TRAIN_LAYOUTS` each.

Values of cameras and clothes are those of the authors' preparation scripts, with two exceptions:
CCDA's people keep their own numbers (the scripts number those of the query and of the gallery
apart, which is right only where both hold the same people), and its clothes are unknown (all 1).
"""

import os
import re
from dataclasses import dataclass, replace
from pathlib import PurePath

import pyarrow as pa

from model.evaluation.readers.disk import find_root, images_below
from model.evaluation.readers.image_table import ImageRow, image_table
from webbody.errors import WebbodyError


@dataclass(frozen=True)
class DatasetFolder:
    """A folder of a data set: its role, and labels that hold for all its images."""

    folder: str
    role: str
    camera: int = -1
    person: int | None = None
    wear: str | None = None


@dataclass(frozen=True)
class DatasetLayout:
    """The folders of a data set and how its images are named.

    pattern: matches the start of an image's path below its folder. Its groups are person, camera,
    counted from 1, and wear, what a person wears, in words that mean another thing for others.
    example: such a path; files with other endings than its own, and those in `endings`, are none of
    the data set's. inside: the folder that the data set unpacks to.
    """

    parts: tuple[DatasetFolder, ...]
    pattern: str
    example: str
    inside: str = ""
    endings: tuple[str, ...] = ()


_QUERY_GALLERY = (DatasetFolder("query", "query"), DatasetFolder("gallery", "gallery"))
_QUERY_TEST = (DatasetFolder("query", "query"), DatasetFolder("bounding_box_test", "gallery"))
_OCCLUDED_WHOLE = (
    DatasetFolder("occluded_body_images", "query", camera=0),
    DatasetFolder("whole_body_images", "gallery", camera=1),
)

LAYOUTS = {
    "ltcc": DatasetLayout(
        (DatasetFolder("query", "query"), DatasetFolder("test", "gallery")),
        r"(?P<person>\d+)_(?P<wear>\d+)_c(?P<camera>\d+)_",
        "001_1_c11_015833.png",
        "LTCC_ReID",
    ),
    # The same people wear the same under cameras A and B, something else under C.
    "prcc": DatasetLayout(
        (
            DatasetFolder("B", "query_same", camera=1, wear="A"),
            DatasetFolder("C", "query_diff", camera=2, wear="C"),
            DatasetFolder("A", "gallery", camera=0, wear="A"),
        ),
        r"(?P<person>\d+)/",
        "012/cropped_rgb093.jpg",
        "prcc/rgb/test",
    ),
    "market1501": DatasetLayout(
        _QUERY_TEST,
        r"(?P<person>-?\d+)_c(?P<camera>\d)",
        "0001_c1s1_001051_00.jpg",
        "Market-1501-v15.09.15",
    ),
    # The first digit of the picture's number serves as its camera.
    "ccda": DatasetLayout(
        _QUERY_GALLERY, r"(?P<person>-?\d+)_(?P<camera>\d)", "119_15_0.jpg", "CCDA"
    ),
    "celebreid": DatasetLayout(
        _QUERY_GALLERY, r"(?P<person>\d+)_\d+_\d+", "119_25_0.jpg", "Celeb-reID"
    ),
    "occluded_reid": DatasetLayout(
        _OCCLUDED_WHOLE, r"(?:[^/]+/)?(?P<person>\d+)_", "004/004_01.tif", "Occluded_REID"
    ),
    "occluded_duke": DatasetLayout(
        _QUERY_TEST,
        r"(?P<person>-?\d+)_c(?P<camera>\d)",
        "0314_c6_f0130866.jpg",
        "Occluded_Duke",
    ),
    "partial_reid": DatasetLayout(
        _OCCLUDED_WHOLE, r"(?P<person>\d+)_", "009_001.jpg", "Partial_REID"
    ),
    # A distractor's person is nobody's.
    "tinyface": DatasetLayout(
        (
            DatasetFolder("Probe", "query"),
            DatasetFolder("Gallery_Match", "gallery"),
            DatasetFolder("Gallery_Distractor", "gallery", person=-100),
        ),
        r"(?P<person>\d+)_",
        "37_1.jpg",
        "tinyface/Testing_Set",
    ),
}


def _train(layout: DatasetLayout, folder: str, example: str, inside: str = "") -> DatasetLayout:
    """The training part of a data set, whose images are named as those of its test part."""
    parts = (DatasetFolder(folder, "train"),)
    return replace(layout, parts=parts, example=example, inside=inside or layout.inside)


#: The training parts alone: nothing of a test part is below their folders.
TRAIN_LAYOUTS = {
    "ltcc": _train(LAYOUTS["ltcc"], "train", "003_2_c5_015833.png"),
    # Each picture's name begins with its camera, of which training makes no use.
    "prcc": _train(LAYOUTS["prcc"], "train", "001/A_cropped_rgb093.jpg", "prcc/rgb"),
    "market1501": _train(LAYOUTS["market1501"], "bounding_box_train", "0002_c1s1_000451_03.jpg"),
    "ccda": _train(LAYOUTS["ccda"], "train", "21_15_0.jpg"),
    "celebreid": _train(LAYOUTS["celebreid"], "train", "21_25_0.jpg"),
    # CUHK03-NP (github.com/zhunzhong07/person-re-ranking) names its pictures as Market-1501 does;
    # `labeled` shows the same frames as `detected`, in boxes drawn by hand.
    "cuhk03": replace(
        _train(LAYOUTS["market1501"], "bounding_box_train", "0003_c1_21.png", "cuhk03-np/detected"),
        endings=(".jpg",),
    ),
    # A folder for each person (github.com/shuxjweb/last, its loader).
    "last": DatasetLayout(
        (DatasetFolder("train", "train"),), r"(?P<person>\d+)/", "000001/000001_01_01.jpg", "last"
    ),
    # Country, city and video are folders; a picture's name is person, frame and detection, people
    # counted over all videos (github.com/DengpanFu/LUPerson-NL: LUP-NL/extract.py).
    "luperson_nl": DatasetLayout(
        (DatasetFolder("", "train"),),
        r"(?:[^/]+/)*(?P<person>\d{6,})_\d{7,}_\d{2,}\.jpg$",
        "COUNTRY/CITY/VIDEO/000012_0000345_01.jpg",
        "lup-nl",
    ),
}
#: Market-1501 numbers bad detections so; they are neither queries nor in the gallery.
_NOT_USED = -1


def read_folders(path: str | os.PathLike[str], layout: DatasetLayout) -> pa.Table:
    """The images of a data set with this layout, part by part, sorted by name (`image_table`).

    Raises WebbodyError for missing folders and for images that are not named as they should be.
    """
    root = find_root(path, [part.folder for part in layout.parts], layout.inside)
    pattern = re.compile(layout.pattern)
    endings = (PurePath(layout.example).suffix, *layout.endings)
    rows = []
    for part in layout.parts:
        for name in images_below(root, part.folder, *endings):
            match = pattern.match(name)
            if match is None and part.person is None:
                raise WebbodyError(
                    f"{root / part.folder}: {name} is not named as it should be, such as "
                    f"{layout.example}; is this another data set?"
                )
            found = match.groupdict() if match else {}
            person = int(found["person"]) if part.person is None else part.person
            if person == _NOT_USED:
                continue
            camera = int(found["camera"]) - 1 if "camera" in found else part.camera
            wear = found.get("wear", part.wear)
            outfit = None if wear is None else f"{found['person']}_{wear}"
            image = f"{part.folder}/{name}" if part.folder else name
            rows.append(ImageRow(image, person, part.role, camera, outfit))
    return image_table(rows, root)
