"""Kills builds at random moments, lets them go on, and compares what they make with a build that
nobody touched.

    python -m benchmarks.kills [--count 30] [--quick | --nodes] [--seed 0] [--folder FOLDER]
                               [--json FILE]

Each kill of a build on Ray hits one kind of victim: the build's process (SIGKILL, SIGTERM), its
process group, the driver process, a worker, the raylet, the GCS, an agent of Ray. A build that has
ended is started again (a resume by hand); then the next kill follows, until it is complete, and
another build begins. Of a killed worker, raylet, GCS or machine no resume by hand should be needed.

--nodes: builds that join a cluster of two machines (two raylets of this one); killed are the build,
its driver, the second machine, and the head's machine with the whole cluster. What was killed is
started anew at the same address.

--quick: the chain with its real stages and models in a forked process, without Ray's start.

Exit code 0: every build came to the same bytes, nothing was left running, and no traceback was
printed. 1: not so.
"""

import argparse
import contextlib
import hashlib
import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks import figures
from benchmarks.killed_builds import (
    ENDS,
    ON_CLUSTER,
    ON_RAY,
    OnCluster,
    OnRay,
    Quick,
    descendants,
    machines,
)
from webbody.cli.demo import demo_config, make_demo_gallery
from webbody.commit import is_side_file
from webbody.demo.website.server import serve
from webbody.demo.website.web import make_web
from webbody.processes import is_running

_SETTINGS = (
    "plan.rows_per_shard=12", "split.samples_per_shard=8", "download.deadline=60",
    "download.timeout=30", "resources.cpus=2",
)  # fmt: skip
_HANG = 600.0


@dataclass
class Counts:
    """Of one kind of victim: kills, resumes by hand that followed, losses that healed."""

    kills: int = 0
    missed: int = 0
    resumes: int = 0
    tracebacks: int = 0
    left: int = 0

    def __str__(self) -> str:
        values = f"{self.kills:6d} {self.missed:7d} {self.resumes:8d}"
        return f"{values} {self.tracebacks:10d} {self.left:5d}"


@contextlib.contextmanager
def web(folder: Path, names: int, images: int, seed: int) -> Iterator[Path]:
    """A served web and a file of settings, whose `out` is `folder`/build."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    made = make_web(folder / "web", names=names, images=images, seed=seed, port=port, gallery=3)
    gallery = folder / "gallery.parquet"
    config = demo_config(made.folder, folder / "build", (str(gallery),), _SETTINGS)
    make_demo_gallery(made.gallery, gallery, config)
    file = folder / "settings.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")), "utf-8")
    with serve(made.folder, port):
        yield file


def digests(out: Path) -> dict[str, str]:
    """sha256 of every file that equal builds have in common."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.suffix in (".tar", ".parquet") and not is_side_file(path.name)
    } | {"index": hashlib.sha256((out / "pack/index.json").read_bytes()).hexdigest()}


def stray(out: Path) -> list[str]:
    """Files of killed writers."""
    return [str(path) for path in out.rglob("*") if path.name.endswith((".tmp", ".lease"))]


def torture(
    runner: OnRay | OnCluster | Quick,
    out: Path,
    length: float,
    rng: random.Random,
    victims: list[str],
    counts: dict[str, Counts],
    enough: Callable[[], bool],
) -> None:
    """Kill one build again and again until it is complete."""
    build = runner.start(out)
    last: str | None = None
    while True:
        victim = rng.choice(victims)
        wait = rng.uniform(0.05, 0.6) * length if not enough() else _HANG
        try:
            code = build.wait(wait)
        except subprocess.TimeoutExpired:
            if enough():
                raise RuntimeError(f"a build of {out} hangs after {last}") from None
            count = counts.setdefault(victim, Counts())
            if runner.kill(build, victim, rng):
                count.kills += 1
                last = victim
            else:
                count.missed += 1
                continue
            if victim not in ENDS:
                continue
            code = build.wait(_HANG)
        if last and "Traceback" in runner.log():
            counts[last].tracebacks += 1
            print(runner.log()[-3000:], flush=True)
        if last:
            counts[last].left += _left_running(build.pid)
        if code == 0:
            return
        if last is None:
            raise RuntimeError(f"a build that nobody touched ends with {code}:\n{runner.log()}")
        counts[last].resumes += 1
        build = runner.start(out)


def _left_running(pid: int) -> int:
    """Processes of an ended build that are still there after a while."""
    deadline = time.monotonic() + 20
    while (left := descendants(pid)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return sum(map(is_running, left))


def run(arguments: argparse.Namespace, folder: Path) -> bool:
    """Do what is asked; whether all came out well."""
    found = figures.Figures("kills", arguments)
    rng = random.Random(arguments.seed)
    counts: dict[str, Counts] = {}
    builds = same = 0
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(web(folder, arguments.names, arguments.images, arguments.seed))
        runner: OnRay | Quick
        if arguments.nodes:
            runner = OnCluster(file, stack.enter_context(machines()))
        else:
            runner = Quick(file) if arguments.quick else OnRay(file)
        victims = arguments.victims or list(runner.victims)
        whole = folder / "whole"
        started = time.monotonic()
        if code := runner.start(whole).wait(_HANG):
            raise RuntimeError(f"the build that nobody touches ends with {code}: {runner.log()}")
        length = time.monotonic() - started
        print(f"a build that nobody touches takes {length:.0f} s", flush=True)
        expected = digests(whole)

        def enough() -> bool:
            return sum(count.kills for count in counts.values()) >= arguments.count

        while not enough():
            out = folder / f"killed-{builds}"
            torture(runner, out, length, rng, victims, counts, enough)
            builds += 1
            equal = digests(out) == expected and not stray(out)
            same += equal
            if not equal:
                _tell_difference(out, expected)
            print(f"build {builds}: {sum(c.kills for c in counts.values())} kills", flush=True)
    print(f"\n{'victim':<16}  kills  nobody  resumes tracebacks  left")
    for victim, count in sorted(counts.items()):
        print(f"{victim:<16} {count}")
        found.row(victim=victim, **vars(count))
    print(f"{same} of {builds} builds are complete and the same, byte for byte")
    found.ratio("same", same / builds)
    lost = sum(c.resumes for victim, c in counts.items() if victim not in ENDS)
    bad = sum(c.tracebacks + c.left for c in counts.values())
    return same == builds and not bad and not lost


def _tell_difference(out: Path, expected: dict[str, str]) -> None:
    made = digests(out)
    names = [n for n in sorted(made.keys() | expected.keys()) if made.get(n) != expected.get(n)]
    print(f"{out} differs in {json.dumps(names[:20])}; left behind: {stray(out)}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=30, help="kills in all")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help="without Ray")
    how.add_argument("--nodes", action="store_true", help="on a cluster of two machines")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--names", type=int, default=6)
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--victims", nargs="*", choices=sorted({*ON_RAY, *ON_CLUSTER}))
    parser.add_argument("--folder", type=Path, help="kept; without it a temporary one")
    figures.add_option(parser)
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        return 0 if run(arguments, folder) else 1


if __name__ == "__main__":
    sys.exit(main())
