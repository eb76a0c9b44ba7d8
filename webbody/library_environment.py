"""Environment of the model libraries: no telemetry, update checks or installs."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from webbody.errors import WebbodyError
from webbody.scratch import scratch_folder

_SWITCHES = {
    # ultralytics: no look at the network at import, no telemetry, no `pip install` by itself,
    # and checkpoints are read with torch's weights_only loader.
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "YOLO_VERBOSE": "false",
    "ULTRALYTICS_SAFE_LOAD": "true",
    # Trackers that ultralytics finds and reports to.
    "WANDB_MODE": "disabled",
    "COMET_MODE": "disabled",
    # huggingface_hub, with which timm fetches weights: no telemetry, errors alone.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_VERBOSITY": "error",
    # albumentations, which insightface imports, asks for its newest version.
    "NO_ALBUMENTATIONS_UPDATE": "1",
}


def cache_folder() -> Path:
    """This project's cache folder: WEBBODY_CACHE, or the user's cache folder.

    If neither is writable (a read-only home), a private temporary folder.
    """
    if chosen := os.environ.get("WEBBODY_CACHE"):
        return Path(chosen).expanduser()
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    folder = base / "webbody"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"webbody-{owner}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def quiet_libraries() -> None:
    """Set the switches that ultralytics, insightface, rtmlib and timm read when imported.

    Call it before importing them. The user's own values stay, except for safety switches.
    """
    for name, value in _SWITCHES.items():
        os.environ.setdefault(name, value)
    os.environ["ULTRALYTICS_SAFE_LOAD"] = _SWITCHES["ULTRALYTICS_SAFE_LOAD"]
    if "YOLO_CONFIG_DIR" not in os.environ:
        folder = cache_folder() / "ultralytics"
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["YOLO_CONFIG_DIR"] = str(folder)


def import_ultralytics() -> ModuleType:
    """ultralytics, quiet, loading checkpoints safely, and with Pillow left as it was.

    It puts its own function in the place of `Image.open`, which for a damaged picture installs
    packages, or fails with another error than Pillow's. Raises WebbodyError where it would run code
    out of checkpoints.
    """
    quiet_libraries()
    from PIL import Image

    opened = Image.open
    import ultralytics
    from ultralytics import utils
    from ultralytics.nn import tasks

    Image.open = opened
    if not (getattr(utils, "SAFE_LOAD", False) and _runs_no_code(tasks.torch_safe_load)):
        raise WebbodyError(
            f"ultralytics {ultralytics.__version__} would run code out of checkpoints (or was "
            "imported before webbody could forbid it): install 'ultralytics>=8.4.67,<9' and "
            "'torch>=2.11'."
        )
    return ultralytics


class _Trap:
    """An object in a checkpoint that notes when its code is run."""

    sprung = False

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return _spring, ()


def _spring() -> None:
    _Trap.sprung = True


@lru_cache(maxsize=1)
def _runs_no_code(load: Callable[[Path], object]) -> bool:
    """Whether a loader leaves code in a checkpoint alone: it is given such a checkpoint.

    Versions and switches do not say it: with an older torch ultralytics goes back to running
    what is in the file, without a word.
    """
    import torch

    _Trap.sprung = False
    with scratch_folder("trap") as folder, contextlib.suppress(Exception):
        file = Path(folder) / "trap.pt"
        torch.save({"model": _Trap()}, file)
        load(file)
    return not _Trap.sprung
