"""`webbody` in folders full of files that are named like what it imports, as a user starts it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from tests.distributions import outside, traps
from webbody.working_folder import HOME, put_last, worker_environment

#: Ours, a clone of ours, the standard library's and other libraries'.
CLONE = "webbody/webbody"
OURS = ("model.py", "pipelines", CLONE)
OTHERS = ("queue.py", "uuid.py", "numpy", "torch.py", "ray", "typer.py", "pyarrow", "yaml.py")


def start(command: list, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**outside(), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", **more}
    words = [str(word) for word in command]
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=580
    )


@pytest.mark.parametrize("start_with", [("webbody",), ("python", "-m", "webbody")])
def test_every_way_to_start_finds_the_installed_one(installed: Path, tmp_path: Path, start_with):
    # `python -m webbody` is by Python's own rule the file of that name.
    own = ("webbody.py",) if start_with == ("webbody",) else ()
    folder = traps(tmp_path, *OURS, *OTHERS, *own)
    program, *rest = start_with
    done = start([installed / program, *rest, "train", "--settings"], folder)
    assert done.returncode == 0 and "optimization:" in done.stdout, done.stderr


def test_a_safe_path_finds_it_beside_a_file_of_its_own_name(installed: Path, tmp_path: Path):
    folder = traps(tmp_path, "webbody.py")
    command = [installed / "python", "-m", "webbody", "--version"]
    assert "wrong" in start(command, folder).stderr
    assert start(command, folder, PYTHONSAFEPATH="1").stdout.startswith("webbody ")


@pytest.mark.timeout(900)  # a Ray of its own, perhaps on a busy machine
@pytest.mark.parametrize(
    "redone", ["keypoints", pytest.param("everything", marks=pytest.mark.slow)]
)
def test_a_build_in_rays_workers(demo, installed: Path, tmp_path: Path, redone: str):
    folder = traps(tmp_path, *OURS, *OTHERS, "webbody.py")
    settings = demo.settings(tmp_path / "build")
    shutil.copyfile(settings.manifest, tmp_path / "list.parquet")
    if redone == "everything":
        people = pq.read_table(demo.out / "identities" / "people.parquet").to_pylist()
        kept = next(person["names"] for person in people if person["outcome"] is None)
        table = pq.read_table(settings.manifest)
        rows = table.filter([name in kept for name in table["name"].to_pylist()])
        pq.write_table(rows, tmp_path / "list.parquet")
    else:
        shutil.copytree(demo.out, tmp_path / "build")
        settings.keypoints.min_score /= 2
    settings.manifest = "list.parquet"  # relative: workers have the same working folder
    settings.resources.cpus = 2
    (tmp_path / "build.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    index = tmp_path / "build" / "pack" / "index.json"
    index.unlink(missing_ok=True)
    done = start([installed / "webbody", "build", "--config", "build.yaml"], folder)
    assert "wrong" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    assert index.is_file()


def test_training_under_torchrun(demo, installed: Path, tmp_path: Path):
    # torchrun itself is still open to the rest, which its own processes are not.
    folder = traps(tmp_path, *OURS, "typer.py", "pyarrow", "yaml.py")
    command = [
        installed / "python", "-m", "torch.distributed.run", "--nproc-per-node", "2",
        "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1",
        "-m", "webbody", "train", demo.out, "--out", "run", "--preset", "demo",
        "--set", "model.arguments={image_size: 64, width: 32, depth: 1, heads: 2, grid: 4}",
        "--set", "tokens={min: 8, max: 32, multiple: 1}",
        "--set", "optimization.epochs=1", "--set", "resources.device=cpu",
    ]  # fmt: skip
    done = start(command, folder)
    assert "wrong" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "model").exists()


def test_own_code_of_the_working_folder_can_be_imported(installed: Path, tmp_path: Path):
    traps(tmp_path, *OURS, *OTHERS)
    (tmp_path / "my_filter.py").write_text("TEXT = 'mine'\n")
    code = (
        "import sys\n"
        "sys.path.insert(0, '')\n"
        "from webbody.working_folder import put_last\n"
        "put_last()\n"
        "import model, pipelines, queue, numpy, my_filter\n"
        "assert my_filter.TEXT == 'mine' and model.__file__.startswith(sys.prefix)\n"
        "import multiprocessing\n"
        "with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "    print(pool.apply(eval, (\"__import__('model').__file__\",)))\n"
    )
    done = start([installed / "python", "-P", "-c", code], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(installed.parent))


def test_a_checkout_that_is_not_installed_is_told_to_workers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["elsewhere", HOME]))
    paths = worker_environment()["PYTHONPATH"].split(os.pathsep)
    assert paths == [HOME, "elsewhere"]


def test_what_is_not_on_the_path_is_not_put_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    before = list(sys.path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setenv("PYTHONSAFEPATH", "")
    put_last(str(tmp_path))
    assert sys.path == before and os.environ["PYTHONSAFEPATH"] == "1"
