"""The series: that every number of the metrics is among them, once, and only what is known."""

import math
from dataclasses import fields

from pipelines.monitoring import series
from pipelines.monitoring.metrics import BuildMetrics, GpuMetrics, StageMetrics
from pipelines.monitoring.ray_series import RaySeries
from pipelines.monitoring.series import ALL, points
from pipelines.monitoring.weights_and_biases import figures_of

TIME = "2026-01-02T03:04:05Z"
FULL = StageMetrics(
    shards=10, done=1, running=2, waiting=3, failed=4, rows_in=50, rows_out=40, bytes=600,
    seconds=7.5, retries=8, images_per_second=9.5, eta=11.5, outcomes={"face:none": 12},
    gpus={"GPU-12345678": GpuMetrics(0.13, 14, 15)},
)  # fmt: skip


def build(**stages):
    return BuildMetrics("data", "key", TIME, TIME, 1.0, 16, stages)


def test_every_number_is_a_point_of_its_own():
    found = list(points(build(faces=FULL)))
    values = [
        FULL.shards,
        *(getattr(FULL, field.name) for field in fields(FULL)[1:12]),
        12,
        0.13,
        14,
        15,
        16,
    ]
    assert sorted(point.value for point in found) == sorted(values)
    assert len({(point.series, point.labels) for point in found}) == len(found)
    assert {point.series for point in found} == set(ALL)
    assert all(len(point.labels) == len(point.series.labels) for point in found)


def test_names_are_as_prometheus_wants_them():
    assert len({one.name for one in ALL}) == len(ALL)
    for one in ALL:
        assert one.name.startswith("webbody_") and one.name.endswith("_total") == one.counts


def test_what_is_not_known_has_no_point():
    found = {point.series for point in points(build(faces=StageMetrics()))}
    absent = {series.PLANNED, series.IMAGES, series.ETA, series.OUTCOMES, series.GPU_BUSY}
    assert not found & absent


def test_the_dashboard_gets_numbers_by_stage_and_no_text_of_others():
    figures = figures_of(build(faces=FULL))
    assert figures["faces/shards/done"] == 1
    assert figures["faces/images_per_second"] == 9.5
    assert figures["faces/dropped_images/face:none"] == 12
    assert figures["restarts"] == 16
    assert not any("data" in name or "key" in name for name in figures)


class Metric:
    def __init__(self, name, help, labels):
        self.labels, self.values = labels, {}

    def _key(self, tags):
        assert set(tags) == set(self.labels)
        for value in tags.values():
            value.encode("ascii")  # Ray refuses any other
        return tuple(tags[label] for label in self.labels)

    def set(self, value, tags):
        self.values[self._key(tags)] = value

    def inc(self, value, tags):
        assert value > 0
        self.values[self._key(tags)] = self.values.get(self._key(tags), 0) + value


def shown_in_ray(monkeypatch):
    monkeypatch.setattr("ray.util.metrics.Gauge", Metric)
    monkeypatch.setattr("ray.util.metrics.Counter", Metric)
    shown = RaySeries()
    return shown, shown._metrics


def test_counters_grow_by_what_is_new_and_never_fall(monkeypatch):
    shown, metrics = shown_in_ray(monkeypatch)
    for rows in (5, 5, 3, 9):
        shown.show(build(faces=StageMetrics(rows_in=rows)))
        assert metrics["webbody_rows_in_total"].values == {("data", "faces"): max(rows, 5)}


def test_gauges_that_are_no_more_known_are_taken_away(monkeypatch):
    shown, metrics = shown_in_ray(monkeypatch)
    shown.show(build(faces=FULL))
    busy = metrics["webbody_gpu_utilization_ratio"].values
    assert busy == {("data", "faces", "GPU-12345678"): 0.13}
    shown.show(build(faces=StageMetrics()))
    assert all(map(math.isnan, busy.values()))
    shown.show(build(faces=FULL))
    assert list(busy.values()) == [0.13]


def test_any_text_can_be_a_label(monkeypatch, caplog):
    shown, metrics = shown_in_ray(monkeypatch)
    shown.show(build(faces=StageMetrics(outcomes={"custom:Gerät": 1})))
    assert list(metrics["webbody_dropped_images_total"].values.values()) == [1]
    assert not caplog.records


def test_a_ray_that_takes_no_metrics_costs_the_build_nothing(monkeypatch, caplog):
    shown, metrics = shown_in_ray(monkeypatch)
    metrics.clear()
    shown.show(build(faces=FULL))
    assert "Ray does not take metrics" in caplog.text
