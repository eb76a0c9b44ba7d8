"""Exporting a build in one of the formats."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from model.prefetch import prefetch
from pipelines.export.coco import CocoWriter
from pipelines.export.fiftyone_dataset import FiftyOneWriter
from pipelines.export.hugging_face import HuggingFaceWriter
from pipelines.export.image_folder import ImageFolderWriter
from pipelines.export.lightly import LightlyWriter
from pipelines.export.samples import PackedPicture, PackedPictures
from pipelines.export.table import TableWriter
from pipelines.export.target import ExportTarget
from pipelines.export.writer import ExportContent, SampleWriter
from webbody.errors import WebbodyError
from webbody.removals import RemovalLists
from webbody.storage import Folder

FORMATS: dict[str, type[SampleWriter]] = {
    "fiftyone": FiftyOneWriter,
    "lightly": LightlyWriter,
    "hf": HuggingFaceWriter,
    "coco": CocoWriter,
    "imagefolder": ImageFolderWriter,
    "parquet": TableWriter,
}
#: Pictures that are stored side by side: a store answers each only after a while.
_AT_ONCE = 16


@dataclass(frozen=True)
class Exported:
    """samples: those of each split. people: None of whole photos. left_out: those taken down.

    waiting: see `PackedPictures`.
    """

    samples: dict[str, int]
    people: int | None
    left_out: int
    waiting: str


def export_build(
    build: str,
    kind: str,
    out: str,
    *,
    with_names: bool = False,
    with_images: bool = False,
    replace: bool = False,
    removals: RemovalLists | None = None,
) -> Exported:
    """Write the packed samples of a finished build in a format that other tools read.

    Pictures are copied byte for byte, and checked against the build's digests as they are read. A
    sample is in memory at a time, or a row group of a table.

    Args:
        build: Folder or URL of the build.
        kind: One of FORMATS.
        out: Folder or URL to write; new or empty.
        with_names: Write names and URLs, too.
        with_images: Put the pictures into the table of `parquet`.
        replace: Let `out` be an older export.
        removals: Lists of what was taken down, beside the build's own.

    Raises:
        WebbodyError: The build is not finished or damaged, has no people where the format needs
            them, or `out` is not free.
    """
    if kind not in FORMATS:
        raise WebbodyError(f"{kind}: is no format; choose one of {', '.join(FORMATS)}.")
    if with_images and FORMATS[kind] is not TableWriter:
        raise WebbodyError(f"--images: is for parquet; {kind} always has the pictures.")
    target = ExportTarget(out)
    target.check_apart(build)
    target.check_free(replace)
    pictures = PackedPictures(build, with_names=with_names, removals=removals)
    if FORMATS[kind].needs_people and not pictures.has_people:
        raise WebbodyError(
            f"{build}: holds whole photos without persons' numbers, by which {kind} sorts; choose "
            "another format, such as coco."
        )
    content = ExportContent(pictures.splits, pictures.has_people, with_names, with_images)
    samples = dict.fromkeys(pictures.splits, 0)
    people = set[int]()
    about = {
        "format": kind, "rows": pictures.rows, "outcomes": pictures.outcomes,
        "with_names": with_names,
    }  # fmt: skip
    with target.written(about) as (folder, said):
        with ExitStack() as files:
            writer = FORMATS[kind](folder, content, files)
            for sample in _stored(folder, writer, pictures):
                writer.add(sample)
                samples[sample.split] += 1
                if sample.person is not None:
                    people.add(sample.person)
            writer.finish()
        done = Exported(
            samples,
            len(people) if pictures.has_people else None,
            pictures.left_out,
            pictures.waiting,
        )
        said |= {"samples": samples, "people": done.people, "left_out": done.left_out}
    return done


def _stored(
    folder: Folder, writer: SampleWriter, pictures: PackedPictures
) -> Iterator[PackedPicture]:
    """The samples, each once its picture is a file, where it is to be one."""
    if not writer.has_files:
        yield from pictures
        return

    def store(sample: PackedPicture) -> PackedPicture:
        folder.cache_bytes(writer.picture_name(sample), sample.picture)
        return sample

    if folder.local:
        yield from map(store, pictures)
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from prefetch(pool, store, pictures, 2 * _AT_ONCE)
