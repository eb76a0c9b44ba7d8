"""A run of fine-tuning for a task, put together from its settings."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from model.losses.collectives import rank_and_ranks
from model.sapiens.arithmetic import encoder_macs, head_macs
from model.sapiens.saved import digest_of, start_from
from model.sapiens.sizes import encoder_size
from model.sapiens.task_model import SapiensModel, sapiens_task
from model.sapiens.training.loader import loader_of
from model.sapiens.training.optimizer import parameter_groups
from model.sapiens.training.pretraining import shared_among
from model.sapiens.training.schedule import RateSchedule, equal_steps, step_count
from model.sapiens.training.task_sources import TaskSamples, augmentation_of, read_data
from model.sapiens.training.task_trainer import TaskTrainer
from model.sapiens.training.validation import validator_of
from model.training.builders import from_settings, how_computed
from model.training.parts import RunParts, Say
from model.training.sapiensid_run import flat
from webbody.errors import WebbodyError

#: Of a target's Gaussian by the width of a map: what 6 pixels are of 192.
_WIDE = 6 / 192


def put_together(settings: Mapping[str, Any], device: str, say: Say) -> RunParts:
    """The parts of a run from the mapping of `webbody.sapiens_config.FinetuneConfig`."""
    optimization, resources, task = (settings[k] for k in ("optimization", "resources", "task"))
    ranks = rank_and_ranks(None)[1]
    batch = optimization["batch"]
    shared_among(batch, ranks)
    model = task_model(settings, say)
    with from_settings("augmentation"):
        augmentation = augmentation_of(task, settings["augmentation"])
    data = settings["data"]
    samples = TaskSamples(
        task,
        read_data(task, data["sources"], model.outputs, data["images"]),
        model.encoder.image_size,
        augmentation,
    )
    validation, held_out = settings["validation"], None
    if validation["sources"]:
        held_out = read_data(task, validation["sources"], model.outputs, validation["images"])
    grid = model.encoder.grid
    patches = grid[0] * grid[1]
    with from_settings("optimization"):
        steps = step_count(len(samples), optimization["epochs"], batch)
        schedule = RateSchedule(
            optimization["learning_rate"],
            steps,
            min(optimization["warmup_steps"], steps - 1),
            optimization["warmup_from"],
            optimization["schedule"],
            optimization["drops"],
        )
    groups = parameter_groups(
        model,
        weight_decay=optimization["weight_decay"],
        layer_decay=optimization["layer_decay"],
    )
    trainer = TaskTrainer(
        model,
        groups,
        sigma=optimization["sigma"],
        hardest=optimization["hardest"],
        betas=optimization["betas"],
        max_grad_norm=optimization["max_grad_norm"],
        seed=settings["seed"],
        device=device,
        macs=encoder_macs(model.encoder.size, patches) + head_macs(model.head, grid),
        **how_computed(resources, device),
    )
    loader = loader_of(samples, settings["seed"], resources["workers"], device)
    sections = {k: settings[k] for k in ("model", "augmentation", "optimization")}
    # Where it began from counts by its content: its path may be another on another machine.
    sections["model"] = {**settings["model"], "start": digest_of(settings["model"]["start"])}
    return RunParts(
        trainer,
        equal_steps(steps * batch, batch, patches, schedule),
        loader,
        {
            **flat(sections),
            "task": task,
            "data": samples.digest,
            "precision": trainer.mixed_precision,
            "seed": settings["seed"],
        },
        f"{len(samples):,} samples for {task}; {steps:,} steps of {batch}.",
        None if held_out is None else partial(validator_of, held_out, settings, say),
    )


def task_model(settings: Mapping[str, Any], say: Say) -> SapiensModel:
    """The model of the settings, begun from what they name; every rank has the same weights."""
    chosen, task = settings["model"], settings["task"]
    torch.manual_seed(settings["seed"])
    with from_settings("model"):
        model = SapiensModel(
            task,
            encoder_size(chosen["size"]),
            tuple(chosen["image_size"]),
            chosen["outputs"] or sapiens_task(task).outputs[0],
            channels=chosen["channels"],
            patch_padding=chosen["patch_padding"],
            recompute=settings["resources"]["recompute"],
        )
    if chosen["start"]:
        told = start_from(model, chosen["start"])
        say("; ".join([f"Begins with {chosen['start']}", *told]) + ".")
    sigma, width = settings["optimization"]["sigma"], model.map_size[1]
    if task == "pose" and not 0.2 * _WIDE <= sigma / width <= 3 * _WIDE:
        raise WebbodyError(
            f"optimization.sigma: a Gaussian of {sigma:g} pixels does not suit heatmaps {width} "
            f"pixels wide; take about {max(1.0, 2 * width * _WIDE):.0f}"
        )
    return model
