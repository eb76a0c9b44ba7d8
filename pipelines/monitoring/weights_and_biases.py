"""A build's metrics at Weights & Biases, where they are asked for."""

import logging
from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path

from pipelines.monitoring.metrics import BuildMetrics
from pipelines.monitoring.series import points
from webbody import __version__
from webbody.scratch import scratch_folder
from webbody.storage import Folder

_ID = "wandb.id"
_LOG = logging.getLogger(__name__)


def open_dashboard(
    folder: Folder, project: str, note: Callable[[str], None]
) -> "BuildDashboard | None":
    """The dashboard of a build; None, and a note, where there is nothing to send with.

    Raises WebbodyError where Weights & Biases refuses.
    """
    if find_spec("wandb") is None:
        note("resources.wandb is not used, as wandb is not installed (pip install wandb).")
        return None
    dashboard = BuildDashboard(folder, project)
    if dashboard.url:
        note(f"The figures of this build are shown at {dashboard.url}")
    return dashboard


class BuildDashboard:
    """A run of a project, which a resumed build goes on with; it gets numbers alone."""

    def __init__(self, folder: Folder, project: str) -> None:
        from model.training.monitoring.dashboards import WeightsAndBiases

        self._scratch = ExitStack()
        if folder.local:
            place = Path(folder.path())
            place.mkdir(parents=True, exist_ok=True)
        else:
            place = Path(self._scratch.enter_context(scratch_folder("wandb")))
            with suppress(FileNotFoundError):
                (place / _ID).write_bytes(folder.read(_ID))
        self._run = WeightsAndBiases(place, project, {"webbody": __version__}, figures_only=True)
        if not folder.local:
            folder.update_bytes(_ID, (place / _ID).read_bytes())

    @property
    def url(self) -> str:
        """Where the run is shown; "" offline."""
        return self._run.url

    def show(self, metrics: BuildMetrics) -> None:
        """A point for each number, called as the series of Prometheus."""
        try:
            self._run.add(figures_of(metrics), None)
        except Exception as error:  # of whatever kind: metrics never cost a build
            _LOG.warning("Weights & Biases does not take metrics: %s", error)

    def close(self) -> None:
        """Everything has been sent."""
        self._run.close()
        self._scratch.close()


def figures_of(metrics: BuildMetrics) -> dict[str, float]:
    """The numbers by names such as `persons/shards/done`."""
    return {
        "/".join((*point.labels[:1], point.series.title, *point.labels[1:])): point.value
        for point in points(metrics)
    }
