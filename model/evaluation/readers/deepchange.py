"""DeepChange: folders of images, and lists of which tracklet each is of."""

import os
import re
from collections.abc import Mapping

import pyarrow as pa

from model.evaluation.readers.disk import check_images_exist, find_root, list_lines, whole_number
from model.evaluation.readers.image_table import ImageRow, image_table
from webbody.errors import WebbodyError

#: The folders of each part, and their roles; beside each lies its list.
TEST_FOLDERS = {"test-set-query": "query", "test-set-gallery": "gallery"}
TRAIN_FOLDERS = {"train-set": "train"}


def read_deepchange(
    path: str | os.PathLike[str], folders: Mapping[str, str] = TEST_FOLDERS
) -> pa.Table:
    """The images of folders in the order of their lists (`image_table`).

    A line is `P4_C1_20201121_1525_1_8631.jpg,4`: person, camera, day, hour, two more numbers, and
    the tracklet. As in the authors' scripts the tracklet serves as camera, so that another
    tracklet of the same camera counts as a match, and the day as clothes. Raises WebbodyError
    for missing files and lines that are different.
    """
    lists = [f"{part}-bbox.txt" for part in folders]
    root = find_root(path, [*folders, *lists], "DeepChange")
    rows = []
    for (part, role), name in zip(folders.items(), lists, strict=True):
        for image, tracklet in (line[:2] for line in list_lines(root, name, 2, ",")):
            match = re.match(r"P(\d+)_C\d+_(\d+)_", image)
            if match is None:
                raise WebbodyError(
                    f"{root / name}: {image} is not named as it should be, such as "
                    "P4_C1_20201121_1525_1_8631.jpg"
                )
            camera = whole_number(tracklet, str(root / name))
            outfit = f"P{match[1]}{match[2]}"
            rows.append(ImageRow(f"{part}/{image}", int(match[1]), role, camera, outfit, camera))
    check_images_exist(root, (row.image for row in rows), "a list")
    return image_table(rows, root)
