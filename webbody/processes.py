"""Processes of this machine, told apart for good: numbers alone are given out again."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_PROC = Path("/proc")
_STATE, _START = 0, 19  # fields of /proc/PID/stat after the program's name, see proc(5)


@dataclass(frozen=True)
class Process:
    """A process by its namespace (as of a container), number and time of start in ticks."""

    namespace: str
    pid: int
    start: str

    def __str__(self) -> str:
        return f"{self.namespace}-{self.pid}-{self.start}"

    @classmethod
    def parse(cls, text: str) -> "Process":
        """From its text; ValueError where it is none."""
        namespace, pid, start = text.split("-")
        return cls(namespace, int(pid), start)

    @property
    def is_alive(self) -> bool:
        """Whether it runs; meant for processes of this namespace."""
        return is_running(self.pid) and _stat(self.pid)[_START] == self.start


@lru_cache(maxsize=1)
def _namespace() -> str:
    """Numbers of processes mean something inside one namespace only."""
    try:
        return str((_PROC / "self/ns/pid").stat().st_ino)
    except OSError:
        return "0"


def this_process() -> Process:
    """This one."""
    pid = os.getpid()
    return Process(_namespace(), pid, _stat(pid)[_START])


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    return _stat(pid)[_STATE] not in ("", "Z", "X")


def program(pid: int) -> str:
    """The base name of a process's program; "" where it has ended."""
    try:
        first = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")[0]
    except OSError:
        return ""
    return os.path.basename(first.decode("utf-8", "replace"))


def with_variable(name: str) -> dict[int, str]:
    """The running processes whose environment began with a variable: number -> its value.

    Those of other users are not seen.
    """
    start = f"{name}=".encode()
    found = {}
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        if not entry.name.isdigit():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or is another user's
            continue
        for variable in variables:
            if variable.startswith(start) and is_running(int(entry.name)):
                found[int(entry.name)] = variable[len(start) :].decode("utf-8", "replace")
    return found


def _stat(pid: int) -> list[str]:
    try:
        text = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return [""] * (_START + 1)
    return text.rpartition(")")[2].split()
