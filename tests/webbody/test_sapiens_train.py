"""`webbody sapiens pretrain`, `finetune` and `demo-data`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from model.sapiens.saved import load, load_any
from tests.command_line import run
from tests.model.sapiens.training.labelled_pictures import write_maps
from tests.model.training.small_shards import write_shards
from webbody.config import PRESETS, load_as, read_preset
from webbody.sapiens_config import FinetuneConfig, PretrainConfig

TASKS = ("pose", "segmentation", "depth", "normal")
#: Seconds instead of minutes.
QUICK = [
    "--preset", "demo", "--set", "model.size=mini", "--set", "optimization.batch=4",
    "--set", "optimization.epochs=2", "--set", "resources.log_seconds=0.001",
    "--set", "resources.workers=0",
]  # fmt: skip
PRETRAIN = [
    *QUICK, "--set", "model.side=64", "--set", "model.decoder=[32,1,2]",
    "--set", "optimization.warmup_epochs=0",
]  # fmt: skip


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of pretraining."""
    root = tmp_path_factory.mktemp("encoder")
    source = write_shards(root / "pictures", 12, 6)
    code, output, error = run("sapiens", "pretrain", source, "--out", root / "run", *PRETRAIN)
    assert code == 0, error
    assert "12 pictures in 2 shards; 6 steps of 4 images, 4 of 16 patches" in output + error
    return root / "run"


def test_an_encoder_is_pretrained_and_a_task_begins_with_it(encoder: Path, tmp_path: Path) -> None:
    assert load_any(encoder / "model").encoder.image_size == (64, 64)
    assert (encoder / "curves.png").is_file() and list((encoder / "reconstructions").iterdir())
    source = write_maps("segmentation", tmp_path / "data")
    code, output, error = run(
        "sapiens", "finetune", source, "--task", "segmentation", "--from", encoder / "model",
        "--validation", source, "--out", tmp_path / "run", *QUICK,
        "--set", "model.image_size=[64,48]", "--set", "model.channels=8",
    )  # fmt: skip
    assert code == 0, error
    told = output + error
    assert f"Begins with {encoder / 'model'}; the class token is left out; positions are" in told
    assert "Validation at step 0: mIoU" in told
    assert load(tmp_path / "run" / "best").task.name == "segmentation"


def test_torchrun_learns_the_same(encoder: Path, tmp_path: Path) -> None:
    source = str(encoder.parent / "pictures")
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
            "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1",
            "-m", "webbody", "sapiens", "pretrain", source, *PRETRAIN, "--out", str(tmp_path),
        ],
        capture_output=True, text=True, timeout=200,
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    logs = [
        [json.loads(line)["loss"] for line in (folder / "log.jsonl").open()]
        for folder in (encoder, tmp_path)
    ]
    assert logs[1] == pytest.approx(logs[0], rel=1e-4)


def test_a_dry_run_tells_what_a_step_takes_and_leaves_nothing(
    encoder: Path, tmp_path: Path
) -> None:
    source = encoder.parent / "pictures"
    code, output, error = run("sapiens", "pretrain", source, "--dry-run", *PRETRAIN)
    assert code == 0, error
    assert "Parameters" in output and "A step" in output and "6 steps, about" in output
    assert not list(tmp_path.iterdir())


def test_demo_data_is_what_the_commands_read(tmp_path: Path) -> None:
    code, output, error = run("sapiens", "demo-data", tmp_path / "drawn", "--images", "2")
    assert code == 0, error
    assert "6 pictures of drawn people" in output
    names = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert names == ["parts", "pictures", "pose", "surfaces"]
    code, _, error = run("sapiens", "demo-data", tmp_path / "drawn")
    assert code == 2 and "holds something already" in error


def test_every_preset_is_valid() -> None:
    for name in ("paper", "demo"):
        load_as(PretrainConfig, None, [], read_preset("pretrain", name), "")
        for task in TASKS:
            chosen = load_as(FinetuneConfig, None, [], read_preset(task, name), "")
            assert chosen.task == task
    assert len(list(PRESETS.glob("*-paper.yaml"))) == 1 + len(TASKS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrain"], "Say what to train on"),
        (["pretrain", "absent", "--out", "x", "--preset", "demo"], "absent"),
        (["pretrain", "a", "--out", "x", "--set", "model.size=9b"], "model.size"),
        (["finetune", "a", "--out", "x", "--task", "hands"], "is none of pose, segmentation"),
        (["finetune", "a.json", "--out", "x", "--preset", "demo"], "no such file or folder"),
        (["finetune", "a", "--dry-run", "--workers", "2"], "leave --workers out"),
        (["finetune", "a", "--out", "x", "--set", "optimization.speed=1"], "no such setting"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, error = run("sapiens", *arguments)
    assert code == 2
    assert message in error and "Traceback" not in error
