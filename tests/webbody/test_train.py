"""`webbody train` on what the demo has built."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import model
from model import FaceEmbedder, SapiensID
from tests.command_line import run
from webbody.config import PRESETS, load_as, read_yaml
from webbody.train_config import TrainConfig

#: Seconds instead of minutes.
QUICK = [
    "--preset", "demo",
    "--set", "optimization.epochs=1",
    "--set", "optimization.warmup_epochs=0.2",
    "--set", "optimization.batch=12",
    "--set", "model.arguments={depth: 1, width: 32, heads: 2, feature_dim: 16}",
    "--set", "resources.log_seconds=0.01",
]  # fmt: skip


#: The same for a face embedder.
QUICK_FACES = [
    "--preset", "face-demo",
    "--set", "optimization.epochs=1",
    "--set", "optimization.warmup_epochs=0.2",
    "--set", "optimization.batch=12",
    "--set", "model.arguments={depth: 1, width: 32, heads: 2, output_dim: 16}",
    "--set", "resources.log_seconds=0.01",
]  # fmt: skip


def test_a_build_becomes_a_model_and_a_second_run_has_nothing_to_do(demo, tmp_path: Path) -> None:
    code, _, error = run("train", demo.out, "--out", tmp_path, *QUICK)
    assert code == 0, error
    made = SapiensID.from_pretrained(tmp_path / "model")
    assert (made.config["width"], made.feature_dim) == (32, 16)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["done"] == lines[-1]["steps"] and lines[-1]["loss"] > 0
    code, output, error = run("train", demo.out, "--out", tmp_path, *QUICK)
    assert code == 0 and "loss" not in output + error


def test_other_settings_do_not_go_on(demo, tmp_path: Path) -> None:
    run("train", demo.out, "--out", tmp_path, *QUICK)
    code, _, told = run("train", demo.out, "--out", tmp_path, *QUICK, "--set", "seed=5")
    assert code == 2 and "of another run (seed: 0 there, 5 here" in told


def test_a_build_becomes_a_face_embedder_that_embeds_it(demo, tmp_path: Path) -> None:
    code, output, error = run("train", demo.out, "--out", tmp_path / "run", *QUICK_FACES)
    assert code == 0, error
    folder = tmp_path / "run" / "model"
    assert FaceEmbedder.from_pretrained(folder).output_dim == 16
    code, output, error = run("embed", demo.out, "-k", folder, "-o", tmp_path / "features.parquet")
    assert code == 0 and "features of 16 values" in output, error


@pytest.mark.parametrize(
    ("quick", "opened"), [("QUICK", "SapiensID"), ("QUICK_FACES", "FaceEmbedder")]
)
def test_torchrun_trains_the_same_model(demo, quick: str, opened: str, tmp_path: Path) -> None:
    arguments = [str(demo.out), *globals()[quick]]
    code, _, error = run("train", *arguments, "--out", tmp_path / "one")
    assert code == 0, error
    done = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
            "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1",
            "-m", "webbody", "train", *arguments, "--out", str(tmp_path / "two"),
        ],
        capture_output=True, text=True, timeout=200,
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    logs = [
        [json.loads(line)["loss"] for line in (tmp_path / name / "log.jsonl").open()]
        for name in ("one", "two")
    ]
    assert logs[1] == pytest.approx(logs[0], rel=1e-3)
    assert getattr(model, opened).from_pretrained(tmp_path / "two" / "model")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Say what to train on"),
        (["absent", "--out", "x", "--preset", "fast"], "there is no such preset; there are demo"),
        (
            ["data", "--out", "x", "--set", "tokens.many=3"],
            "no such setting; `webbody train --settings`",
        ),
        *(
            (["data", "--out", "x", "--set", f"{old}=3"], f"{old}: is now called {new};")
            for old, new in (
                ("tokens.least", "tokens.min"),
                ("tokens.most", "tokens.max"),
                ("optimization.rate", "optimization.learning_rate"),
                ("optimization.clip", "optimization.max_grad_norm"),
                ("optimization.classes_in_use", "optimization.sample_rate"),
                ("resources.keep", "resources.keep_checkpoints"),
            )
        ),
        (["data", "--out", "x", "--ray-address", "head:6379"], "Say with --workers how many"),
    ],
)
def test_what_is_wrong_is_told(arguments: list[str], message: str, tmp_path: Path) -> None:
    os.chdir(tmp_path)
    code, _, told = run("train", *arguments)
    assert code == 2 and message in told


def test_workers_under_torchrun_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, told = run("train", "data", "--out", "x", "--workers", "2")
    assert code == 2 and "leave torchrun out" in told


def test_missing_shards_and_impossible_arguments_are_told(demo, tmp_path: Path) -> None:
    code, _, told = run("train", tmp_path, "--out", tmp_path / "run", *QUICK)
    assert code == 2 and str(tmp_path) in told and "\n" not in told.strip()
    wrong = ["--set", "model.arguments={wings: 2}"]
    code, _, told = run("train", demo.out, "--out", tmp_path / "run", *QUICK, *wrong)
    assert code == 2 and "wings" in told


def test_presets_are_valid_and_the_papers_is_the_default() -> None:
    for file in PRESETS.glob("train-*.yaml"):
        load_as(TrainConfig, base=read_yaml(file))
    assert load_as(TrainConfig, base=read_yaml(PRESETS / "train-webbody4m.yaml")) == TrainConfig()


def test_settings_are_printed_and_can_be_read_back(tmp_path: Path) -> None:
    code, output, _ = run("train", "--settings", "--preset", "demo")
    assert code == 0
    assert load_as(TrainConfig, base=yaml.safe_load(output)).model.preset == "tiny"
    assert "# PartialFC" in output or "PartialFC" in output
