"""A run that trains the face embedder: its parts as every run has them."""

from collections.abc import Mapping
from typing import Any

import torch

from model.face_embedder import FAMILY, PRESETS, TOKENS, FaceEmbedder
from model.losses.collectives import rank_and_ranks
from model.sapiensid.masking import KeptTokens
from model.training.builders import (
    TrainState,
    from_settings,
    how_trained,
    loader_of,
    multiple_of,
    order_of,
    read_validation,
    sample_table,
)
from model.training.data.table import Table
from model.training.faces.augment import FaceAugment
from model.training.faces.selection import with_faces
from model.training.faces.trainer import FaceTrainer
from model.training.parts import RunParts, Say
from model.training.sapiensid_run import flat, run_parts
from model.training.steps.plan import plan
from model.training.steps.schedule import Batches


def put_together(settings: Mapping[str, Any], device: str, say: Say) -> RunParts:
    """The parts of a run from `settings` (the mapping of webbody.face_config.FaceTrainConfig)."""
    parts = assemble(settings, device, say)
    return run_parts(settings, parts, identity(settings, parts), say)


def assemble(settings: Mapping[str, Any], device: str, say: Say) -> TrainState:
    """Build the parts of a run; every rank calls it. Raises WebbodyError."""
    data, optimization = settings["data"], settings["optimization"]
    table = sample_table(settings["out"], say, data["sources"])
    held_out = read_validation(settings, say)
    table = with_faces(table, data["sources"], data["min_face"], say)
    order = order_of(table, data["weights"], 0.0, settings["seed"])
    multiple = multiple_of(optimization, rank_and_ranks(None)[1])
    with from_settings("optimization"):
        # Every face has all its tokens, so that all steps are of one size.
        batches = Batches(KeptTokens(TOKENS, TOKENS), optimization["batch"], multiple=multiple)
        steps = plan(
            batches,
            samples=round(optimization["epochs"] * order.epoch_length),
            warmup=round(optimization["warmup_epochs"] * order.epoch_length),
            rate=optimization["learning_rate"],
            seed=settings["seed"],
        )
    trainer = _trainer(settings, table, device)
    loader = loader_of(settings, table, order, trainer)
    return TrainState(table, order, steps, trainer, loader, held_out)


def _trainer(settings: Mapping[str, Any], table: Table, device: str) -> FaceTrainer:
    # Every rank starts with the same weights.
    torch.manual_seed(settings["seed"])
    with from_settings("model.arguments"):
        sizes = {**PRESETS[settings["model"]["preset"]], **settings["model"]["arguments"]}
        model = FaceEmbedder(**sizes)
    with from_settings("augmentation"):
        augment = FaceAugment(**settings["augmentation"])
    how = how_trained(settings, model.output_dim, table.classes, device)
    return FaceTrainer(model, augment=augment, image_size=settings["data"]["image_size"], **how)


def identity(settings: Mapping[str, Any], parts: TrainState) -> dict[str, Any]:
    """Everything that changes a run's result: it must be equal when a run resumes."""
    sections = {k: settings[k] for k in ("augmentation", "optimization")}
    sections["data"] = {k: settings["data"][k] for k in ("weights", "min_face", "image_size")}
    assert isinstance(parts.trainer.model, FaceEmbedder)
    return {
        "model": FAMILY,
        **{f"model.{k}": v for k, v in parts.trainer.model.config.items()},
        **flat(sections),
        "data": parts.table.digest,
        "precision": parts.trainer.mixed_precision,
        "seed": settings["seed"],
    }
