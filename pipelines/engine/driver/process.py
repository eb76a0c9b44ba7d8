"""Ray's driver in a process of its own, as the build sees it."""

import logging
import math
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from pipelines.engine import run_processes
from pipelines.engine.driver.messages import (
    Failed,
    LostRay,
    News,
    Ready,
    Refused,
    Request,
    Returned,
)
from pipelines.engine.executor import Assignment, ExecutorLost, OnEvent, Stages
from pipelines.engine.rows import Row
from pipelines.monitoring.metrics import BuildMetrics
from webbody.config import Resources
from webbody.errors import WebbodyError
from webbody.processes import is_running
from webbody.redaction import redacted
from webbody.working_folder import worker_environment

#: Programs of Ray without which nothing goes on; the loss of one is found by looking at it.
_VITAL = ("gcs_server", "raylet")
_LOOK_SECONDS = 1.0
#: Seconds in which Ray starts, or answers, on a machine that is very busy.
_START = 180.0
#: Seconds in which Ray stops by itself, before what is left of it is ended.
_GOODBYE = 10.0
_LOG = logging.getLogger(__name__)


class DriverProcess:
    """A Cluster in a process of its own (an Executor).

    Where Ray's head dies it takes its driver along, or leaves it waiting; the build itself lives
    on. Everything that the process starts bears a mark, and is gone after `close`.

    Raises:
        WebbodyError: Ray cannot be started or joined.
    """

    def __init__(self, resources: Resources) -> None:
        self._mark = run_processes.new_mark()
        mine, theirs = socket.socketpair()
        self._said = tempfile.TemporaryFile()
        environment = {
            **os.environ,
            **worker_environment(),
            run_processes.MARK: self._mark,
            "PYTHONSAFEPATH": "1",
        }
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.engine.driver.child", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=self._said,
                start_new_session=True,  # Ctrl-C is the build's; the driver ends after it
            )
        self._connection = Connection(mine.detach())
        self._vital: list[int] = []
        self._closed = self._busy = False
        try:
            self._send(resources)
            self._receive(lambda event: None, time.monotonic() + _START)
            self._vital = run_processes.programs(self._mark, _VITAL)
        except BaseException:
            self._end()
            raise

    def run_chain(self, stages: Stages, rows: list[Row], out: str, on_event: OnEvent) -> list[Row]:
        """Send rows through the stages, which overlap; the rows that came out at the end."""
        ended: list[Row] = self._ask(on_event, "run_chain", stages, rows, out)
        return ended

    def run_once(
        self, stage: Assignment, out: str, shards: tuple[str, ...], on_event: OnEvent
    ) -> Row:
        """Run a stage that looks at the whole build, as one Ray task."""
        ended: Row = self._ask(on_event, "run_once", stage, out, shards)
        return ended

    def problems(self, stages: Stages) -> dict[str, str]:
        """What keeps stages from starting where they would run: name -> a sentence."""
        found: dict[str, str] = self._ask(lambda event: None, "problems", stages)
        return found

    def show(self, metrics: BuildMetrics) -> None:
        """Pass metrics to the driver, which shows them in Ray."""
        with suppress(OSError):  # whether it is lost is found where its answer is waited for
            self._connection.send(metrics)

    def close(self) -> None:
        """Leave Ray, stop it if it was started here, and end every process of it."""
        if self._closed:
            return
        try:
            if not self._busy:  # it would go on with what is no longer waited for
                self._send(None)
                self._process.wait(_GOODBYE)
        except (ExecutorLost, subprocess.TimeoutExpired):
            pass  # it is ended in any case
        self._end()

    def _ask(self, on_event: OnEvent, method: str, *arguments: Any) -> Any:
        self._busy = True
        self._send(Request(method, arguments))
        value = self._receive(on_event)
        self._busy = False
        return value

    def _send(self, message: object) -> None:
        try:
            self._connection.send(message)
        except OSError as error:
            raise self._lost("Ray is lost: its driver process has ended.") from error

    def _receive(self, on_event: OnEvent, deadline: float = math.inf) -> Any:
        """Pass news on until the answer comes."""
        while True:
            try:
                while not self._connection.poll(_LOOK_SECONDS):
                    self._look()
                    if time.monotonic() > deadline:
                        raise WebbodyError(
                            f"Ray gave no answer in {_START:.0f} s; see whether what listens at "
                            "--ray-address is a cluster of this Ray's version whose head was not "
                            "started with --node-ip-address=127.0.0.1 (Ray joins no such head), "
                            "and `webbody doctor`."
                        )
                message = self._connection.recv()
            except (EOFError, OSError) as error:
                raise self._lost("Ray is lost: its driver process has ended.") from error
            match message:
                case News(event):
                    on_event(event)
                case Returned(value):
                    return value
                case Ready():
                    return None
                case Refused(sentence):
                    raise WebbodyError(sentence)
                case LostRay(reason):
                    raise self._lost(reason)
                case Failed(trace):
                    raise RuntimeError(f"in the driver process:\n{trace}")

    def _look(self) -> None:
        """Nothing is heard: whether those who should work are there."""
        for pid in self._vital:
            if not is_running(pid):
                raise self._lost("Ray is lost: a process of it has ended.")

    def _lost(self, reason: str) -> ExecutorLost:
        self._process.poll()
        self._said.seek(0)
        for line in self._said.read().decode("utf-8", "replace").splitlines()[-20:]:
            _LOG.warning("Ray's driver said: %s", redacted(line))
        self._end()
        return ExecutorLost(reason)

    def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._connection.close()
        self._process.kill()
        self._process.wait()
        self._said.close()
        started = time.monotonic()
        if left := run_processes.end(self._mark):
            _LOG.warning(
                "%d processes of Ray could not be ended in %.0f s",
                len(left),
                time.monotonic() - started,
            )
