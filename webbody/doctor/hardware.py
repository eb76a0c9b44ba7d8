"""Cores, memory, open files and the GPU."""

import os
import resource
from collections.abc import Iterator

from webbody.config import BuildConfig
from webbody.doctor.diagnosis import OK, PROBLEM, WARNING, Diagnosis

_GB = 1e9
#: What a build of the defaults takes on a laptop: six workers with a model or a batch each.
_MEMORY_WANTED, _MEMORY_NEEDED = 8 * _GB, 3 * _GB
#: Beside the connections: shards, libraries, Ray's sockets.
_OTHER_FILES = 256


def cores(count: int | None = None) -> Iterator[Diagnosis]:
    """Cores that this process may use."""
    count = count or len(os.sched_getaffinity(0))
    advice = "" if count > 1 else "Stages will take turns; give the container or job more cores."
    yield Diagnosis(OK if count > 1 else WARNING, "cores", str(count), advice)


def memory(free: float | None = None) -> Iterator[Diagnosis]:
    """Memory in bytes that can be had without swapping, within the container's limit."""
    free = _free_memory() if free is None else free
    state = OK if free >= _MEMORY_WANTED else WARNING if free >= _MEMORY_NEEDED else PROBLEM
    advice = {
        OK: "",
        WARNING: "Lower resources.<stage>.workers to [1, 1] if workers die.",
        PROBLEM: "Workers will be killed: free some, or use a larger machine.",
    }[state]
    yield Diagnosis(state, "memory", f"{free / _GB:.1f} GB free", advice)


def _free_memory() -> float:
    with open("/proc/meminfo") as file:
        free = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable"))
    try:  # a container's own limit (cgroup v2)
        with (
            open("/sys/fs/cgroup/memory.max") as limit,
            open("/sys/fs/cgroup/memory.current") as used,
        ):
            return min(free, int(limit.read()) - int(used.read()))
    except (OSError, ValueError):  # no container, or "max"
        return free


def open_files(config: BuildConfig, limit: int | None = None) -> Iterator[Diagnosis]:
    """The limit on open files beside the connections of the download."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
    limit = 1 << 20 if limit == resource.RLIM_INFINITY else limit
    download = config.resources.download
    needed = download.threads + _OTHER_FILES
    text = f"{limit:,} open files, {download.threads} connections in a download worker"
    advice = f"Run `ulimit -n {max(4096, 2 * needed)}` first, or lower resources.download.threads."
    fits = limit >= needed
    yield Diagnosis(OK if fits else PROBLEM, "open files", text, "" if fits else advice)


def gpu(config: BuildConfig) -> Iterator[Diagnosis]:
    """CUDA as torch sees it, and what ONNX Runtime can use."""
    import torch

    cuda = torch.cuda.is_available()
    if cuda:
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        free = torch.cuda.mem_get_info()[0] / _GB
        yield Diagnosis(OK, "GPU", f"{', '.join(names)}; {free:.0f} GB free on the first")
    elif config.resources.device == "cuda":
        yield Diagnosis(
            PROBLEM,
            "GPU",
            "resources.device is cuda, but torch finds no CUDA device",
            "Set resources.device to auto, or fix the driver (see nvidia-smi).",
        )
    else:
        text = "none that torch can use: models run on the CPU"
        advice = "Enough for thousands of images; for millions use a machine with a GPU."
        yield Diagnosis(OK, "GPU", text, advice)
    yield from onnx_runtime(cuda)


def onnx_runtime(cuda: bool, providers: list[str] | None = None) -> Iterator[Diagnosis]:
    """Whether the stages whose models are ONNX files run where torch does."""
    if providers is None:
        import onnxruntime

        providers = onnxruntime.get_available_providers()
    if cuda and "CUDAExecutionProvider" not in providers:
        text = "has no CUDA provider: faces and keypoints run on the CPU"
        advice = "Put onnxruntime-gpu in the place of onnxruntime."
        yield Diagnosis(WARNING, "ONNX Runtime", text, advice)
    else:
        yield Diagnosis(OK, "ONNX Runtime", ", ".join(providers))
