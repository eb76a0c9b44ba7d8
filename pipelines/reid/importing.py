"""Importing data sets: all are read before the first is imported."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from model.shard_index import INDEX, folder_of_shards, read_index
from pipelines.inference.embed import finder_settings, lazy_finder
from pipelines.reid.import_job import Imported, ImportJob, Progress
from pipelines.reid.pack import TRAIN
from pipelines.reid.share import chosen_people, images_for_share
from pipelines.reid.training_sets import read_training
from webbody import models
from webbody.config import BuildConfig
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.model_table import SEGMENTATION
from webbody.storage import Folder


def import_reid(
    requests: Sequence[tuple[str, str]],
    out: str,
    config: BuildConfig,
    *,
    share: float | None = None,
    build: str = "",
    progress: Progress = lambda name, shard, counts: None,
) -> list[Imported]:
    """Write the training parts of data sets as shards into the folders `out`/NAME.

    requests: names and paths. config: its keypoints (and faces), pack, split (seed and size of
    shards) and device. share, build: so many whole people at random that the images are that share
    of a mix with the training samples of a build. progress: called with data set, shard, and counts
    of images since the last time. Shards that are there and match are kept; the index is removed
    before anything else and written last. Raises WebbodyError for what a user can fix; all data
    sets are read before the first is imported.
    """
    tables = {name: read_training(name, path) for name, path in requests}
    taken = dict(tables)
    if share is not None:
        people = chosen_people(
            tables, images_for_share(share, train_samples(build)), config.split.seed
        )
        taken = {
            name: table.filter(pa.array(np.isin(table["person"].to_numpy(), people[name])))
            for name, table in tables.items()
        }
    settings, pack = finder_settings(config, whole=True), _pack_settings(config)
    finder = lazy_finder(config, True, config.pack.size)
    found = []
    for name, path in requests:
        folder = Folder(f"{out.rstrip('/')}/{name}")
        job = ImportJob(name, path, folder, config, settings, pack, finder)
        found.append(job.run(tables[name], taken[name], progress))
    return found


def _pack_settings(config: BuildConfig) -> dict[str, Any]:
    """The settings that decide about samples, with the sha256 of a model for foregrounds."""
    out = config.pack.deciding()
    if config.pack.foreground:
        out["foreground"] = models.digest(models.resolve(config.pack.foreground, SEGMENTATION))
    return out


def train_samples(build: str) -> int:
    """The number of samples in a build's training shards; WebbodyError if it is not finished."""
    folder = Folder(build)
    shards = folder_of_shards(folder.fs, folder.path())
    if not read_index(folder.fs, shards):
        raise WebbodyError(f"{build}: holds no finished build, whose samples could be counted.")
    splits = parse_json(folder.fs.cat_file(f"{shards}/{INDEX}"))["splits"]
    count: int = splits.get(TRAIN, {}).get("samples", 0)
    if not count:
        raise WebbodyError(f"{build}: its index tells of no training samples.")
    return count
