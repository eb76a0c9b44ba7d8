"""A build's metrics among those of Ray, which each of its machines shows to Prometheus."""

import logging
import math
from typing import Any

from pipelines.monitoring.metrics import BuildMetrics
from pipelines.monitoring.series import ALL, Series, points

#: A series and the values of its labels but `build`.
_Key = tuple[Series, tuple[str, ...]]
_LOG = logging.getLogger(__name__)


class RaySeries:
    """The series of pipelines.monitoring.series in this process's Ray, as `ray_<name>`."""

    def __init__(self) -> None:
        from ray.util.metrics import Counter, Gauge

        self._metrics: dict[str, Any] = {
            series.name: (Counter if series.counts else Gauge)(
                series.name, series.help, ("build", *series.labels)
            )
            for series in ALL
        }
        self._last: dict[_Key, float] = {}

    def show(self, metrics: BuildMetrics) -> None:
        """Set every series; what is no more known is no more there."""
        try:
            self._show(metrics)
        except Exception as error:  # of whatever kind: metrics never cost a build
            _LOG.warning("Ray does not take metrics: %s", error)

    def _show(self, metrics: BuildMetrics) -> None:
        found: dict[_Key, float] = {(p.series, p.labels): p.value for p in points(metrics)}
        # Ray leaves out what is not a number.
        gone = {key: math.nan for key in self._last if key not in found and not key[0].counts}
        for key, value in {**found, **gone}.items():
            series, labels = key
            tags = dict(zip(series.labels, map(_ascii, labels), strict=True))
            tags["build"] = _ascii(metrics.build)
            metric, before = self._metrics[series.name], self._last.get(key, 0.0)
            if not series.counts:
                metric.set(value, tags)
            elif value > before:
                metric.inc(value - before, tags)
            else:
                continue
            self._last[key] = value
        for key in gone:
            del self._last[key]


def _ascii(text: str) -> str:
    """Ray takes no other text."""
    return text.encode("ascii", "backslashreplace").decode()
