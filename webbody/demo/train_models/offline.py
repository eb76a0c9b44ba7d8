"""Importing ultralytics without its network habits."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import ModuleType

from webbody.library_environment import import_ultralytics


def offline_ultralytics(folder: Path) -> ModuleType:
    """Import ultralytics such that it neither looks for a network nor installs anything."""
    settings = folder / "settings"
    os.environ.update(
        YOLO_OFFLINE="true",
        YOLO_AUTOINSTALL="false",
        YOLO_CONFIG_DIR=str(settings),
        WANDB_MODE="disabled",
    )
    # It would fetch this font for its plots; any font that lies there will do.
    import matplotlib

    (settings / "Ultralytics").mkdir(parents=True, exist_ok=True)
    font = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    shutil.copyfile(font, settings / "Ultralytics/Arial.ttf")
    ultralytics = import_ultralytics()
    ultralytics.settings.update({"sync": False})
    return ultralytics
