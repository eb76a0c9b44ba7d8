"""The labelled data of a task from where they lie on a disk."""

from pathlib import Path

from model.sapiens.data.paired_files import IMAGES
from model.sapiens.data.part_data import PartData
from model.sapiens.data.pose_data import PoseData
from model.sapiens.data.surface_data import DepthData, NormalData
from model.sapiens.vocabulary import keypoint_vocabulary, part_vocabulary
from webbody.errors import WebbodyError

LabelledData = PoseData | PartData | DepthData | NormalData


def labelled_data(
    task: str, outputs: int, source: Path, images: Path | None = None
) -> LabelledData:
    """The data of a task with so many outputs (keypoints, classes).

    Args:
        task: pose, segmentation, depth or normal.
        outputs: Keypoints or classes of the labels.
        source: For pose a COCO-format file, else a folder with `images/` and the labels.
        images: For pose the folder of pictures; None: `images` beside the file.

    Raises:
        WebbodyError: As the readers do, and where the source is no file or folder as needed.
    """
    if not source.exists():
        raise WebbodyError(f"{source}: there is no such file or folder; check the path.")
    if task == "pose":
        if not source.is_file():
            raise WebbodyError(
                f"{source}: is a folder; give the file of keypoints in COCO's format for the task "
                "pose."
            )
        folder = source.parent / IMAGES if images is None else images
        return PoseData(source, folder, keypoint_vocabulary(outputs))
    if not source.is_dir():
        raise WebbodyError(f"{source}: is no folder; the task {task} needs one with {IMAGES}/.")
    if task == "segmentation":
        return PartData(source, part_vocabulary(outputs))
    return DepthData(source) if task == "depth" else NormalData(source)
