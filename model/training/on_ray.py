"""A run in the workers of Ray Train, which starts all of them again where one has died.

What they go on from are the run's own checkpoints, in its folder, which all machines must share.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from model.training.builders import Say
from model.training.monitoring.progress import TrainingProgress
from model.training.start import start
from model.training.stopping import asked_to_stop
from webbody.errors import WebbodyError

_POLL_SECONDS = 0.3
_BEGUN, _SAY, _REPORT, _FAILED, _ENDED = "begun", "say", "report", "failed", "ended"


def start_on_ray(
    settings: Mapping[str, Any], say: Say, report: Callable[[TrainingProgress], None]
) -> bool:
    """`start` in `settings["ray"]["workers"]` processes of the Ray that this one has joined.

    A worker that dies takes the others along, and all go on from the newest checkpoint, up to
    `restarts` times. SIGTERM here stops the run with a checkpoint. Raises WebbodyError, also for
    one of a worker, which is not tried again.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    settings = _placed(settings, ray.cluster_resources())
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(WorkerMessages)
    board = actor.options(num_cpus=0, scheduling_strategy=here).remote()
    news = _News(say, report)
    # Ray leaves a folder with a marker there, for checkpoints of its own.
    leftover = Path(settings["out"], "ray")
    try:
        with asked_to_stop() as asked:
            fit = _in_background(_trainer(settings, board, leftover).fit)
            stopping = done = False
            while not done:
                done = fit.done()
                for kind, what in ray.get(board.take.remote()):
                    news.hear(kind, what)
                if asked() and not stopping:
                    stopping = ray.get(board.stop.remote())
                if not done:
                    time.sleep(_POLL_SECONDS)
    finally:
        ray.kill(board)
        shutil.rmtree(leftover, ignore_errors=True)
    return _outcome(fit, news, settings)


class WorkerMessages:
    """What the workers and the process that started them tell one another: a Ray actor."""

    def __init__(self) -> None:
        self._news: list[tuple[str, Any]] = []
        self._failed = self._stop = False

    def tell(self, kind: str, what: Any) -> None:
        """From the workers."""
        self._news.append((kind, what))
        self._failed = self._failed or kind == _FAILED

    def take(self) -> list[tuple[str, Any]]:
        """What they have told since the last call."""
        news, self._news = self._news, []
        return news

    def failed(self) -> bool:
        """Whether a worker has met something that only the user can mend."""
        return self._failed

    def stop(self) -> bool:
        """Asks the workers to stop."""
        self._stop = True
        return True

    def asked_to_stop(self) -> bool:
        return self._stop


class _News:
    """Passes on what workers tell."""

    def __init__(self, say: Say, report: Callable[[TrainingProgress], None]) -> None:
        self._say, self._report = say, report
        self._begun = 0
        self.failure: str | None = None
        self.ended: bool | None = None

    def hear(self, kind: str, what: Any) -> None:
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
    """The settings for workers elsewhere: a device, and no paths that depend on a folder."""
    resources, data, cluster = settings["resources"], settings["data"], settings["ray"]
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
    validation = {
        name: [_absolute(source) for source in settings["validation"][name]]
        for name in ("gallery", "queries")
    }
    return {
        **settings,
        "out": _absolute(settings["out"]),
        "resources": {**resources, "device": device},
        "data": {**data, "sources": [_absolute(source) for source in data["sources"]]},
        "validation": {**settings["validation"], **validation},
    }


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(path)


def _trainer(settings: Mapping[str, Any], board: Any, leftover: Path) -> Any:
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    cluster = settings["ray"]
    return TorchTrainer(
        _work,
        train_loop_config={"settings": settings, "board": board},
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
    """What each worker does; Ray has set up torch.distributed."""
    import ray
    from ray.train.torch import get_device

    board, settings = given["board"], given["settings"]
    if ray.get(board.failed.remote()):
        # One has raised its error so that none waits for it, and Ray has started all again.
        return
    is_first = ray.train.get_context().get_world_rank() == 0

    def tell(kind: str, what: Any) -> None:
        if is_first or kind == _FAILED:
            ray.get(board.tell.remote(kind, what))

    tell(_BEGUN, None)
    resources = {**settings["resources"], "device": str(get_device())}
    try:
        ended = start(
            {**settings, "resources": resources},
            lambda text: tell(_SAY, text),
            lambda progress: tell(_REPORT, progress),
            lambda: is_first and ray.get(board.asked_to_stop.remote()),
        )
    except WebbodyError as error:
        tell(_FAILED, str(error))
        raise
    tell(_ENDED, ended)


def _in_background(call: Callable[[], Any]) -> Future[Any]:
    """In a thread that nobody waits for: Ctrl-C is for this one, which leaves Ray at once."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def _outcome(fit: Future[Any], news: _News, settings: Mapping[str, Any]) -> bool:
    if news.failure is not None:
        raise WebbodyError(news.failure)
    error = fit.exception()
    found = getattr(error, "worker_failures", {}).values()
    # What a worker raised comes as it was; of one that is gone Ray tells in its own words.
    if any(type(one).__module__.startswith("ray.") for one in found):
        raise WebbodyError(
            f"a worker died (out of memory?), and Ray has started all again as often as "
            f"ray.restarts allows ({settings['ray']['restarts']}); run the same command again to "
            "go on from the newest checkpoint"
        ) from error
    if error is not None:
        raise error
    if news.ended is None:
        raise RuntimeError("Ray's workers have ended without a word")
    return news.ended
