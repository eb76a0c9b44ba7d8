"""Ray: starting or joining it, and sending shards through a chain of stages with Ray Data."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

from pipelines.engine import preflight
from pipelines.engine.graph import StageTask
from pipelines.engine.worker import Board, Event, Worker
from webbody.config import Resources, StageResources
from webbody.errors import WebbodyError
from webbody.working_folder import worker_environment

# Ray reads these when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
# Ray's habit is 15: beside another busy program a build would come almost to a stop.
os.environ.setdefault("RAY_worker_niceness", "0")

_OBJECT_STORE_BYTES = 256 << 20  # only shard descriptors pass through it
_POLL_SECONDS = 0.3


class Cluster:
    """A Ray connection for one run: joins `ray_address` or RAY_ADDRESS, else starts a local Ray."""

    def __init__(self, resources: Resources) -> None:
        import ray

        self._ray: Any = ray
        self.resources = resources
        self._started = not ray.is_initialized()
        address = resources.ray_address or os.environ.get("RAY_ADDRESS")
        if self._started:
            local = (
                {}
                if address
                else {
                    "num_cpus": resources.cpus,
                    "object_store_memory": _OBJECT_STORE_BYTES,
                    "include_dashboard": False,
                }
            )
            try:
                with _without_stderr():
                    self._ray.init(
                        address=address,
                        logging_level="ERROR",
                        log_to_driver=False,
                        runtime_env={
                            "env_vars": worker_environment(),
                            "worker_process_setup_hook": "webbody.working_folder.begin_worker",
                        },
                        **local,
                    )
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise WebbodyError(
                    f"Cannot start or join Ray at {address or 'this machine'} "
                    f"({str(error).splitlines()[0]}); check --ray-address."
                ) from error
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.max_errored_blocks = -1  # what is lost with a machine is reported, not fatal
        for name in ("ray.data", "ray"):
            logging.getLogger(name).setLevel(logging.ERROR)

    def run_chain(
        self,
        stages: list[tuple[StageTask, StageResources]],
        rows: list[dict[str, Any]],
        out: str,
        hear: Callable[[Event], None],
    ) -> list[dict[str, Any]]:
        """Send rows through the stages, which overlap; the rows that came out at the end."""
        data = self._ray.data.from_items(rows, override_num_blocks=len(rows))
        with self._board(hear) as board:
            for task, resources in stages:
                least, most = resources.workers
                data = data.map(
                    Worker,
                    fn_constructor_args=(task, out, (), board, self.resources.retries),
                    compute=self._ray.data.ActorPoolStrategy(
                        min_size=min(least, len(rows)), max_size=max(1, min(most, len(rows)))
                    ),
                    num_cpus=resources.cpus,
                    num_gpus=resources.gpus,
                )
            return list(data.iter_rows())

    def problems(self, stages: list[tuple[StageTask, StageResources]]) -> dict[str, str]:
        """What keeps stages from starting where they would run: name -> a sentence."""
        running = [
            # A process of its own, which ends with its models and its GPU memory.
            self._ray.remote(num_cpus=cpus, num_gpus=gpus, max_calls=1, max_retries=0)(
                preflight.problems
            ).remote(tasks)
            for tasks, cpus, gpus in preflight.groups(stages)
        ]
        try:
            return {name: text for part in self._ray.get(running) for name, text in part.items()}
        except self._ray.exceptions.RayError as error:
            names = ", ".join(task.node.name for task, _ in stages)
            raise WebbodyError(
                f"The process that loads the models of {names} died ({_first_line(error)}); give "
                "it more memory, or smaller models."
            ) from error

    def run_once(
        self,
        task: StageTask,
        resources: StageResources,
        row: dict[str, Any],
        out: str,
        shards: tuple[str, ...],
        hear: Callable[[Event], None],
    ) -> dict[str, Any]:
        """Run a stage that looks at the whole build, as one Ray task."""
        with self._board(hear) as board:
            run = self._ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus)(_once)
            ended: dict[str, Any] = self._ray.get(run.remote(task, out, shards, board, row))
            return ended

    @contextlib.contextmanager
    def _board(self, hear: Callable[[Event], None]) -> Iterator[Any]:
        """A board whose events reach `hear` while the block runs."""
        board = self._ray.remote(num_cpus=0)(Board).remote()
        stop = threading.Event()

        def poll() -> None:
            while not stop.wait(_POLL_SECONDS):
                for event in self._ray.get(board.take.remote()):
                    hear(event)

        thread = threading.Thread(target=poll, daemon=True)
        thread.start()
        try:
            yield board
        finally:
            stop.set()
            thread.join()
            for event in self._ray.get(board.take.remote()):
                hear(event)
            self._ray.kill(board)

    def close(self) -> None:
        """Leave Ray, and stop it if this run started it."""
        if self._started:
            self._ray.shutdown()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _once(
    task: StageTask, out: str, shards: tuple[str, ...], board: Any, row: dict[str, Any]
) -> dict[str, Any]:
    return Worker(task, out, shards, board)(row)


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    """Hide what Ray's C++ part prints while it starts; errors come as exceptions all the same."""
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
