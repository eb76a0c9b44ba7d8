"""CCVID: tracks of frames, and lists of which tracks are queries."""

import os
import re
from collections.abc import Mapping

import pyarrow as pa

from model.evaluation.readers.disk import find_root, images_below, list_lines, whole_number
from model.evaluation.readers.image_table import ImageRow, image_table
from webbody.errors import WebbodyError

#: The lists of tracks of each part, and their roles.
TEST_LISTS = {"query.txt": "query", "gallery.txt": "gallery"}
TRAIN_LISTS = {"train.txt": "train"}
#: The third session's cameras are others than those of the first two.
_OTHER_CAMERAS = {"session3": 12}


def read_ccvid(path: str | os.PathLike[str], lists: Mapping[str, str] = TEST_LISTS) -> pa.Table:
    """The frames of the tracks in the order of the lists (`image_table`), with numbers of tracks.

    A line is `session1/054_02 <tab> 054 <tab> u0_l0_s0_c0_a0`: a folder of frames, whose second
    number is the camera, the person, and the clothes. Each frame is an image; `pooling` and `clips`
    make tracks and clips of them. Raises WebbodyError for missing folders, tracks without
    frames, and lines that are different.
    """
    root = find_root(path, list(lists), "CCVID")
    rows = []
    track = 0
    for name, role in lists.items():
        for folder, person, clothes in (line[:3] for line in list_lines(root, name, 3)):
            match = re.fullmatch(r"(session\d+)/\d+_(\d+)", folder)
            if match is None:
                raise WebbodyError(f"{root / name}: {folder} is no track such as session1/054_02")
            number = whole_number(person, str(root / name))
            camera = int(match[2]) + _OTHER_CAMERAS.get(match[1], 0)
            rows += [
                ImageRow(f"{folder}/{frame}", number, role, camera, f"{person}_{clothes}", track)
                for frame in images_below(root, folder, ".jpg")
            ]
            track += 1
    return image_table(rows, root)
