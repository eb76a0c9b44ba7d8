"""One writer at a time: a build folder's lease, which its holder renews as long as it lives.

Whether the holder lives is asked without anybody's clock: on the same machine by its process,
elsewhere by waiting for the next sign of life. Of several who come at once one makes the file; of
several who find a holder dead, the one who makes the file that is called after it.
"""

import getpass
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from webbody.errors import WebbodyError
from webbody.lease_holder import LEASE as LEASE
from webbody.lease_holder import MISSED, Holder, beat_of, claim_on, lives_here, read_holder
from webbody.processes import this_process
from webbody.storage import Folder


class Lease:
    """The right to write in a folder. `refuse_if_held`, then `take` before the first write.

    Args:
        folder: What is written in.
        beat: Seconds between two signs of life.
        on_wait: Gets a sentence where another holder's sign of life is waited for.
    """

    def __init__(
        self,
        folder: Folder,
        beat: float | None = None,
        on_wait: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._folder, self._on_wait = folder, on_wait
        self._beat = beat or beat_of(folder)
        self._own: Holder | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._taken_over: Holder | None = None

    @property
    def key(self) -> str:
        """By which this lease is known while it is held; "" before."""
        return self._own.key if self._own else ""

    def refuse_if_held(self) -> None:
        """WebbodyError where somebody else who is alive writes in the folder."""
        self._refuse(read_holder(self._folder), LEASE)

    def take(self) -> None:
        """Hold the folder from now on; WebbodyError where another one does."""
        if self._own is not None:
            return
        found = read_holder(self._folder)
        if found is not None and found.is_here:
            return  # held for a larger piece of work that this is part of
        own = Holder(socket.gethostname(), str(this_process()), _user(), secrets.token_hex(8))
        while not (self._folder.create_bytes(LEASE, own.content) or self._follow(own)):
            pass  # it was released, or is another's by now
        found = read_holder(self._folder)  # of a store without conditions the last to write has it
        if found is None or found.key != own.key:
            self.refuse_if_held()
        self._own = own
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def _follow(self, own: Holder) -> bool:
        """Take the folder over from a holder that is no more; False where it has changed hands."""
        folder = self._folder
        dead = last = read_holder(folder)
        self._refuse(last, LEASE)
        claim = claim_on(last)
        while not folder.create_bytes(claim, own.content):
            last = read_holder(folder, claim)  # who was about to follow, and may have ended, too
            if last is None and folder.size(claim) is None:
                return False
            self._refuse(last, claim)
            if claim_on(last) == claim:
                raise WebbodyError(f"{folder.path(claim)} cannot be read: remove it.")
            claim = claim_on(last)
        if folder.size(LEASE) is None or read_holder(folder) != dead:
            folder.remove(claim)
            return False
        folder.cache_bytes(LEASE, own.content)
        for name in folder.names():
            if name.startswith(f"{LEASE}."):
                folder.remove(name)
        return True

    def _refuse(self, holder: Holder | None, file: str) -> None:
        if holder is not None and self._lives(holder, file):
            raise WebbodyError(
                f"{self._folder.url} is being written by {holder.name}: wait for its end, or "
                "choose another --out."
            )

    def check(self) -> None:
        """WebbodyError where the folder was taken over while this process stood still."""
        if self._taken_over is not None:
            raise WebbodyError(
                f"{self._folder.url} was taken over by {self._taken_over.name} while this process "
                "gave no sign of life; what it committed is kept."
            )

    def release(self) -> None:
        """Let the next one in."""
        if self._own is None:
            return
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with suppress(OSError, WebbodyError):
            found = read_holder(self._folder)
            if found is not None and found.key == self._own.key:
                self._folder.remove(LEASE)
        self._own = None

    def _renew(self) -> None:
        assert self._own is not None
        own, beat = self._own, 0
        while not self._stop.wait(self._beat):
            beat += 1
            # A disk that is full or away for a moment is told by what is built there.
            with suppress(OSError, WebbodyError):
                found = read_holder(self._folder)
                if found is not None and found.key != own.key:
                    self._taken_over = found
                    return
                self._folder.cache_bytes(LEASE, replace(own, beat=beat).content)

    def _lives(self, holder: Holder, file: str) -> bool:
        if self._own is not None and holder.key == self._own.key:
            return False
        if holder.is_here:
            return False
        if (known := lives_here(holder)) is not None:
            return known
        patience = self._beat * MISSED
        self._on_wait(
            f"{self._folder.url} was last written by {holder.name}; waiting up to {patience:.0f} s "
            "for a sign of its life."
        )
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            time.sleep(min(1.0, self._beat))
            found = read_holder(self._folder, file)
            if found is None:
                return False
            if (found.key, found.beat) != (holder.key, holder.beat):
                return True
        return False


@contextmanager
def writing(folder: Folder) -> Iterator[None]:
    """Hold a folder while the block runs; WebbodyError where another process writes in it."""
    lease = Lease(folder)
    lease.take()
    try:
        yield
    finally:
        lease.release()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a number without a name, as in containers
        return str(os.getuid())
