"""Steps, checkpoints and ranks: whatever happens between two steps, the run stays the same."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model import SapiensID
from model.training import checkpoint
from model.training.steps.batch_norm import GlobalBatchNorm, share_statistics
from model.training.steps.optimizer import adamw
from tests.model.training import runs
from webbody.errors import WebbodyError


def weights(folder: Path) -> dict[str, torch.Tensor]:
    newest = checkpoint.checkpoints(folder)[-1]
    return SapiensID.from_pretrained(newest / "model").state_dict()


#: The last batch norm takes any shift away, so this bias has no gradient but rounding errors,
#: which AdamW blows up to whole steps; the running mean follows it.
SHIFTS = ("head.project.1.bias", "head.project.3.running_mean")


def assert_same_weights(one: Path, other: Path, tolerance: float) -> None:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if tolerance and name in SHIFTS:
            continue
        torch.testing.assert_close(value, theirs[name], atol=tolerance, rtol=tolerance, msg=name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[float]]:
    """An uninterrupted run of one process."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, runs.run(folder)


def test_batches_and_tokens_change_from_step_to_step() -> None:
    todo = runs.steps()
    assert len(todo) > 6
    assert len({step.size for step in todo}) > 1 and len({step.tokens for step in todo}) > 3


def test_training_on_the_same_people_lowers_the_loss() -> None:
    one, step = runs.trainer(), replace(runs.steps()[3], rate=1e-3)
    losses = [one.step(step, runs.samples(step, 0, 1)).loss.item() for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]


def test_a_resumed_run_goes_on_exactly(whole: tuple[Path, list[float]], tmp_path: Path) -> None:
    folder, losses = whole
    first = runs.run(tmp_path, end=3)
    torch.manual_seed(99)  # torch's own random state plays no part
    assert first + runs.run(tmp_path, begin=3) == losses
    assert_same_weights(tmp_path, folder, tolerance=0)


def test_two_processes_are_one_with_all_samples(
    whole: tuple[Path, list[float]], tmp_path: Path
) -> None:
    folder, losses = whole
    both = runs.in_processes(2, tmp_path / "ranks", tmp_path / "run")
    assert both[0] == both[1]
    assert both[0] == pytest.approx(losses, abs=1e-5, rel=1e-5)
    assert_same_weights(tmp_path / "run", folder, tolerance=1e-5)


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_a_run_goes_on_at_another_number_of_ranks(
    whole: tuple[Path, list[float]], tmp_path: Path, before: int, after: int
) -> None:
    folder, losses = whole
    run = tmp_path / "run"
    first = runs.in_processes(before, tmp_path / "before", run, end=3)[0]
    second = runs.in_processes(after, tmp_path / "after", run, begin=3)[0]
    assert first + second == pytest.approx(losses, abs=1e-5, rel=1e-5)
    assert_same_weights(run, folder, tolerance=1e-5)


def test_old_checkpoints_go_and_unfinished_ones_do_not_count(tmp_path: Path) -> None:
    one = runs.trainer()
    for number in (1, 2, 3):
        checkpoint.save(tmp_path, one, number, runs.RUN, keep=2)
    (tmp_path / "step-00000009.partial").mkdir()
    (tmp_path / "step-00000008").mkdir()
    names = [path.name for path in checkpoint.checkpoints(tmp_path)]
    assert names == ["step-00000002", "step-00000003"]


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    saved = checkpoint.save(tmp_path, runs.trainer(), 1, runs.RUN, keep=1)
    with pytest.raises(WebbodyError, match=r"of another run \(seed: 7 there, 8 here\)"):
        checkpoint.load(saved, runs.trainer(), {"seed": 8})


def test_batch_norm_of_one_process_is_torchs() -> None:
    torch.manual_seed(0)
    theirs, ours = torch.nn.BatchNorm1d(5), torch.nn.Sequential(torch.nn.BatchNorm1d(5))
    torch.nn.init.normal_(theirs.weight)
    ours[0].load_state_dict(theirs.state_dict())
    share_statistics(ours)
    assert isinstance(ours[0], GlobalBatchNorm)
    for _ in range(3):
        x = torch.randn(7, 5) * 3 + 1
        torch.testing.assert_close(ours(x), theirs(x))
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours[0].state_dict()[name], value)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))
    with pytest.raises(ValueError, match="at least two samples"):
        ours.train()(x[:1])


def test_what_is_decayed() -> None:
    one = runs.trainer()
    names = {id(p): name for name, p in one.model.named_parameters()}
    decayed, kept, _ = (
        {names.get(id(p), "classifier") for p in group["params"]}
        for group in adamw(one.model, one.classifier, 0.1).param_groups
    )
    assert {"head.part_weights", "keypoint_bias.table.weight", "patch_embed.proj.weight"} <= decayed
    assert {"head.offsets_PD", "cls_token_D", "mask_token_D", "norm.weight"} <= kept
    assert not decayed & kept
    assert decayed | kept == set(names.values())
