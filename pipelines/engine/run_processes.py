"""The processes of one run: found by a mark in their environment, ended when the run is over.

Ray's workers do not always follow their raylet, and a killed driver ends nobody. What a run starts
inherits a variable that names the run's owner, so whoever comes later finds what was left behind.
"""

import itertools
import os
import signal
import time
from collections.abc import Callable

from webbody.processes import Process, program, this_process, with_variable

#: The environment variable that holds the mark.
MARK = "WEBBODY_RUN"

_PATIENCE = 10.0
_RUNS = itertools.count()


def new_mark() -> str:
    """A mark for what one run of this process starts: who owns it, and a number."""
    return f"{this_process()}:{next(_RUNS)}"


def find(mark: str) -> list[int]:
    """The processes with a mark, without this one."""
    return [p for p, found in with_variable(MARK).items() if found == mark and p != os.getpid()]


def programs(mark: str, names: tuple[str, ...]) -> list[int]:
    """The processes with a mark that run one of these programs."""
    return [pid for pid in find(mark) if program(pid) in names]


def end(mark: str, patience: float = _PATIENCE) -> list[int]:
    """End all processes with a mark, for good; those that are still there after `patience` s."""
    return _end(lambda: find(mark), patience)


def end_orphans() -> int:
    """End what runs of this user left behind that are no more themselves; how many those were."""
    found: set[int] = set()

    def orphans() -> list[int]:
        marked = with_variable(MARK).items()
        left = [pid for pid, mark in marked if pid != os.getpid() and _owner_is_gone(mark)]
        found.update(left)
        return left

    _end(orphans, _PATIENCE)
    return len(found)


def _end(find_them: Callable[[], list[int]], patience: float) -> list[int]:
    deadline = time.monotonic() + patience
    while left := find_them():
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return left


def _owner_is_gone(mark: str) -> bool:
    """Whether the process that a mark names is no more; False where it cannot be known."""
    try:
        owner = Process.parse(mark.partition(":")[0])
    except ValueError:
        return False
    return owner.namespace == this_process().namespace and not owner.is_alive
