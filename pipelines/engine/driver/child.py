"""The driver process: `python -m pipelines.engine.driver.child SOCKET`, started by `process`."""

import os
import queue
import sys
import threading
import traceback
from multiprocessing.connection import Connection

from pipelines.engine import run_processes
from pipelines.engine.cluster import Cluster
from pipelines.engine.driver.messages import (
    Failed,
    LostRay,
    News,
    Ready,
    Refused,
    Request,
    Returned,
)
from pipelines.engine.executor import ExecutorLost
from pipelines.engine.worker import Event
from pipelines.monitoring.metrics import BuildMetrics
from webbody.config import Resources
from webbody.errors import WebbodyError


class Driver:
    """Answers the requests of one build, until that closes the connection or ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._requests: queue.Queue[Request | None] = queue.Queue()

    def run(self) -> None:
        """Start Ray with the resources that come first, then answer; returns at `close`."""
        resources: Resources = self._connection.recv()
        try:
            cluster = Cluster(resources)
        except WebbodyError as error:
            self._send(Refused(str(error)))
            return
        self._send(Ready())
        threading.Thread(target=self._receive, args=(cluster,), daemon=True).start()
        while (request := self._requests.get()) is not None:
            self._send(self._answer(cluster, request))
        cluster.close()

    def _answer(self, cluster: Cluster, request: Request) -> Returned | Refused | LostRay | Failed:
        arguments = request.arguments
        if request.method != "problems":
            arguments = (*arguments, self._on_event)
        try:
            return Returned(getattr(cluster, request.method)(*arguments))
        except ExecutorLost as error:
            return LostRay(str(error))
        except WebbodyError as error:
            return Refused(str(error))
        except Exception:  # told in the build's own process, which raises it
            return Failed(traceback.format_exc())

    def _on_event(self, event: Event) -> None:
        self._send(News(event))

    def _send(self, message: object) -> None:
        with self._sending:
            self._connection.send(message)

    def _receive(self, cluster: Cluster) -> None:
        """Hand requests on; when the build is gone, end everything that was started for it."""
        try:
            while True:
                message = self._connection.recv()
                if isinstance(message, BuildMetrics):  # while a request runs
                    cluster.show(message)
                else:
                    self._requests.put(message)
        except (EOFError, OSError):
            run_processes.end(os.environ[run_processes.MARK])
            os._exit(1)


if __name__ == "__main__":
    Driver(Connection(int(sys.argv[1]))).run()
