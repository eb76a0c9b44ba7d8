"""Dashboards of other projects: TensorBoard on the disk, and Weights & Biases where asked for."""

import re
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

from model.training.monitoring.metric_log import Dashboard
from webbody.errors import WebbodyError
from webbody.redaction import redacted_json

#: A run's id, as it is made here.
_ID = re.compile("[0-9a-f]{12}")
#: Characters of an error of wandb.
_LONGEST = 200
#: Of wandb's settings those by which it sends what it was not given.
_FIGURES_ONLY: dict[str, Any] = {
    "console": "off",
    "disable_git": True,
    "host": "",
    "save_code": False,
    "silent": True,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
}


def open_dashboards(
    folder: Path, begin: int, project: str, settings: Mapping[str, Any], say: Callable[[str], None]
) -> list[Dashboard]:
    """TensorBoard, and Weights & Biases where there is a `project`: those that are installed.

    begin: steps that were done before. Says what cannot be shown. Raises WebbodyError where
    Weights & Biases refuses.
    """
    missing, opened = [], list[Dashboard]()
    if find_spec("tensorboard") is None:
        missing.append("tensorboard")
    else:
        opened.append(TensorBoard(folder / "tensorboard", begin))
    if find_spec("matplotlib") is None:
        missing.append("matplotlib")
    if project and find_spec("wandb") is None:
        missing.append("wandb")
    elif project:
        opened.append(WeightsAndBiases(folder, project, settings))
    if missing:
        say(f"Not installed, so not used: {', '.join(missing)} (pip install 'webbody[train]').")
    return opened


class TensorBoard:
    """Scalars in a folder for `tensorboard --logdir`; steps after `begin` are shown anew."""

    def __init__(self, folder: Path, begin: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # Hides what a run that was killed wrote after the checkpoint from which this one goes on.
        self._writer = SummaryWriter(str(folder), purge_step=begin + 1 if begin else 0)

    def add(self, figures: Mapping[str, float], step: int) -> None:
        """A point for each figure."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Everything is on the disk."""
        self._writer.close()


class WeightsAndBiases:
    """A run of a project at wandb; the folder remembers which, so that a resumed run goes on.

    figures_only: it gets nothing of the machine, the command line and what is printed.
    """

    def __init__(
        self,
        folder: Path,
        project: str,
        settings: Mapping[str, Any],
        figures_only: bool = False,
    ) -> None:
        import wandb

        name = folder / "wandb.id"
        try:
            known = name.read_text("utf-8", "replace").strip() if name.is_file() else ""
            if not _ID.fullmatch(known):  # there is none, or a kill or a full disk cut it off
                known = uuid4().hex[:12]
                name.write_text(known, encoding="utf-8")
            self._run = wandb.init(
                project=project,
                dir=str(folder),
                id=known,
                resume="allow",
                config=redacted_json(dict(settings)),
                settings=wandb.Settings(**_FIGURES_ONLY) if figures_only else None,
            )
        except (wandb.errors.Error, OSError, ValueError) as error:  # also of its own settings
            said = " ".join(str(error).split())[:_LONGEST]
            raise WebbodyError(
                f"Weights & Biases cannot be used ({said}): log in (`wandb login`), mend its "
                "settings, or leave out resources.wandb."
            ) from error

    def add(self, figures: Mapping[str, float], step: int | None) -> None:
        """A point for each figure; without a step they are those of the next one."""
        self._run.log(dict(figures), step=step)

    @property
    def url(self) -> str:
        """Where the run is shown; "" offline."""
        return self._run.url or ""

    def close(self) -> None:
        """Everything has been sent."""
        self._run.finish()
