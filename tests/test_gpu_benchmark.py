"""The script for a GPU, in a dry run: without the libraries of a build, as on a machine for it."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.gpu import PARTS, ROOT, main, run_part
from benchmarks.gpu_tables import TABLES, tables

#: What a machine that only trains does not have.
MISSING = (
    "ray",
    "ultralytics",
    "insightface",
    "rtmlib",
    "img2dataset",
    "onnxruntime",
    "pydantic",
    "webdataset",
    "braceexpand",
    "duckdb",
    "polars",
    "yaml",
    "typer",
    "cv2",
)


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu", *map(str, arguments)]
    given = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=given)


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory):
    """The figures of a dry run, and what it printed."""
    folder = tmp_path_factory.mktemp("gpu")
    lines = [f"sys.modules[{name!r}] = None" for name in MISSING]
    (folder / "sitecustomize.py").write_text("\n".join(["import sys", *lines]), "utf-8")
    path = f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    file = folder / "figures.json"
    done = run("--device", "cpu", "--tiny", "--json", file, PYTHONPATH=path)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text("utf-8")), done.stdout


def test_every_part_runs_without_the_libraries_of_a_build(dry) -> None:
    found, _ = dry
    assert list(found["parts"]) == list(PARTS)
    assert {name: part["exit"] for name, part in found["parts"].items()} == dict.fromkeys(PARTS, 0)
    assert "test_device.py: 4" in found["parts"]["tests"]["tail"]
    for name in PARTS.keys() - {"tests", "detector", "compiled"}:
        rows = found["parts"][name]["rows"]
        assert rows and not any("failed" in row for row in rows), name
        assert any(row.get("images_per_second") or row.get("images") or row.get("raw")
                   for row in rows), name  # fmt: skip


def test_what_cannot_be_measured_is_said(dry) -> None:
    found, printed = dry
    assert found["parts"]["detector"]["rows"][0]["failed"] == "ultralytics is not installed"
    assert "ultralytics is not installed |" in printed
    assert "Not measured: face detection" in printed
    assert "A dry run, which says nothing about speed" in printed


def test_the_tables_come_from_the_file(dry, tmp_path) -> None:
    found, printed = dry
    assert tables(found) in printed
    for name in TABLES.keys() - {"compiled"}:
        assert any(title in printed for title, *_ in TABLES[name]), name
    file = tmp_path / "figures.json"
    file.write_text(json.dumps(found), "utf-8")
    assert run("--tables", file).stdout.strip() == tables(found)


def test_the_share_of_the_peak_is_told_with_the_peak(dry) -> None:
    found, _ = dry
    parts = json.loads(json.dumps(found["parts"]))
    parts["face embedder"]["rows"] = [
        {"precision": "bfloat16", "batch": 8, "images_per_second": 9000.0, "mfu": 0.25,
         "peak_flops": 989e12, "peak_mib": 2048.0}
    ]  # fmt: skip
    parts["classifier"] |= {"exit": "stopped after 60 s"}
    text = tables({**found, "parts": parts})
    assert "| bfloat16 | 8 | 9,000/s | 25.0% of 989 TFLOP/s | 2,048 MiB |" in text
    assert "classifier: not whole, stopped after 60 s" in text


@pytest.mark.parametrize("name", [name for name, part in PARTS.items() if part.module])
def test_benchmarks_take_the_arguments_for_a_gpu(name: str) -> None:
    part = PARTS[name]
    result = run_part(part.module, [*part.arguments.split(), "--no-such-option"], 60)
    assert result["exit"] == 2
    assert "unrecognized arguments: --no-such-option" in result["tail"]


def test_a_part_that_hangs_or_dies_loses_only_itself(monkeypatch, tmp_path) -> None:
    (tmp_path / "hangs.py").write_text("import time\ndef main(): time.sleep(600)\n")
    (tmp_path / "dies.py").write_text("import os\ndef main(): os.kill(os.getpid(), 9)\n")
    import benchmarks

    monkeypatch.setattr(benchmarks, "__path__", [*benchmarks.__path__, str(tmp_path)])
    assert run_part("hangs", [], 1)["exit"] == "stopped after 1 s"
    assert run_part("dies", [], 30)["exit"] == -9


def test_a_machine_without_a_gpu_is_told_so(monkeypatch, capsys) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(sys, "argv", ["gpu"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "there is no CUDA device here" in capsys.readouterr().err
