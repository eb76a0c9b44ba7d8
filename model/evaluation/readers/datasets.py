"""The image data sets by name: reader and reported figures."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from model.evaluation.readers.ccvid import read_ccvid
from model.evaluation.readers.deepchange import read_deepchange
from model.evaluation.readers.folders import LAYOUTS, read_folders
from model.evaluation.readers.msmt17 import read_msmt17
from model.evaluation.readers.pose_scale import read_pose_scale
from model.evaluation.readers.webbody_test_set import read_webbody_test
from model.evaluation.rules import Rule


@dataclass(frozen=True)
class RankingProtocol:
    """A ranking: images of the role `query` against the gallery, evaluated by `rule`."""

    rule: Rule
    query: str = "query"


@dataclass(frozen=True)
class Dataset:
    """read: a path in, `image_table` out. figures: by the names that the paper's tables use."""

    title: str
    read: Callable[[str], pa.Table]
    figures: dict[str, RankingProtocol]


_GENERAL = {"general": RankingProtocol("general")}
_CLOTHES = {
    **_GENERAL,
    "same clothes": RankingProtocol("same_clothes"),
    "cloth-changing": RankingProtocol("cloth_changing"),
}


def _of_folders(name: str, title: str, figures: dict[str, RankingProtocol]) -> Dataset:
    return Dataset(title, partial(read_folders, layout=LAYOUTS[name]), figures)


DATASETS = {
    "ltcc": _of_folders("ltcc", "LTCC", _CLOTHES),
    "prcc": _of_folders(
        "prcc",
        "PRCC",
        {
            "same clothes": RankingProtocol("general", "query_same"),
            "cloth-changing": RankingProtocol("general", "query_diff"),
        },
    ),
    "ccvid": Dataset("CCVID", read_ccvid, _CLOTHES),
    "market1501": _of_folders("market1501", "Market-1501", _GENERAL),
    "msmt17": Dataset("MSMT17", read_msmt17, _GENERAL),
    "ccda": _of_folders("ccda", "CCDA", _GENERAL),
    "celebreid": _of_folders(
        "celebreid", "Celeb-reID", {"general": RankingProtocol("ignore_cameras")}
    ),
    "deepchange": Dataset("DeepChange", read_deepchange, _CLOTHES),
    "occluded_reid": _of_folders("occluded_reid", "Occluded-REID", _GENERAL),
    "occluded_duke": _of_folders("occluded_duke", "Occluded-Duke", _GENERAL),
    "partial_reid": _of_folders("partial_reid", "Partial-REID", _GENERAL),
    "webbody_test": Dataset("WebBody-Test", read_webbody_test, _GENERAL),
    "pose_scale": Dataset("Drawn people", read_pose_scale, _GENERAL),
    "tinyface": _of_folders("tinyface", "TinyFace", {"general": RankingProtocol("ignore_cameras")}),
}
