"""Figures of a run's reports."""

import pytest
import torch

from model import SapiensID
from model.flops import classifier_flops, training_flops
from model.training.monitoring import progress as progress_module
from model.training.monitoring.progress import ThroughputMeter
from model.training.steps import trainer as trainer_module
from model.training.steps.base import Outcome
from model.training.steps.part_weights import part_weights
from tests.model.training import runs


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress_module, "time", made)
    return made


def outcome(loss: float) -> Outcome:
    return Outcome(*(torch.tensor(value) for value in (loss, 2.0, 3.0)))


def test_speed_leaves_out_what_is_no_training_and_the_time_left_does_not(clock: Clock) -> None:
    steps = runs.steps()
    cost = [step.size * step.tokens for step in steps]
    watch = ThroughputMeter(steps, 0, runs.trainer())
    for number, loss in enumerate((4.0, 6.0)):
        with watch.data_wait():
            clock.now += 1.0
        clock.now += 3.0
        watch.add(steps[number], outcome(loss))
    with watch.excluded():
        clock.now += 12.0
    assert watch.seconds() == 8.0
    told = watch.progress(steps[1])
    assert (told.done, told.loss, told.data_wait, told.seconds_per_step) == (2, 5.0, 0.25, 4.0)
    assert told.seen == steps[0].size + steps[1].size
    assert told.images == pytest.approx(told.seen / 8)
    assert told.tokens == pytest.approx(sum(cost[:2]) / 8)
    assert told.eta == pytest.approx(20 * sum(cost[2:]) / sum(cost[:2]))
    # What the first report took, compilation for one, is no measure of the rest.
    clock.now += 1.0
    watch.add(steps[2], outcome(1.0))
    assert watch.progress(steps[2]).eta == pytest.approx(sum(cost[3:]) / cost[2])
    assert told.mfu is None


def test_utilisation_is_the_arithmetic_over_what_was_possible(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "peak_flops", lambda device, dtype: 1e9)
    steps, trainer = runs.steps(), runs.trainer()
    watch = ThroughputMeter(steps, 0, trainer)
    clock.now += 2.0
    watch.add(steps[0], outcome(1.0))
    each = training_flops(trainer.model, steps[0].tokens) + classifier_flops(16, runs.CLASSES)
    assert watch.progress(steps[0]).mfu == pytest.approx(steps[0].size * each / 2e9)


def test_part_weights_are_told_by_keypoint() -> None:
    model = runs.trainer().model
    with torch.no_grad():
        weights = model.head.part_weights  # (data sets, 2 x keypoints x offsets)
        weights.view(2, 2, 19, 4)[:, :, 7] = 100.0
    parts = part_weights(model)
    assert parts is not None and parts.top == "left_shoulder"
    assert parts.keypoints["left_shoulder"] == 1.0
    assert parts.keypoints["right_shoulder"] == pytest.approx(0.5)
    assert parts.mean == pytest.approx(0.5 + 0.5 / 19)
    assert parts.spread == pytest.approx(0.5 * (18 / 19**2) ** 0.5, rel=1e-4)


def test_a_pooled_head_has_no_part_weights() -> None:
    model = SapiensID(1, 32, 2, 16, image_size=96, keypoint_bias=0, head="pooled")
    assert part_weights(model) is None
