"""Whether Ray starts here, in a process of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

from webbody.doctor.diagnosis import OK, PROBLEM, WARNING, Diagnosis
from webbody.working_folder import HOME

_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1])\n"
    "from pipelines.engine.cluster import Cluster\n"
    "from webbody.config import Resources\n"
    "Cluster(Resources(cpus=1, ray_address=sys.argv[2] or None)).close()\n"
)
_SHARED_MEMORY = 300e6


def shared_memory(free: float | None = None) -> Iterator[Diagnosis]:
    """Room in /dev/shm, where Ray keeps what its processes share."""
    free = shutil.disk_usage("/dev/shm").free if free is None else free
    fits = free >= _SHARED_MEMORY
    advice = "" if fits else "Ray then uses /tmp, slowly: docker run --shm-size=2g"
    text = f"{free / 1e9:.2f} GB free in /dev/shm"
    yield Diagnosis(OK if fits else WARNING, "shared memory", text, advice)


def ray_start(address: str | None, seconds: float, program: str = _PROGRAM) -> Iterator[Diagnosis]:
    """Start a local Ray, or join the one at `address`, and leave it."""
    address = address or os.environ.get("RAY_ADDRESS", "")
    what = f"the cluster at {address}" if address else "a local Ray"
    command = [sys.executable, "-c", program, HOME, address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        advice = (
            "Look for a full /tmp, for processes of an old Ray (`ray stop`), or a busy machine."
        )
        yield Diagnosis(PROBLEM, "Ray", f"{what}: no start within {seconds:g} s", advice)
        return
    if done.returncode == 0:
        yield Diagnosis(OK, "Ray", f"{what} can be used")
        return
    reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    advice = "See --ray-address, Ray's own logs, and whether ports are forbidden."
    yield Diagnosis(PROBLEM, "Ray", f"{what}: {reason[:200]}", advice)
