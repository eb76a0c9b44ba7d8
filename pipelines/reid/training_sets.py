"""The data sets that can be imported for training: reader and source of each."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from model.evaluation.readers import ccvid, deepchange, msmt17
from model.evaluation.readers.folders import TRAIN_LAYOUTS, read_folders
from pipelines.evaluate.benchmarks import BENCHMARKS
from webbody.errors import WebbodyError, error_context


@dataclass(frozen=True)
class TrainingSet:
    """title: as papers call it. source: where to get it. layout: what it looks like on a disk.

    read: a path in, `image_table` of the training part out, and of nothing else.
    """

    title: str
    source: str
    layout: str
    read: Callable[[str], pa.Table]


#: Titles and sources of those that are trained on alone; the others' are those of the evaluation.
_OTHERS = {
    "cuhk03": ("CUHK03 (NP)", "github.com/zhunzhong07/person-re-ranking, CUHK03-NP"),
    "last": ("LaST", "github.com/shuxjweb/last"),
    "luperson_nl": ("LUPerson-NL", "github.com/DengpanFu/LUPerson-NL, extracted to pictures"),
}
#: Those whose lists tell what is in them.
_LISTED: dict[str, tuple[str, Callable[[str], pa.Table]]] = {
    "ccvid": (
        "train.txt; session1/054_02/*.jpg",
        partial(ccvid.read_ccvid, lists=ccvid.TRAIN_LISTS),
    ),
    "deepchange": (
        "train-set, train-set-bbox.txt",
        partial(deepchange.read_deepchange, folders=deepchange.TRAIN_FOLDERS),
    ),
    "msmt17": (
        "train, list_train.txt",
        partial(msmt17.read_msmt17, folder="train", lists=msmt17.TRAIN_LISTS),
    ),
}


def _about(name: str) -> tuple[str, str]:
    if name in _OTHERS:
        return _OTHERS[name]
    return BENCHMARKS[name].title, BENCHMARKS[name].source


def _in_folders(name: str) -> TrainingSet:
    layout = TRAIN_LAYOUTS[name]
    where = "/".join(part for part in (layout.parts[0].folder, layout.example) if part)
    return TrainingSet(*_about(name), where, partial(read_folders, layout=layout))


TRAINING_SETS: dict[str, TrainingSet] = {
    **{name: _in_folders(name) for name in TRAIN_LAYOUTS},
    **{name: TrainingSet(*_about(name), *how) for name, how in _LISTED.items()},
}


def read_training(name: str, path: str) -> pa.Table:
    """Read the training part of a data set; WebbodyError for an unexpected layout."""
    try:
        with error_context(f"{name}: "):
            return TRAINING_SETS[name].read(path)
    except OSError as error:
        raise WebbodyError(f"{name}: {path} cannot be read ({error.strerror or error}).") from error
