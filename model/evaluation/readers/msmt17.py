"""MSMT17, version 1: a folder of images, and lists of which are queries."""

import os
from collections.abc import Mapping

import pyarrow as pa

from model.evaluation.readers.disk import check_images_exist, find_root, list_lines, whole_number
from model.evaluation.readers.image_table import ImageRow, image_table
from webbody.errors import WebbodyError

#: The lists of images of each part, and their roles; they lie in the folder of the part's name.
TEST_LISTS = {"list_query.txt": "query", "list_gallery.txt": "gallery"}
TRAIN_LISTS = {"list_train.txt": "train"}


def read_msmt17(
    path: str | os.PathLike[str], folder: str = "test", lists: Mapping[str, str] = TEST_LISTS
) -> pa.Table:
    """The images in the order of the lists (`image_table`).

    A line is `0000/0000_069_10_0303morning_0039_5.jpg 0`: a path below `folder`, whose base name's
    third field is the camera, and the person. Raises WebbodyError for missing files and lines
    that are different.
    """
    root = find_root(path, [folder, *lists], "MSMT17_V1")
    rows = []
    for name, role in lists.items():
        for image, person in (line[:2] for line in list_lines(root, name, 2)):
            fields = image.rpartition("/")[2].split("_")
            if len(fields) < 4:
                raise WebbodyError(
                    f"{root / name}: {image} is not named as it should be, such as "
                    "0000/0000_069_10_0303morning_0039_5.jpg"
                )
            where = str(root / name)
            camera = whole_number(fields[2], where)
            rows.append(ImageRow(f"{folder}/{image}", whole_number(person, where), role, camera))
    check_images_exist(root, (row.image for row in rows), "a list")
    return image_table(rows, root)
