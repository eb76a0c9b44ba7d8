"""The data sets by name: layout on disk, source, reader."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from model.evaluation.readers.datasets import DATASETS
from model.evaluation.readers.folders import LAYOUTS
from pipelines.evaluate.images.sources import ImageSource
from pipelines.evaluate.models.features import ImageFeatures
from pipelines.evaluate.tasks.figure import TaskResult
from pipelines.evaluate.tasks.retrieval import Retrieval
from pipelines.evaluate.tasks.surveillance import Surveillance
from pipelines.evaluate.tasks.templates import Templates
from pipelines.evaluate.tasks.verification import VerificationTask
from webbody.errors import WebbodyError, error_context


class BenchmarkTask(Protocol):
    """A data set that was read: its images and its protocols.

    name: as users give it. images: their keys in files of features. source: reads the images.
    figures: the results for features in the order of the images.
    """

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def images(self) -> list[str]: ...
    def source(self) -> ImageSource: ...
    def figures(self, image_features: ImageFeatures) -> Iterator[TaskResult]: ...


@dataclass(frozen=True)
class Benchmark:
    """title: as papers call it. source: where to get it. layout: what it looks like on a disk."""

    title: str
    source: str
    layout: str
    read: Callable[[str, str], BenchmarkTask]


def _read_images(name: str, path: str) -> BenchmarkTask:
    return Retrieval(name, path, DATASETS[name].read(path))


#: Where each comes from, and its files where `LAYOUTS` does not tell. Most ask for an agreement.
_SOURCES = {
    "ltcc": "naiq.github.io/LTCC_Perosn_ReID.html, on request",
    "prcc": "www.isee-ai.cn/~yangqize/clothing.html, on request",
    "ccvid": "github.com/guxinqian/Simple-CCReID",
    "market1501": "zheng-lab.cecs.anu.edu.au/Project/project_reid.html",
    "msmt17": "www.pkuvmc.com/dataset.html, on request (version 1)",
    "ccda": "on request from the authors of the data set",
    "celebreid": "github.com/Huang-3/Celeb-reID, on request",
    "deepchange": "github.com/PengBoXiangShang/deepchange, on request",
    "occluded_reid": "github.com/tinajia2012/ICME2018_Occluded-Person-Reidentification_datasets",
    "occluded_duke": "github.com/lightas/Occluded-DukeMTMC-Dataset (lists; Duke is withdrawn)",
    "partial_reid": "github.com/lingxiao-he/Partial-Person-ReID",
    "tinyface": "qmul-tinyface.github.io",
    "webbody_test": "a build of your own, with its test split (docs/build.md)",
    "pose_scale": "drawn: webbody demo leaves one in held-out",
}
_FILES = {
    "ccvid": "query.txt, gallery.txt; session1/054_02/*.jpg",
    "msmt17": "list_query.txt, list_gallery.txt; test/0000/*.jpg",
    "deepchange": "test-set-query, test-set-gallery and their -bbox.txt",
    "webbody_test": "a build's folder, or test shards (.tar)",
    "pose_scale": "full-*.tar (queries), close-*.tar (gallery)",
}
_FACES = {
    "lfw": "LFW", "cfp_fp": "CFP-FP", "cplfw": "CPLFW", "calfw": "CALFW", "agedb_30": "AgeDB-30",
}  # fmt: skip


def _layout(name: str) -> str:
    if name in _FILES:
        return _FILES[name]
    layout = LAYOUTS[name]
    folders = ", ".join(part.folder for part in layout.parts)
    return f"{folders}; such as {layout.example}"


BENCHMARKS: dict[str, Benchmark] = {
    **{
        name: Benchmark(dataset.title, _SOURCES[name], _layout(name), _read_images)
        for name, dataset in DATASETS.items()
    },
    **{
        name: Benchmark(
            title,
            "github.com/deepinsight/insightface, recognition/_datasets_",
            f"{name}.bin, or the folder that holds it",
            VerificationTask.read,
        )
        for name, title in _FACES.items()
    },
    **{
        name + "_aligned" * aligned: Benchmark(
            title + ", aligned" * aligned,
            "nist.gov, face challenges, on request; lists as insightface has them",
            f"loose_crop/*.jpg; meta/{name}_*.txt, meta/{name}_1N_*.csv",
            partial(Templates.read, aligned=aligned),
        )
        for name, title in (("ijbb", "IJB-B"), ("ijbc", "IJB-C"))
        for aligned in (False, True)
    },
    "ijbs": Benchmark(
        "IJB-S",
        "nist.gov, face challenges, on request",
        "cs6_*.csv; galleries/*.csv; crops/7/videos_4012_00031.jpg, crops/7/img_3.jpg",
        Surveillance.read,
    ),
}


def named(name: str, available: Collection[str] = BENCHMARKS) -> str:
    """The canonical name of a data set, given in any case, with or without `-` and `_`.

    Raises WebbodyError for unknown names.
    """
    plain = {one.replace("_", ""): one for one in available}
    found = plain.get(name.lower().replace("-", "").replace("_", ""))
    if found is None:
        raise WebbodyError(
            f"{name}: there is no such data set; there are {', '.join(sorted(available))}."
        )
    return found


def read(name: str, path: str) -> BenchmarkTask:
    """Read a data set at a path; raises WebbodyError for an unexpected layout."""
    try:
        with error_context(f"{name}: "):
            return BENCHMARKS[name].read(name, path)
    except OSError as error:
        raise WebbodyError(f"{name}: {path} cannot be read ({error.strerror or error}).") from error
