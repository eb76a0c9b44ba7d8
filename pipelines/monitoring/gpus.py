"""How busy the GPUs of a worker are, as the driver of NVIDIA tells it (NVML)."""

import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

#: Seconds between two looks.
_INTERVAL = 10.0
_LOG = logging.getLogger(__name__)


class GpuWatch:
    """Looks at the GPUs that this process may use, every few seconds.

    A process that computes on none has none, and neither has one without NVIDIA's driver.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._next = clock, clock()
        self._nvml: Any = None
        self._devices: list[Any] | None = None

    def due(self) -> list[tuple[str, dict[str, int]]]:
        """Of each GPU its id, per cent of the time it was busy, bytes; [] until the next look."""
        if self._devices == [] or self._clock() < self._next:
            return []
        self._next = self._clock() + _INTERVAL
        try:
            if self._devices is None:
                self._open()
            return [self._look(device) for device in self._devices or ()]
        except Exception as error:  # metrics never cost a shard
            _LOG.info("the GPUs cannot be looked at: %s", error)
            self._devices = []
            return []

    def _open(self) -> None:
        chosen = _chosen(os.environ, sys.modules)
        if chosen == []:
            self._devices = []
            return
        import pynvml

        pynvml.nvmlInit()
        self._nvml = pynvml
        if chosen is None:
            numbers = range(pynvml.nvmlDeviceGetCount())
            self._devices = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in numbers]
        else:
            self._devices = [_device(pynvml, name) for name in chosen]

    def _look(self, device: Any) -> tuple[str, dict[str, int]]:
        memory = self._nvml.nvmlDeviceGetMemoryInfo(device)
        state = {
            "utilization": int(self._nvml.nvmlDeviceGetUtilizationRates(device).gpu),
            "memory": int(memory.used),
            "memory_total": int(memory.total),
        }
        return str(self._nvml.nvmlDeviceGetUUID(device))[:12], state


def _chosen(environment: Mapping[str, str], modules: Mapping[str, Any]) -> list[str] | None:
    """The names of the GPUs that a process computes on; None for all of the machine.

    Those that Ray gave it, or, where torch uses them, those that it sees.
    """
    ray, torch = modules.get("ray"), modules.get("torch")
    given = ray is not None and ray.is_initialized() and ray.get_gpu_ids()
    if not given and not (torch is not None and torch.cuda.is_initialized()):
        return []
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return None
    return [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]


def _device(nvml: Any, name: str) -> Any:
    """A GPU by number or by UUID, of which a part (MIG) is one, too."""
    if name.isdigit():
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    return nvml.nvmlDeviceGetHandleByUUID(name)
