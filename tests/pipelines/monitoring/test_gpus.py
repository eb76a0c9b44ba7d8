"""GPUs as NVML tells of them, with a library of the test; nothing where there is none."""

import sys
import types

import pytest

from pipelines.monitoring.gpus import GpuWatch


class Nvml(types.ModuleType):
    """A machine of three GPUs, two of them busy."""

    def __init__(self):
        super().__init__("pynvml")
        self.looks = 0

    def nvmlInit(self):
        pass

    def nvmlDeviceGetCount(self):
        return 3

    def nvmlDeviceGetHandleByIndex(self, number):
        return number

    def nvmlDeviceGetHandleByUUID(self, name):
        return {"GPU-cccccccc-1": 2}[name]

    def nvmlDeviceGetUUID(self, device):
        return f"GPU-{'abc'[device] * 8}-1"

    def nvmlDeviceGetUtilizationRates(self, device):
        self.looks += 1
        return types.SimpleNamespace(gpu=(0, 50, 90)[device])

    def nvmlDeviceGetMemoryInfo(self, device):
        return types.SimpleNamespace(used=device << 30, total=80 << 30)


@pytest.fixture
def nvml(monkeypatch):
    found = Nvml()
    monkeypatch.setitem(sys.modules, "pynvml", found)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return found


@pytest.fixture
def given(monkeypatch):
    """Ray has given this process GPUs."""
    ray = types.SimpleNamespace(is_initialized=lambda: True, get_gpu_ids=lambda: [0])
    monkeypatch.setitem(sys.modules, "ray", ray)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [("1", [50]), ("0,2", [0, 90]), ("GPU-cccccccc-1", [90]), ("", []), (None, [0, 50, 90])],
)
def test_a_worker_tells_of_the_gpus_that_it_has(nvml, given, monkeypatch, visible, expected):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [state["utilization"] for _, state in GpuWatch().due()] == expected


def test_what_is_told(nvml, given, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    counts = {"utilization": 50, "memory": 1 << 30, "memory_total": 80 << 30}
    assert GpuWatch().due() == [("GPU-bbbbbbbb", counts)]


def test_a_worker_without_gpus_asks_nobody(nvml, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    monkeypatch.setitem(sys.modules, "ray", None)
    assert GpuWatch().due() == [] and nvml.looks == 0


def test_they_are_looked_at_every_ten_seconds(nvml, given):
    times = [0.0]
    watch = GpuWatch(lambda: times[-1])
    looks = 0
    for second in range(100):
        times.append(float(second))
        looks += bool(watch.due())
    assert looks == 10 and nvml.looks == 30


def test_a_driver_that_fails_is_not_asked_again(nvml, given, monkeypatch):
    calls = []

    def fail():
        calls.append(1)
        raise RuntimeError("Driver/library version mismatch")

    monkeypatch.setattr(nvml, "nvmlInit", fail)
    watch = GpuWatch(lambda: 1000.0 * len(calls))
    assert [watch.due() for _ in range(5)] == [[]] * 5 and len(calls) == 1
