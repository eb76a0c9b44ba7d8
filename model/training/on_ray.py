"""A run in the workers of Ray Train, which restarts all of them when one dies.

They resume from the run's own checkpoints, in its folder, which all machines must share.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from model.training.monitoring.progress import TrainingProgress
from model.training.parts import PutTogether, Say
from model.training.sapiensid_run import put_together
from model.training.start import start
from model.training.stopping import stop_requested
from webbody.errors import WebbodyError

_POLL_SECONDS = 0.3
#: The sections, and the settings in them, that name files.
_SECTIONS = ("data", "validation", "model")
_PATHS = {"sources", "images", "gallery", "queries", "start"}
_BEGUN, _SAY, _REPORT, _FAILED, _ENDED = "begun", "say", "report", "failed", "ended"


def start_on_ray(
    settings: Mapping[str, Any],
    say: Say,
    report: Callable[[TrainingProgress], None],
    parts_of: PutTogether = put_together,
) -> bool:
    """Run `start` in `settings["ray"]["workers"]` processes of the connected Ray cluster.

    When a worker dies, all restart from the newest checkpoint, up to `restarts` times. SIGTERM
    stops the run with a checkpoint. Raises WebbodyError, also when a worker raised one, which is
    not retried.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    settings = _placed(settings, ray.cluster_resources())
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(WorkerMessages)
    messages = actor.options(num_cpus=0, scheduling_strategy=here).remote()
    relay = _MessageRelay(say, report)
    # Ray leaves a folder with a marker there, for checkpoints of its own.
    leftover = Path(settings["out"], "ray")
    try:
        with stop_requested() as requested:
            fit = _in_background(_trainer(settings, messages, leftover, parts_of).fit)
            stopping = done = False
            while not done:
                done = fit.done()
                for kind, what in ray.get(messages.receive.remote()):
                    relay.handle(kind, what)
                if requested() and not stopping:
                    stopping = ray.get(messages.stop.remote())
                if not done:
                    time.sleep(_POLL_SECONDS)
    finally:
        ray.kill(messages)
        shutil.rmtree(leftover, ignore_errors=True)
    return _outcome(fit, relay, settings)


class WorkerMessages:
    """Messages between the workers and the process that started them: a Ray actor."""

    def __init__(self) -> None:
        self._pending: list[tuple[str, Any]] = []
        self._failed = self._stop = False

    def send(self, kind: str, what: Any) -> None:
        """Add a message from a worker."""
        self._pending.append((kind, what))
        self._failed = self._failed or kind == _FAILED

    def receive(self) -> list[tuple[str, Any]]:
        """The messages since the last call."""
        pending, self._pending = self._pending, []
        return pending

    def failed(self) -> bool:
        """Whether a worker failed with an error that only the user can fix."""
        return self._failed

    def stop(self) -> bool:
        """Ask the workers to stop."""
        self._stop = True
        return True

    def stop_requested(self) -> bool:
        return self._stop


class _MessageRelay:
    """Passes the workers' messages to the callbacks of `start_on_ray`."""

    def __init__(self, say: Say, report: Callable[[TrainingProgress], None]) -> None:
        self._say, self._report = say, report
        self._begun = 0
        self.failure: str | None = None
        self.ended: bool | None = None

    def handle(self, kind: str, what: Any) -> None:
        if kind == _SAY:
            self._say(what)
        elif kind == _REPORT:
            self._report(what)
        elif kind == _FAILED:
            self.failure = self.failure or what
        elif kind == _ENDED:
            self.ended = what
        elif kind == _BEGUN:
            self._begun += 1
            if self._begun > 1:
                self._say("A worker died; all go on from the newest checkpoint.")


def _placed(settings: Mapping[str, Any], has: Mapping[str, float]) -> dict[str, Any]:
    """The settings for workers on other machines: a fixed device and absolute paths."""
    resources, cluster = settings["resources"], settings["ray"]
    device = resources["device"]
    if device == "auto":
        device = "cuda" if has.get("GPU") else "cpu"
    workers = cluster["workers"]
    cpus, gpus = workers * cluster["cpus"], workers if device == "cuda" else 0
    if cpus > has.get("CPU", 0) or gpus > has.get("GPU", 0):
        raise WebbodyError(
            f"{workers} workers need {cpus:g} CPUs and {gpus} GPUs, but Ray has "
            f"{has.get('CPU', 0):g} and {has.get('GPU', 0):g}: lower ray.workers or ray.cpus"
        )
    return {
        **settings,
        "out": _absolute(settings["out"]),
        "resources": {**resources, "device": device},
        **{name: _with_absolute(settings[name]) for name in _SECTIONS if name in settings},
    }


def _with_absolute(section: Mapping[str, Any]) -> dict[str, Any]:
    """A section whose settings that name files name them wherever the process runs."""
    found = dict(section)
    for name in _PATHS & set(section):
        value = section[name]
        found[name] = _absolute(value) if isinstance(value, str) else [*map(_absolute, value)]
    return found


def _absolute(path: str) -> str:
    if not path:
        return path
    return path if "://" in path else os.path.abspath(path)


def _trainer(
    settings: Mapping[str, Any], messages: Any, leftover: Path, parts_of: PutTogether
) -> Any:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    cluster = settings["ray"]
    return TorchTrainer(
        _work,
        train_loop_config={"settings": settings, "messages": messages, "parts_of": parts_of},
        scaling_config=ScalingConfig(
            num_workers=cluster["workers"],
            use_gpu=settings["resources"]["device"] == "cuda",
            resources_per_worker={"CPU": cluster["cpus"]},
        ),
        run_config=RunConfig(
            storage_path=str(leftover),
            failure_config=FailureConfig(max_failures=cluster["restarts"]),
        ),
    )


def _work(given: dict[str, Any]) -> None:
    """Train in a Ray worker, in which torch.distributed is initialised."""
    import ray
    from ray.train.torch import get_device

    messages, settings = given["messages"], given["settings"]
    if ray.get(messages.failed.remote()):
        # A worker raised its error so that the others do not wait; Ray then restarted all of them.
        return
    is_first = ray.train.get_context().get_world_rank() == 0

    def send(kind: str, what: Any) -> None:
        if is_first or kind == _FAILED:
            ray.get(messages.send.remote(kind, what))

    send(_BEGUN, None)
    resources = {**settings["resources"], "device": str(get_device())}
    try:
        ended = start(
            {**settings, "resources": resources},
            lambda text: send(_SAY, text),
            lambda progress: send(_REPORT, progress),
            lambda: is_first and ray.get(messages.stop_requested.remote()),
            given["parts_of"],
        )
    except WebbodyError as error:
        send(_FAILED, str(error))
        raise
    send(_ENDED, ended)


def _in_background(call: Callable[[], Any]) -> Future[Any]:
    """Call in a daemon thread, so that Ctrl-C interrupts the main thread at once."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _outcome(fit: Future[Any], relay: _MessageRelay, settings: Mapping[str, Any]) -> bool:
    if relay.failure is not None:
        raise WebbodyError(relay.failure)
    error = fit.exception()
    found = getattr(error, "worker_failures", {}).values()
    # A worker's own exception is re-raised; Ray's exceptions mean that a worker died.
    if any(type(one).__module__.startswith("ray.") for one in found):
        raise WebbodyError(
            f"a worker died (out of memory?), and Ray has started all again as often as "
            f"ray.restarts allows ({settings['ray']['restarts']}); run the same command again to "
            "go on from the newest checkpoint"
        ) from error
    if error is not None:
        raise error
    if relay.ended is None:
        raise RuntimeError("Ray's workers have ended without a result")
    return relay.ended
