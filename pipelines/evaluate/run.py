"""Evaluating data sets: all are read first, then features and figures of each."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pipelines.detection.devices import choose_device
from pipelines.detection.subject import whole_pictures
from pipelines.evaluate import benchmarks
from pipelines.evaluate.images.subject_cache import SubjectCache
from pipelines.evaluate.models import features
from pipelines.evaluate.models.embedder import InferenceModel
from pipelines.evaluate.models.features import ImageFeatures
from pipelines.evaluate.requests import DatasetRequest
from pipelines.evaluate.tasks.figure import TaskResult
from pipelines.inference.embed import lazy_finder
from webbody.config import BuildConfig
from webbody.errors import error_context
from webbody.storage import Folder

#: As the counts of a figure call images without a keypoint.
BLIND = "images without a visible keypoint"


@dataclass(frozen=True)
class Evaluated:
    """A data set with its figures; model: the checkpoint or file that its features are of."""

    name: str
    title: str
    path: str
    model: str
    task: benchmarks.BenchmarkTask
    figures: list[TaskResult]
    seconds: float


def evaluate(
    requests: Sequence[DatasetRequest],
    open_model: Callable[[], InferenceModel],
    config: BuildConfig,
    cache: str,
    *,
    batch: int = 32,
    progress: Callable[[str, int, int, int], None] = lambda name, rows, parts, of: None,
    done: Callable[[Evaluated], None] = lambda found: None,
) -> list[Evaluated]:
    """The figures of data sets, in their order.

    open_model: gives the model where features are not read from a file. cache: folder for the
    features that are made. progress: called with a data set's name, the rows made, the parts that
    are there, and all parts. done: called with each data set as soon as its figures are there.
    Raises WebbodyError for user errors; all data sets are read before features are computed.
    """
    tasks = [benchmarks.read(one.name, one.path) for one in requests]
    device = choose_device(config.resources.device)
    needed = any(one.features is None for one in requests)
    embedder = open_model() if needed else None
    found = []
    for one, task in zip(requests, tasks, strict=True):
        begin = time.monotonic()
        with error_context(f"{one.name}: "):
            if one.features is not None:
                model, image_features = (
                    one.features,
                    features.read(one.features, task.images, one.name),
                )
            else:
                assert embedder is not None
                model = f"{embedder.path} (sha256 {embedder.sha256[:12]})"
                image_features = features_of(
                    one.name, task, embedder, config, cache, batch=batch, progress=progress
                )
            image_features = replace(
                image_features, features_MF=image_features.features_MF.to(device)
            )
            figures = [
                with_blind(figure, image_features) for figure in task.figures(image_features)
            ]
        title = benchmarks.BENCHMARKS[one.name].title
        seconds = time.monotonic() - begin
        found.append(Evaluated(one.name, title, one.path, model, task, figures, seconds))
        done(found[-1])
    return found


def with_blind(figure: TaskResult, image_features: ImageFeatures) -> TaskResult:
    """The figure with the count of images without visible keypoints, if there are any."""
    if not image_features.blind:
        return figure
    return replace(figure, counts={**figure.counts, BLIND: image_features.blind})


def features_of(
    name: str,
    task: benchmarks.BenchmarkTask,
    embedder: InferenceModel,
    config: BuildConfig,
    cache: str,
    *,
    batch: int,
    progress: Callable[[str, int, int, int], None],
) -> ImageFeatures:
    """The features of a data set by a model, kept in the folder `cache` under `name`."""
    source = task.source()
    finds = source.finds and embedder.keypoints
    units = source.units(_subjects(config, embedder.model.image_size, cache if finds else None))
    path = features.make(
        name, units, finds, embedder, config, Folder(cache),
        device=choose_device(config.resources.device), batch=batch,
        progress=lambda rows, there: progress(name, rows, there, len(units)),
    )  # fmt: skip
    return features.read(path, task.images, name)


def _subjects(config: BuildConfig, size: int, cache: str | None) -> SubjectCache:
    """The subject cache in the folder `cache`; without config no keypoints are detected."""
    most = config.download.max_pixels
    if cache is None:
        return SubjectCache(whole_pictures(size), size, most)
    settings = json.dumps([size, features.found_with(config)], sort_keys=True)
    digest = hashlib.blake2b(settings.encode(), digest_size=6).hexdigest()
    kept = Folder(f"{cache}/keypoints-{digest}")
    return SubjectCache(lazy_finder(config, True, size, mirrored=True), size, most, kept)
