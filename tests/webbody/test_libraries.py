"""Libraries, their bounds, and the refusal of those that do not read files of strangers safely."""

import pickle
import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement

from webbody import libraries
from webbody import library_environment as quiet
from webbody.errors import WebbodyError
from webbody.libraries import Library, refuse_unsafe
from webbody.library_environment import import_ultralytics

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("needed", "installed", "fits"),
    [
        (">=13", "13.0.0", True),
        (">=13", "12.3.0", False),
        (">=8.4.67,<9", "8.4.0", False),
        (">=8.4.67,<9", "9.0.1", False),
        (">=2.11", "2.12.0.dev20260101+cu130", True),
        ("", "0.1", True),
        (">=1", None, False),
    ],
)
def test_whether_a_library_fits(needed: str, installed: str | None, fits: bool):
    assert Library("x", "", needed, installed).fits is fits


def test_every_library_of_this_environment_fits():
    found = list(libraries.libraries())
    assert {"torch", "pillow", "ray", "ultralytics"} <= {library.name for library in found}
    assert [library for library in found if not library.fits] == []


def test_a_library_for_gpus_stands_for_the_one_without(monkeypatch: pytest.MonkeyPatch):
    real = metadata.version

    def found(name: str) -> str:
        if name == "onnxruntime":
            raise metadata.PackageNotFoundError(name)
        return "1.31.1" if name == "onnxruntime-gpu" else real(name)

    monkeypatch.setattr(metadata, "version", found)
    (runtime,) = (one for one in libraries.libraries() if one.name == "onnxruntime")
    assert runtime.installed == "1.31.1" and runtime.fits
    monkeypatch.setattr(metadata, "version", lambda name: found(name.removesuffix("-gpu")))
    (runtime,) = (one for one in libraries.libraries() if one.name == "onnxruntime")
    assert runtime.installed is None


@pytest.mark.parametrize("name", ["pillow", "ultralytics"])
def test_an_old_library_that_reads_files_of_strangers_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda of: "1.0" if of == name else real(of))
    with pytest.raises(WebbodyError, match=f"{name} 1.0 is installed.*: install {name}>="):
        refuse_unsafe()


def test_an_old_library_that_reads_nothing_is_not(monkeypatch: pytest.MonkeyPatch):
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda of: "1.0" if of == "rich" else real(of))
    refuse_unsafe()


@pytest.mark.parametrize(
    ("name", "attacked"),
    [("ultralytics", "8.4.0"), ("ultralytics", "8.4.66"), ("pillow", "11.0.0"), ("pillow", "12.3")],
)
def test_h1_and_h6_bounds_leave_out_the_versions_that_were_attacked(name: str, attacked: str):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    needed = [*project["dependencies"], *(need for extra in extras for need in extra)]
    bounds = [Requirement(need) for need in needed if re.match(rf"{name}\b(?!-)", need)]
    assert bounds
    assert not any(bound.specifier.contains(attacked) for bound in bounds)


def test_a_loader_that_runs_code_is_found_out():
    assert not quiet._runs_no_code(lambda file: torch.load(file, weights_only=False))
    assert quiet._runs_no_code(lambda file: torch.load(file, weights_only=True))


@pytest.mark.parametrize("switch", [None, False])
def test_an_ultralytics_that_does_not_know_or_has_not_read_the_switch_is_refused(
    switch: bool | None, monkeypatch: pytest.MonkeyPatch
):
    utils = import_ultralytics().utils
    if switch is None:
        monkeypatch.delattr(utils, "SAFE_LOAD")
    else:
        monkeypatch.setattr(utils, "SAFE_LOAD", switch)
    with pytest.raises(WebbodyError, match="would run code out of checkpoints"):
        import_ultralytics()


def test_an_ultralytics_that_falls_back_is_refused(monkeypatch: pytest.MonkeyPatch):
    import_ultralytics()
    from ultralytics.nn import tasks

    def falls_back(file: Path) -> object:
        return torch.load(file, weights_only=False)

    monkeypatch.setattr(tasks, "torch_safe_load", falls_back)
    with pytest.raises(WebbodyError, match="would run code out of checkpoints"):
        import_ultralytics()


class _Runs:
    """Pickled, it writes a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (Path.write_text, (self.mark, "ran"))


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "old pickle"])
@pytest.mark.parametrize("nested", [False, True])
def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, legacy: bool, nested: bool):
    mark, file = tmp_path / "mark", tmp_path / "model.pt"
    content = _Runs(mark)
    torch.save(
        {"model": content, "train_args": {}} if nested else content,
        file,
        _use_new_zipfile_serialization=not legacy,
    )
    ultralytics = import_ultralytics()
    with pytest.raises((TypeError, pickle.UnpicklingError)):
        ultralytics.YOLO(file)
    assert not mark.exists()
