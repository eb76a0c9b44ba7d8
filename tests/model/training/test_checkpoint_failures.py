"""Checkpoints that are damaged, and disks that are full: told, and nothing else is lost."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as multiprocessing

from model.training import checkpoint
from model.training.start import start
from tests.model.training import runs
from tests.model.training.full_disk import full_disk
from tests.model.training.small_runs import settings, write_people
from webbody.errors import WebbodyError

FILES = (
    "state.json",
    "moments.safetensors",
    "model/model.safetensors",
    "classifier-00000-of-00001.safetensors",
)
SHORT = {"optimization": {"epochs": 1}}


@pytest.fixture(scope="module")
def trainer():
    one = runs.trainer()
    step = runs.steps()[0]
    one.step(step, runs.samples(step, 0, 1))
    return one


def save(folder: Path, trainer, steps: int) -> Path:
    return checkpoint.save(folder, trainer, steps, runs.RUN, keep=3)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, None])
def test_damage_is_told_with_the_checkpoint_before(
    trainer, tmp_path: Path, file: str, share: float | None
) -> None:
    for steps in (2, 4, 6):
        save(tmp_path, trainer, steps)
    path = tmp_path / "step-00000004" / file
    data = path.read_bytes()
    path.unlink()
    if share is not None:
        path.write_bytes(data[: int(share * len(data))])
    other = runs.trainer()
    before = {name: value.clone() for name, value in other.model.state_dict().items()}
    told = r"^\S*step-00000004 is damaged \(.*\); remove it to go on from step-00000002$"
    with pytest.raises(WebbodyError, match=told):
        checkpoint.load(path.parents[len(Path(file).parts) - 1], other, runs.RUN)
    assert all(torch.equal(value, before[name]) for name, value in other.model.state_dict().items())
    assert checkpoint.load(tmp_path / "step-00000002", other, runs.RUN) == 2


@pytest.mark.parametrize("file", FILES)
def test_a_bit_that_flipped_is_found(trainer, tmp_path: Path, file: str) -> None:
    path = save(tmp_path, trainer, 2) / file
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    other = runs.trainer()
    with pytest.raises(WebbodyError, match=r"step-00000002 is damaged \(.*\); remove it to begin"):
        checkpoint.load(tmp_path / "step-00000002", other, runs.RUN)


def test_a_checkpoint_of_an_older_version_has_no_digests(trainer, tmp_path: Path) -> None:
    path = save(tmp_path, trainer, 2) / "state.json"
    state = json.loads(path.read_text())
    del state["files"], state["check"]
    path.write_text(json.dumps(state))
    assert checkpoint.load(tmp_path / "step-00000002", runs.trainer(), runs.RUN) == 2


@pytest.mark.parametrize("content", ["[]", "{}", '{"steps": 2}', '{"steps": 2, "run": 3}', "\xff"])
def test_a_state_that_is_none_is_told(trainer, tmp_path: Path, content: str) -> None:
    (save(tmp_path, trainer, 2) / "state.json").write_text(content, encoding="latin-1")
    with pytest.raises(WebbodyError, match=r"is damaged \(.*\); remove it to begin anew"):
        checkpoint.steps_done(checkpoint.checkpoints(tmp_path)[-1])


def test_weights_of_another_model_are_told(trainer, tmp_path: Path) -> None:
    """Where the description of the run does not tell it."""
    saved = save(tmp_path, trainer, 2)
    other = runs.trainer()
    other.model.head.project[1] = torch.nn.Linear(3, 3)
    with pytest.raises(WebbodyError, match=r"head.project.1.weight is .*, expected \(3, 3\)"):
        checkpoint.load(saved, other, runs.RUN)


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("room", [0, 100, 4096, 100_000])
def test_a_full_disk_leaves_the_checkpoints_before(trainer, tmp_path: Path, room: int) -> None:
    for steps in (2, 4, 6):
        save(tmp_path, trainer, steps)
    before = content(tmp_path)
    assert room < max(len(data) for data in before.values())
    told = r"step-00000008 could not be written \(.*\); make room"
    with full_disk(room), pytest.raises(WebbodyError, match=told):
        save(tmp_path, trainer, 8)
    assert content(tmp_path) == before
    assert len(list(tmp_path.iterdir())) == 3
    save(tmp_path, trainer, 8)
    assert [checkpoint.steps_done(path) for path in checkpoint.checkpoints(tmp_path)] == [4, 6, 8]


def test_what_a_kill_left_unfinished_goes_with_the_next_checkpoint(trainer, tmp_path: Path) -> None:
    (tmp_path / "step-00000001.partial").mkdir(parents=True)
    (tmp_path / "step-00000001.partial/moments.safetensors").touch()
    save(tmp_path, trainer, 2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000002"]


def test_all_ranks_stop_where_one_cannot_write(tmp_path: Path) -> None:
    multiprocessing.spawn(_process, (2, tmp_path), nprocs=2)
    told = [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)]
    assert told[0] == told[1]
    assert "step-00000004 could not be written (" in told[0] and "make room" in told[0]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["step-00000002"]


def _process(rank: int, ranks: int, root: Path) -> None:
    with runs.joined(rank, ranks, root):
        one = runs.trainer()
        save(root / "run", one, 2)
        with full_disk(0 if rank == 1 else 1 << 40), pytest.raises(WebbodyError) as told:
            save(root / "run", one, 4)
        (root / f"{rank}.txt").write_text(str(told.value))


@pytest.mark.parametrize(
    ("room", "told_of"), [(100_000, "step-00000004 could"), (0, "File too large")]
)
def test_a_run_whose_disk_is_full_stops_and_goes_on_exactly(
    tmp_path: Path, room: int, told_of: str
) -> None:
    data, losses = write_people(tmp_path / "people"), {}
    assert start(
        settings(data, tmp_path / "whole", **SHORT), print, lambda p: losses.update({p.done: p})
    )
    seen: dict[int, float] = {}
    chosen = settings(data, tmp_path / "run", **SHORT)

    def report(progress) -> None:
        assert seen.setdefault(progress.done, progress.loss) == losses[progress.done].loss

    with pytest.raises(WebbodyError, match=told_of) as told, ExitStack() as disk:

        def fill(progress) -> None:
            report(progress)
            if progress.done == 3:
                disk.enter_context(full_disk(room))

        start(chosen, print, fill)
    assert "\n" not in str(told.value) and "run the same command again" in str(told.value)
    assert max(seen) < max(losses)
    assert start(chosen, print, report)
    assert seen.keys() == losses.keys()
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [line["done"] for line in lines] == sorted(seen)
