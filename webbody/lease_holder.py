"""Who writes in a build folder, as `build.lease` in it tells, and whether they live."""

import json
import socket
from dataclasses import asdict, dataclass

from webbody.json_text import parse_json
from webbody.processes import Process, this_process
from webbody.storage import Folder

LEASE = "build.lease"
#: Seconds between two signs of life; each is one write.
_LOCAL_BEAT, _REMOTE_BEAT = 10.0, 30.0
#: Signs of life that may be missed before a holder is taken for lost.
MISSED = 3


@dataclass(frozen=True)
class Holder:
    """Who writes in a folder: host, process and user, a random key, and a count that grows."""

    host: str
    process: str
    user: str
    key: str
    beat: int = 0

    @property
    def name(self) -> str:
        """For sentences."""
        return f"process {Process.parse(self.process).pid} of {self.user} on {self.host}"

    @property
    def content(self) -> bytes:
        """As the file has it."""
        return (json.dumps(asdict(self)) + "\n").encode()

    @property
    def is_here(self) -> bool:
        """Whether it is this process."""
        return (self.host, self.process) == (socket.gethostname(), str(this_process()))


def beat_of(folder: Folder) -> float:
    return _LOCAL_BEAT if folder.local else _REMOTE_BEAT


def read_holder(folder: Folder, file: str = LEASE) -> Holder | None:
    """Who holds a folder; None where nobody does, or nobody can tell.

    file: instead of the lease one of those that `claim_on` names.
    """
    try:
        values = parse_json(folder.read(file))
        holder = Holder(**{name: values[name] for name in Holder.__dataclass_fields__})
        Process.parse(holder.process)
        return holder
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def lives_here(holder: Holder) -> bool | None:
    """Whether a process of this machine lives; None for those of other machines."""
    process = Process.parse(holder.process)
    if (holder.host, process.namespace) != (socket.gethostname(), this_process().namespace):
        return None
    return process.is_alive


def claim_on(holder: Holder | None) -> str:
    """The file that whoever follows a holder makes; None is one whose file nobody can read."""
    return f"{LEASE}.{holder.key if holder else 'unreadable'}"
