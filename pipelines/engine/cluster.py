"""Ray in this process: starting or joining it, and sending shards through stages with Ray Data."""

import contextlib
import logging
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from typing import IO, Any
from urllib.parse import urlsplit

from pipelines.base.stage import ALL
from pipelines.engine import preflight
from pipelines.engine.executor import Assignment, ExecutorLost, OnEvent, Stages
from pipelines.engine.graph import StageTask
from pipelines.engine.placement import Capacity, check_placement
from pipelines.engine.rows import Row, row_of
from pipelines.engine.stalls import PATIENCE, NodeWatch, StallWatch, waited
from pipelines.engine.worker import Event, SharedState, Worker
from pipelines.monitoring.metrics import BuildMetrics
from pipelines.monitoring.ray_series import RaySeries
from webbody.config import Resources
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
_STATE_SECONDS = 60.0
_ANSWER_SECONDS = 10.0


class Cluster:
    """A Ray connection for one run (an Executor).

    It joins `ray_address` or RAY_ADDRESS, uses the Ray that this process has already, or starts a
    local one.
    """

    def __init__(self, resources: Resources) -> None:
        import ray

        self._ray: Any = ray
        self._retries = resources.retries
        self._series: RaySeries | None = None
        self._started = not ray.is_initialized()
        address = resources.ray_address or os.environ.get("RAY_ADDRESS")
        if self._started:
            self._start(address, resources.cpus)
        self._joined = bool(address) or not self._started
        # Asked once: later, without a connection, Ray would answer this by starting another one.
        here = ray.get_runtime_context()
        self._job = ray.JobID.from_hex(here.get_job_id())
        self._node = NodeWatch(here.get_node_id(), self._alive)
        self._node.begin()
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.max_errored_blocks = -1  # rows that are lost with a machine are sent again
        for name in ("ray.data", "ray"):
            logging.getLogger(name).setLevel(logging.ERROR)

    def _start(self, address: str | None, cpus: int | None) -> None:
        if address:
            _refuse_silent(address)
        local = {
            "num_cpus": cpus,
            "object_store_memory": _OBJECT_STORE_BYTES,
            "include_dashboard": False,
        }
        with tempfile.TemporaryFile() as said:
            try:
                with _stderr_into(said):
                    self._ray.init(
                        # Without an address Ray joins whatever else runs on this machine.
                        address=address or "local",
                        logging_level="ERROR",
                        log_to_driver=False,
                        runtime_env={
                            "env_vars": worker_environment(),
                            "worker_process_setup_hook": "webbody.working_folder.begin_worker",
                        },
                        **({} if address else local),
                    )
            except (OSError, RuntimeError, ValueError, self._ray.exceptions.RayError) as error:
                raise WebbodyError(_cannot_start(address, error, said)) from error

    def run_chain(self, stages: Stages, rows: list[Row], out: str, on_event: OnEvent) -> list[Row]:
        """Send rows through the stages, which overlap; the rows that came out at the end."""
        capacity = Capacity.of(self._ray)
        if warning := check_placement(stages, capacity, fixed=not self._joined):
            on_event(warning)
        watch = StallWatch(self._restarting)

        def listen(event: Event) -> None:
            watch.hear()
            on_event(event)

        with self._reaching():
            data = self._ray.data.from_items(rows, override_num_blocks=len(rows))
            with self._shared_state(listen) as state:
                for task, resources in stages:
                    least, most = resources.workers
                    data = data.map(
                        _named_worker(task.node.name),
                        fn_constructor_args=(task, out, (), state, self._retries),
                        compute=self._ray.data.ActorPoolStrategy(
                            min_size=min(least, len(rows)), max_size=max(1, min(most, len(rows)))
                        ),
                        num_cpus=resources.cpus,
                        num_gpus=resources.gpus,
                    )
                return waited(lambda: list(data.iter_rows()), lambda: self._check(watch))

    def _restarting(self) -> list[str]:
        """The workers of this run that Ray wants to start again, and has not."""
        from ray._private.state import state

        try:
            return list(state.actor_table(None, self._job, "RESTARTING"))
        except Exception:  # of whatever kind: the head does not answer, which NodeWatch sees
            return []

    def _alive(self) -> list[str]:
        """The nodes of the cluster that its head counts as alive."""
        return [node["NodeID"] for node in self._ray.nodes() if node["Alive"]]

    def problems(self, stages: Stages) -> dict[str, str]:
        """What keeps stages from starting where they would run: name -> a sentence."""
        check_placement(stages, Capacity.of(self._ray), fixed=not self._joined)
        errors = self._ray.exceptions
        try:
            running = [
                # A process of its own, which ends with its models and its GPU memory.
                self._ray.remote(num_cpus=cpus, num_gpus=gpus, max_calls=1, max_retries=0)(
                    preflight.problems
                ).remote(tasks)
                for tasks, cpus, gpus in preflight.groups(stages)
            ]
            found = waited(lambda: self._ray.get(running), self._check)
            return {name: text for part in found for name, text in part.items()}
        except (errors.WorkerCrashedError, errors.OutOfMemoryError) as error:
            if not self._is_there():
                raise ExecutorLost(f"Ray is lost: {_first_line(error)}.") from error
            names = ", ".join(task.node.name for task, _ in stages)
            raise WebbodyError(
                f"The process that loads the models of {names} died ({_first_line(error)}); give "
                "it more memory, or smaller models."
            ) from error
        except errors.RayError as error:
            raise ExecutorLost(f"Ray is lost: {_first_line(error)}.") from error

    def run_once(
        self, stage: Assignment, out: str, shards: tuple[str, ...], on_event: OnEvent
    ) -> Row:
        """Run a stage that looks at the whole build, as one Ray task."""
        task, resources = stage
        with self._reaching(), self._shared_state(on_event) as state:
            run = self._ray.remote(num_cpus=resources.cpus, num_gpus=resources.gpus)(_once)
            named = run.options(name=task.node.name)  # in Ray's dashboard
            running = named.remote(task, out, shards, state)
            ended: Row = waited(lambda: self._ray.get(running), self._check)
            return ended

    def _check(self, watch: StallWatch | None = None) -> None:
        """Raise ExecutorLost where what is waited for cannot come any more."""
        if self._node.is_lost():
            raise ExecutorLost(
                f"Ray is lost: its head did not know this machine's node for {PATIENCE:.0f} s."
            )
        if watch is not None and watch.is_stalled():
            raise ExecutorLost(
                f"A worker that was lost found no room to start again for {PATIENCE:.0f} s, and "
                "the others wait for it."
            )

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """Tell apart what Ray lost and what is wrong."""
        try:
            yield
        except (self._ray.exceptions.RayError, ConnectionError) as error:
            raise ExecutorLost(f"Ray is lost: {_first_line(error)}.") from error

    def _is_there(self) -> bool:
        try:
            return bool(self._ray.get(self._ray.put(True), timeout=5))
        except Exception:  # of whatever kind: it does not answer
            return False

    @contextlib.contextmanager
    def _shared_state(self, on_event: OnEvent) -> Iterator[Any]:
        """What all workers share, whose events reach `on_event` while the block runs.

        It stays on the driver's own node, as the loss of any other must not take it away, and is
        started again where its process dies.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = self._ray.get_runtime_context().get_node_id()
        state = (
            self._ray.remote(SharedState)
            .options(
                num_cpus=0,
                max_restarts=-1,
                max_task_retries=3,
                scheduling_strategy=NodeAffinitySchedulingStrategy(here, soft=False),
            )
            .remote()
        )
        stop = threading.Event()

        def deliver() -> None:
            try:
                events = self._ray.get(state.take.remote(), timeout=_STATE_SECONDS)
            except self._ray.exceptions.RayError:  # events are news, not results
                return
            for event in events:
                on_event(event)

        def poll() -> None:
            while not stop.wait(_POLL_SECONDS):
                deliver()

        thread = threading.Thread(target=poll, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            stop.set()
            thread.join()
            deliver()
            with contextlib.suppress(self._ray.exceptions.RayError):
                self._ray.kill(state)

    def show(self, metrics: BuildMetrics) -> None:
        """Show metrics among Ray's own, which Prometheus reads."""
        if self._series is None:
            self._series = RaySeries()
        self._series.show(metrics)

    def close(self) -> None:
        """Leave Ray, and stop it if this run started it."""
        self._node.close()
        if self._started:
            self._ray.shutdown()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _refuse_silent(address: str) -> None:
    """WebbodyError where nobody listens at host:port, which Ray would try for minutes."""
    place = urlsplit(address if "://" in address else f"//{address}")
    try:
        if place.hostname and place.port:
            socket.create_connection((place.hostname, place.port), _ANSWER_SECONDS).close()
    except (OSError, ValueError) as error:
        raise WebbodyError(
            f"Cannot join Ray at {address} ({error}); check --ray-address, and that a cluster runs "
            "there."
        ) from error


def _cannot_start(address: str | None, error: Exception, said: IO[bytes]) -> str:
    """Why Ray cannot be started or joined, from its exception and what it printed."""
    said.seek(0)
    printed = said.read().decode("utf-8", "replace")
    text = f"{error}\n{printed}"
    if "authentication" in text.lower() or "unauthenticated" in text.lower():
        what = (
            "the cluster and this machine disagree about Ray's token: set RAY_AUTH_MODE (disabled, "
            "or token with RAY_AUTH_TOKEN) as the cluster was started with"
        )
    elif "version" in text.lower() and "mismatch" in text.lower():
        what = "run the same versions of Ray and Python here as on the cluster"
    elif address:
        what = "check --ray-address, and that a cluster runs there"
    else:
        what = "end other Rays of this machine with `ray stop`, or give it room in memory and /tmp"
    return (
        f"Cannot start or join Ray at {address or 'this machine'} ({_first_line(error)}); {what}."
    )


def _named_worker(stage: str) -> type[Worker]:
    """A class by whose name Ray's dashboard calls the operator and its actors."""
    return type(stage, (Worker,), {})


def _once(task: StageTask, out: str, shards: tuple[str, ...], state: Any) -> Row:
    return Worker(task, out, shards, state)(row_of(ALL))


@contextlib.contextmanager
def _stderr_into(file: IO[bytes]) -> Iterator[None]:
    """Keep what Ray's C++ part prints while it starts off the terminal."""
    saved = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
