"""Fetching model files by their libraries: once for a machine, and whole or not at all.

Libraries write where they like and take what is cut off for whole. So they write into a folder of
their own beside the cache, and what passes the checks is moved into place.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from webbody.errors import WebbodyError
from webbody.library_environment import cache_folder, import_ultralytics, quiet_libraries
from webbody.model_table import KEYPOINTS, PERSONS, ModelFile

#: How the folders begin in which files are while they are fetched.
_UNFINISHED = ".webbody-fetch-"


def fetch(
    model: ModelFile, location: Callable[[ModelFile], Path], check: Callable[[Path], None]
) -> None:
    """Fetch a model; one process of a machine at a time, those that waited find it there.

    Args:
        model: What to fetch.
        location: The path of a model's file in its library's cache.
        check: Raises WebbodyError where a file that was fetched is not what it should be.

    Raises:
        WebbodyError: It cannot be fetched, or what came is not it; nothing is left behind.
    """
    place = location(model)
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        with FileLock(cache_folder() / "fetch.lock"):
            if not location(model).exists():  # another process may have been first
                _fetch(model, place, check)
    except WebbodyError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise WebbodyError(
            f"The {model.backend} model {model.name} is not on this machine and cannot be fetched "
            f"from {model.source} ({reason[0][:160]}): run `webbody models fetch {model.name}` "
            f"where there is a network, or put the file at {place}, or give the path of another "
            "place in the configuration."
        ) from error


def by_rtmlib(model: ModelFile) -> bool:
    """Whether rtmlib fetches it: an ONNX file in an archive of its own."""
    return model.backend in (KEYPOINTS, PERSONS) and model.file.endswith(".onnx")


def _fetch(model: ModelFile, place: Path, check: Callable[[Path], None]) -> None:
    pack, _, name = model.file.rpartition("/")
    # Not in a pack's own folder, where its files are looked for in every folder below.
    cache = place.parent.parent if pack else place.parent
    cache.mkdir(parents=True, exist_ok=True)
    for left in cache.glob(f"{_UNFINISHED}*"):  # by a process that was killed: we hold the lock
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=cache) as folder:
        download(model, Path(folder))
        files = {file.name: file for file in Path(folder).rglob(f"*{place.suffix}")}
        if name not in files:
            raise WebbodyError(
                f"{model.source} was fetched, but holds no {name}; get the file by hand and put it "
                f"at {place}."
            )
        try:
            check(files[name])
        except WebbodyError as error:
            raise WebbodyError(
                f"{model.source} gave another file than {model.name} "
                f"({files[name].stat().st_size:,} bytes): it was cut off, or has changed; run "
                f"`webbody models fetch {model.name}` again, or get the file by hand and put it at "
                f"{place}."
            ) from error
        # A pack's other files are other models, which come with it.
        for file in files.values() if pack else [files[name]]:
            _publish(file, place.parent / file.name)


def _publish(file: Path, place: Path) -> None:
    """Move a whole file into place, unless one is there, so that it survives a power cut."""
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
    file.replace(place)


def download(model: ModelFile, folder: Path) -> None:
    """Let a model's library download it, with whatever else comes with it, below a folder."""
    quiet_libraries()
    if model.file.endswith(".pt") and model.backend == PERSONS:
        import_ultralytics()
        from ultralytics.utils.downloads import attempt_download_asset

        attempt_download_asset(str(folder / model.file))
    elif by_rtmlib(model):
        from rtmlib.tools.file import download_checkpoint

        download_checkpoint(model.source, str(folder))
    elif "/" in model.file:
        from insightface.utils import storage

        storage.download("models", model.name, root=str(folder))
    else:
        from torch.hub import download_url_to_file

        download_url_to_file(model.source, str(folder / model.file))
