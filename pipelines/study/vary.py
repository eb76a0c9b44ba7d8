"""Evaluating data sets under variations of the model's input or output."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import torch

from model.evaluation.studies.study import Study
from pipelines.detection.devices import choose_device
from pipelines.evaluate import benchmarks
from pipelines.evaluate.models.embedder import InferenceModel
from pipelines.evaluate.models.features import ImageFeatures
from pipelines.evaluate.requests import DatasetRequest
from pipelines.evaluate.run import BLIND, features_of
from pipelines.evaluate.tasks.retrieval import Retrieval
from pipelines.study.figures import Point, averages, points
from pipelines.study.variations import VARIATIONS, Variation
from webbody.config import BuildConfig
from webbody.errors import WebbodyError, error_context


def vary(
    study: str,
    requests: Sequence[DatasetRequest],
    embedders: Sequence[InferenceModel],
    config: BuildConfig,
    cache: str,
    *,
    batch: int = 32,
    progress: Callable[[str, int, int, int], None] = lambda name, rows, parts, of: None,
    done: Callable[[list[Point]], None] = lambda points: None,
    warn: Callable[[str], None] = lambda text: None,
) -> list[Point]:
    """The figures of data sets under all conditions of a study (a name of VARIATIONS).

    embedders: checkpoints of SapiensID; for strips and zoom, other models too. cache, batch,
    progress: as for `evaluate`; one file holds the features of all variants. done: called with all
    points so far, after each data set. warn: called with what makes figures doubtful. Raises
    WebbodyError.
    """
    variation = VARIATIONS[study]
    tasks = [benchmarks.read(one.name, one.path) for one in requests]
    # Unsuitable models are refused before others are evaluated for hours.
    models = [_varied(variation, embedder) for embedder in embedders]
    out: list[Point] = []
    for embedder, model in zip(embedders, models, strict=True):
        varied = replace(
            embedder,
            model=model,
            info={**embedder.info, "study": study, "variants": model.variants},
        )
        found: list[Point] = []
        for one, task in zip(requests, tasks, strict=True):
            with error_context(f"{one.name}: "):
                name = f"{one.name}-{study}"
                image_features = features_of(
                    name, task, varied, config, cache, batch=batch, progress=progress
                )
                if image_features.blind:
                    warn(
                        f"{one.name}: {image_features.blind:,} {BLIND}, "
                        "whose features are all alike"
                    )
                for condition, own in _conditions(variation, model, task, image_features, config):
                    for figure in task.figures(own):
                        found += points(study, embedder.path, condition, one.name, figure)
            done(out + found)
        out += found + averages(found)
        done(out)
    return out


def _varied(variation: Variation, embedder: InferenceModel) -> Study:
    if not isinstance(embedder.model, variation.takes):
        raise WebbodyError(f"{embedder.path}: this study is of SapiensID; give such a checkpoint.")
    try:
        return variation.make(embedder.model)
    except ValueError as error:
        raise WebbodyError(f"{embedder.path}: {error}.") from error


def _conditions(
    variation: Variation,
    model: Study,
    task: benchmarks.BenchmarkTask,
    image_features: ImageFeatures,
    config: BuildConfig,
) -> Iterator[tuple[str, ImageFeatures]]:
    """The features of each condition, by its name, on the device that computes."""
    width = image_features.features_MF.shape[1] // len(model.variants)
    device = choose_device(config.resources.device)

    def of(variant: str) -> ImageFeatures:
        start = model.variants.index(variant) * width
        return replace(
            image_features,
            features_MF=image_features.features_MF[:, start : start + width].to(device),
        )

    for variant in model.variants:
        yield variant, of(variant)
    if isinstance(task, Retrieval):
        role = task.table.filter(pa.array(image_features.present_N))["role"]
        queries_M = torch.from_numpy(pc.not_equal(role, "gallery").to_numpy()).to(device)
        for name, (queries, gallery) in variation.mixed.items():
            own, other = of(queries), of(gallery)
            mixed_MF = own.features_MF.where(queries_M[:, None], other.features_MF)
            yield name, replace(image_features, features_MF=mixed_MF)
