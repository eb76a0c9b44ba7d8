"""A whole build beside its slowest stage alone, and how busy it keeps the cores.

    python -m benchmarks.end_to_end [--names 40] [--images 12] [--latency 0.3] [--json FILE]

Builds of the demo's web, served on loopback, with its models. First every stage alone: one process,
stage after stage, without Ray. Then the same build on a local Ray, twice:

network-bound    The server waits before each picture, and few connections are open, so that the
                 download is the slowest stage and the others can hide behind it. The ratio is the
                 slowest stage's seconds alone / those of the chain download to clusters.
processor-bound  The server answers at once. Of the cores x the seconds of the chain, the share that
                 the build's processes compute (busy), and the share that the stages alone take
                 (useful): on so few cores stages cannot overlap for free, so no stage's own
                 seconds are a measure.

The chain begins with its first shard's download and ends with its last shard's clusters; loading
models is part of it. Listed apart: what comes before (the plan, Ray's start, the trial of every
stage's settings), and what comes after, stage by stage.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import socket
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

import psutil
import pyarrow.parquet as pq

import pipelines.build
from benchmarks.figures import Figures, add_option
from pipelines.engine.graph import FROM_NAMES
from pipelines.engine.in_process import InProcess
from pipelines.engine.worker import Event
from webbody.cli.demo import demo_config
from webbody.config import BuildConfig
from webbody.demo.website import kinds
from webbody.demo.website.answers import Handler
from webbody.demo.website.server import Server
from webbody.demo.website.web import Web, make_web

CHAIN = tuple(node.name for node in FROM_NAMES.steps[1])
AFTER = tuple(node.name for step in FROM_NAMES.steps[2:] for node in step)


@dataclass
class Course:
    """When a build's stages began and ended, in seconds from its start, and what they computed.

    `processor`: seconds of processor time of each stage, where stages run one after the other; of
    "chain", what all processes of the build took while the chain ran.
    """

    began: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    processor: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    total: float = 0.0

    def span(self, *stages: str) -> float:
        """Seconds from the first of these stages' beginning to the last one's end."""
        return max(map(self.ended.__getitem__, stages)) - min(map(self.began.__getitem__, stages))


class Watch:
    """Hears a build's events and keeps its course."""

    def __init__(self, alone: bool) -> None:
        self.course = Course()
        self._alone = alone
        self._origin = time.perf_counter()
        self._before = 0.0

    def __call__(self, event: Event) -> None:
        now, course, stage = time.perf_counter() - self._origin, self.course, event.stage
        if event.kind == "started":
            if self._alone or not course.began.keys() & set(CHAIN):
                self._before = processor_seconds()
            course.began.setdefault(stage, now)
        elif event.kind == "done":
            course.ended[stage] = now
            course.seconds[stage] += event.seconds
            if self._alone:
                course.processor[stage] += processor_seconds() - self._before
            elif stage == CHAIN[-1]:
                course.processor["chain"] = processor_seconds() - self._before
        elif event.kind == "failed":
            raise RuntimeError(f"{stage} {event.shard}: {event.message}")

    def end(self) -> Course:
        """The whole course, once the build is done."""
        self.course.total = time.perf_counter() - self._origin
        return self.course


def processor_seconds() -> float:
    """Of this process, of those it has started, and of theirs that ended."""
    own = psutil.Process()
    total = 0.0
    for process in (own, *own.children(recursive=True)):
        with contextlib.suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])  # user, system, and both of ended children
    return total


def measure(config: BuildConfig, alone: bool) -> Course:
    """A whole build; alone: stage after stage in this process."""
    if alone:
        patch(
            "pipelines.build.start_executor", lambda resources, on_event: InProcess(resources)
        ).start()
    watch = Watch(alone)
    result = pipelines.build.build(config, watch)
    assert result.complete
    return watch.end()


def in_own_process(config: BuildConfig, alone: bool) -> Course:
    """The same, without what earlier builds left in memory."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(measure, config, alone).result()


class Patient(Handler):
    """Waits before it answers with a picture."""

    latency = 0.0

    def answer_plain(self) -> None:
        time.sleep(self.latency)
        super().answer_plain()


def _serve(folder: Path, port: int, latency: float) -> None:
    server = Server(folder, port)
    server.RequestHandlerClass = type("Waiting", (Patient,), {"latency": latency})
    server.serve_forever()


@contextlib.contextmanager
def served(web: Web, latency: float) -> Any:
    """The web, in a process of its own."""
    arguments = (web.folder, web.port, latency)
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=arguments)
    server.start()
    try:
        while not _answers(web.port):
            time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.join()


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def draw(folder: Path, names: int, images: int) -> tuple[Web, Path, int]:
    """A web, and a manifest of the URLs that its server just answers; how many there are."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    web = make_web(folder, names=names, images=images, port=port, gallery=1)
    served = json.loads((web.folder / "behaviours.json").read_text(encoding="utf-8"))
    odd = {path for path, entry in served.items() if entry["behaviour"] != kinds.PLAIN}
    table = pq.read_table(web.manifest)

    def is_plain(url: str | None) -> bool:
        try:
            parts = urlsplit(url or "")
            asked = parts.path + (f"?{parts.query}" if parts.query else "")
            return parts.port == port and unquote(asked.lstrip("/")) not in odd
        except ValueError:
            return False

    plain = table.filter([is_plain(url) for url in table["url"].to_pylist()])
    manifest = folder / "plain.parquet"
    pq.write_table(plain, manifest)
    return web, manifest, plain.num_rows


def config(web: Web, manifest: Path, out: Path, rows: int, connections: int) -> BuildConfig:
    """A build of so many rows a shard, with so many connections to the server."""
    return demo_config(
        web.folder,
        out,
        (),
        (
            f"manifest={manifest}",
            f"plan.rows_per_shard={rows}",
            f"download.per_domain={connections}",
            f"resources.download.threads={connections}",
        ),
    )


def tell(name: str, course: Course, found: Figures) -> None:
    """Print what a build on Ray took, and keep it."""
    before = min(course.began[stage] for stage in CHAIN)
    chain = course.span(*CHAIN)
    after = {stage: course.span(stage) for stage in AFTER if stage in course.ended}
    rest = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in after.items())
    print(f"\n{name}: whole build {course.total:.1f} s")
    print(f"  before the chain, with Ray's start {before:.1f} s; chain {chain:.1f} s; then {rest}")
    spans = {stage: (course.began[stage] - before, course.ended[stage] - before) for stage in CHAIN}
    print("  " + "; ".join(f"{s} {a:.1f} to {b:.1f} s" for s, (a, b) in spans.items()), flush=True)
    found.row(
        run=name, total=course.total, before=before, chain=chain, after=after, spans=spans,
        processor=course.processor["chain"],
    )  # fmt: skip


def run(arguments: argparse.Namespace, folder: Path, found: Figures) -> None:
    """Draw, build three times, print."""
    web, manifest, urls = draw(folder / "web", arguments.names, arguments.images)
    few, rows = arguments.connections, arguments.rows
    print(
        f"{urls} URLs, {rows} rows a shard; {few} connections of {arguments.latency:g} s, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    with served(web, arguments.latency):
        settings = config(web, manifest, folder / "alone", rows, few)
        alone = in_own_process(settings, alone=True)
        print(f"{'alone':<10} {'seconds':>8} {'processor':>10}")
        for stage in (*CHAIN, *AFTER):
            seconds, computed = alone.seconds[stage], alone.processor[stage]
            print(f"{stage:<10} {seconds:8.1f} {computed:10.1f}", flush=True)
            found.row(run="alone", stage=stage, seconds=seconds, processor=computed)
        slowest = max(CHAIN, key=alone.seconds.__getitem__)
        settings = config(web, manifest, folder / "network", rows, few)
        network = in_own_process(settings, alone=False)
    tell("network-bound", network, found)
    ratio = alone.seconds[slowest] / network.span(*CHAIN)
    print(f"  {slowest} alone {alone.seconds[slowest]:.1f} s / chain: {ratio:.2f} (aim 0.85)")
    found.ratio("network-bound", ratio)
    with served(web, 0.0):
        settings = config(web, manifest, folder / "processor", rows, 32)
        bound = in_own_process(settings, alone=False)
    tell("processor-bound", bound, found)
    whole = (os.cpu_count() or 1) * bound.span(*CHAIN)
    shares = {
        "busy": bound.processor["chain"] / whole,
        "useful": sum(alone.processor[stage] for stage in CHAIN) / whole,
    }
    for name, share in shares.items():
        print(f"  {name} {share:.2f} of the cores")
        found.ratio(f"processor-bound, {name}", share)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--names", type=int, default=40)
    parser.add_argument("--images", type=int, default=12, help="URLs of each name")
    parser.add_argument("--rows", type=int, default=16, help="of a shard")
    parser.add_argument("--latency", type=float, default=0.3, help="seconds before each picture")
    parser.add_argument("--connections", type=int, default=2, help="of the network-bound builds")
    parser.add_argument("--folder", type=Path, help="for what is made; without it a temporary one")
    add_option(parser)
    arguments = parser.parse_args()
    found = Figures("end_to_end", arguments)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as scratch:
        run(arguments, Path(scratch), found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
