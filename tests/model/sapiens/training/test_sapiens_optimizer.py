"""Rates and decays of every parameter as the reference's optimizers have them; schedules."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.sapiens.masked_autoencoder import MaskedAutoencoder
from model.sapiens.published import to_published
from model.sapiens.sizes import EncoderSize
from model.sapiens.task_model import SapiensModel
from model.sapiens.training.optimizer import parameter_groups
from model.sapiens.training.schedule import RateSchedule, equal_steps, step_count
from tests.model.sapiens.reference import DATA

KINDS = ("pose_seed0", "pose_seed1", "seg_seed0", "seg_seed1", "pretrain_seed0")
OUTPUTS = {
    "pose/coco/": ("pose", 17),
    "pose/coco_wholebody/": ("pose", 133),
    "pose/goliath/": ("pose", 308),
    "seg/sapiens_seg/": ("segmentation", 28),
    "seg/sapiens_depth/": ("depth", 1),
    "seg/sapiens_normal/": ("normal", 3),
}


def _cases() -> list[tuple[str, int]]:
    return [
        (kind, number)
        for kind in KINDS
        for number in range(len(json.loads((DATA / f"optimizer_{kind}.json").read_text())))
    ]


@pytest.mark.parametrize("kind, number", _cases())
def test_every_parameter_has_the_reference_rate_and_decay(kind: str, number: int) -> None:
    run = json.loads((DATA / f"optimizer_{kind}.json").read_text())[number]
    size = EncoderSize(24, run["num_layers"], 2)
    if kind.startswith("pretrain"):
        model = MaskedAutoencoder(size, 64, decoder=EncoderSize(16, 2, 2))
    else:
        task, outputs = next(v for k, v in OUTPUTS.items() if run["config"].startswith(k))
        model = SapiensModel(task, size, (64, 48), outputs, channels=8)
    groups = parameter_groups(
        model,
        weight_decay=run["base_weight_decay"],
        layer_decay=run["layer_decay_rate"] or 1.0,
    )
    ours = {
        id(parameter): (group["scale"] * run["base_lr"], group["weight_decay"])
        for group in groups
        for parameter in group["params"]
    }
    named = to_published(dict(model.named_parameters()))
    theirs = {row[0]: row for row in run["rows"]}
    assert set(named) == set(theirs)
    for name, parameter in named.items():
        _, _, rate, decay, learns, _ = theirs[name]
        if learns:
            assert ours[id(parameter)] == pytest.approx((rate, decay), rel=1e-12)
        else:
            assert id(parameter) not in ours


@given(st.sampled_from(["cosine", "linear", "steps"]), st.integers(2, 500), st.floats(0.0, 0.9))
def test_a_rate_rises_to_its_peak_and_falls(kind: str, steps: int, warm: float) -> None:
    warmup = int(warm * steps)
    schedule = RateSchedule(0.5, steps, warmup, 1e-3, kind)
    rates = [schedule.at(step) for step in range(steps)]
    assert rates[warmup] == max(rates) == pytest.approx(0.5) or kind == "steps"
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert all(rate > 0 for rate in rates)


def test_steps_drop_to_a_tenth_at_the_published_epochs() -> None:
    schedule = RateSchedule(1.0, 2100, 500, 1e-3, "steps")
    found = [schedule.at(step) for step in (0, 500, 1699, 1700, 1999, 2000)]
    assert found == pytest.approx([1e-3, 1, 1, 0.1, 0.1, 0.01])


def test_what_makes_no_batch_or_no_schedule_is_refused() -> None:
    with pytest.raises(ValueError, match="make no batch of 64"):
        step_count(10, 2, 64)
    with pytest.raises(ValueError, match="leaves none"):
        RateSchedule(1.0, 5, 5)
    with pytest.raises(ValueError, match="one of cosine, linear, steps"):
        RateSchedule(1.0, 5, 1, kind="sudden")
    steps = equal_steps(100, 32, 7, RateSchedule(1.0, 3))
    assert [(step.start, step.size, step.tokens) for step in steps] == [
        (0, 32, 7), (32, 32, 7), (64, 32, 7),
    ]  # fmt: skip


def test_what_does_not_learn_is_in_no_group() -> None:
    model = MaskedAutoencoder(EncoderSize(24, 1, 2), 64, decoder=EncoderSize(16, 1, 2))
    learning = {
        id(p) for group in parameter_groups(model, weight_decay=0.1) for p in group["params"]
    }
    assert learning == {id(p) for p in model.parameters() if p.requires_grad}
    assert isinstance(model.encoder.pos_embed, torch.nn.Parameter)
