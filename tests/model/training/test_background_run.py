"""Training with other backgrounds: what the model sees, resuming, data without foregrounds."""

from pathlib import Path
from typing import Any

import pytest
import torch

from model import SapiensID
from model.training import checkpoint
from model.training.start import start
from tests.model.training.small_foregrounds import write_foregrounds
from tests.model.training.small_runs import SIDE, settings, write_people
from webbody.errors import WebbodyError

STILL = {"zoom": (1, 1), "aspect": (1, 1), "shift": 0, "flip": 0, "face_zoom": 0}
ALL = {"augmentation": {"background": 1.0}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_foregrounds(tmp_path_factory.mktemp("data"), 48, 16, side=SIDE)


def go(chosen: dict[str, Any], stop_after: int = 10**9) -> list[str]:
    said: list[str] = []
    steps = 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps > stop_after

    start(chosen, said.append, lambda progress: None, stop)
    return said


def weights(run: Path) -> dict[str, torch.Tensor]:
    return SapiensID.from_pretrained(run / "model").state_dict()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The images of every call of the model in training."""
    images: list[torch.Tensor] = []
    forward = SapiensID.forward

    def noted(model: SapiensID, images_BCHW: torch.Tensor, *rest: Any) -> Any:
        images.append(images_BCHW.clone())
        return forward(model, images_BCHW, *rest)

    monkeypatch.setattr(SapiensID, "forward", noted)
    return images


def test_the_model_sees_people_on_white(data: str, tmp_path: Path, seen: list) -> None:
    go(settings(data, tmp_path, augmentation={**STILL, "background": 1.0}))
    shown = torch.cat(seen)
    assert (shown[..., SIDE * 5 // 8 :] == 1).all()
    assert (shown[..., : SIDE // 8] < 1).all(1).flatten(1).all(1).float().mean() > 0.8


def test_at_0_nothing_changes_bit_for_bit(data: str, tmp_path: Path, seen: list) -> None:
    go(settings(data, tmp_path / "with"))
    with_foregrounds = list(seen)
    seen.clear()
    go(settings(write_people(tmp_path / "plain"), tmp_path / "without"))
    assert len(seen) == len(with_foregrounds) and all(map(torch.equal, seen, with_foregrounds))
    one, other = weights(tmp_path / "with"), weights(tmp_path / "without")
    assert all(torch.equal(value, other[key]) for key, value in one.items())


def test_a_resumed_run_goes_on_exactly(data: str, tmp_path: Path) -> None:
    mixed = {"augmentation": {"background": 0.5, "background_fill": "mixed"}}
    go(settings(data, tmp_path / "whole", **mixed))
    go(settings(data, tmp_path / "cut", **mixed), stop_after=6)
    assert not (tmp_path / "cut" / "model").exists()
    go(settings(data, tmp_path / "cut", **mixed))
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(value, other[key]) for key, value in one.items())
    go(settings(data, tmp_path / "plain"))
    plain = weights(tmp_path / "plain")
    assert not all(torch.equal(value, plain[key]) for key, value in one.items())


def test_a_run_from_before_the_setting_goes_on_and_one_of_another_share_does_not(
    data: str, tmp_path: Path
) -> None:
    go(settings(data, tmp_path), stop_after=6)
    newest = checkpoint.checkpoints(tmp_path / "checkpoints")[-1]
    files = [path for path in newest.rglob("*.json") if "background" in path.read_text()]
    assert files == []
    with pytest.raises(WebbodyError, match=r"of another run \(.*augmentation.background"):
        go(settings(data, tmp_path, **ALL))
    go(settings(data, tmp_path))
    assert (tmp_path / "model").exists()


def test_data_without_foregrounds_are_told_before_the_run(tmp_path: Path) -> None:
    people = write_people(tmp_path / "data")
    with pytest.raises(WebbodyError, match="background is 1, and no sample has a foreground"):
        go(settings(people, tmp_path / "run", **ALL))
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_how_many_have_one_is_told(tmp_path: Path) -> None:
    some = write_foregrounds(tmp_path / "data", 48, 16, every=2, side=SIDE)
    said = go(settings(some, tmp_path / "run", **ALL))
    assert "24 of 48 images have a foreground; the others keep their background." in said
