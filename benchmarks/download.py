"""Download stage against img2dataset alone: same local server, same images, same threads.

    python -m benchmarks.download

Both write the original bytes into a tar and compute a sha256 per image; img2dataset runs with
its WebDataset writer and re-encoding switched off. Our figure includes the commit: a digest of the
tar and its flush to the disk. Runs alternate, and the ratio is that of the medians, so that other
work on the machine hits both alike; `cpu` is the ratio of CPU seconds, `disk` the share of our time
that waits for the flush. Target: at least 0.95.
"""

import argparse
import multiprocessing
import os
import shutil
import socket
import socketserver
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from benchmarks.figures import Figures, add_option
from pipelines.base.stage import Outputs, run_shard
from pipelines.stages.download import Download
from webbody.config import DownloadSettings, WorkerResources
from webbody.images import encode_jpeg
from webbody.storage import Folder

_ROBOTS = (
    b"User-agent: *\nDisallow: /private/\nDisallow: /*.php$\n\nUser-agent: GPTBot\nDisallow: /\n"
)
#: Names that lead to this machine, for img2dataset and for us.
_HOST = ".benchmark"


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 256
    daemon_threads = True


def _serve(bodies: list[bytes], port: "multiprocessing.Queue[int]") -> None:
    """Answer `/<number>` with a body, from a process of its own; connections stay where asked."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while request := self.request.recv(65536):
                while b"\r\n\r\n" not in request:
                    request += self.request.recv(65536)
                path = request.split(b" ")[1].strip(b"/")
                stays = b"connection: close" not in request.lower()
                status, body = "404 Not Found", b""
                if path.isdigit():
                    status, body = "200 OK", bodies[int(path) % len(bodies)]
                elif path == b"robots.txt":
                    status, body = "200 OK", _ROBOTS
                head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n"
                head += "\r\n" if stays else "Connection: close\r\n\r\n"
                self.request.sendall(head.encode() + body)
                if not stays:
                    break

    with _Server(("127.0.0.1", 0), Handler) as server:
        port.put(server.server_address[1])
        server.serve_forever()


def _ours(urls: list[str], folder: Path, threads: int) -> float:
    """Seconds of our stage, its commit included."""
    target = Folder(folder)
    outputs = Outputs(target, "plan", "bench")
    names = [f"{i:020x}" for i in range(len(urls))]
    nothing = pa.nulls(len(urls), pa.string())
    outputs.table(pa.table({"key": names, "url": urls, "name": names, "sha256": nothing}))
    outputs.seal()
    outputs.publish()
    hosts = {urlsplit(url).hostname or "" for url in urls}
    settings = DownloadSettings(allow_private=tuple(hosts), per_domain=threads)
    stage = Download(settings, WorkerResources(threads=threads))
    started = time.perf_counter()
    record = run_shard(stage, target, "bench", "", {})
    seconds = time.perf_counter() - started
    assert record.counts["out"] == len(urls), record.counts
    return seconds


def _alone(urls: list[str], folder: Path, threads: int) -> float:
    """Seconds of img2dataset's own downloader and WebDataset writer."""
    from img2dataset.downloader import Downloader
    from img2dataset.resizer import Resizer
    from img2dataset.writer import WebDatasetSampleWriter

    folder.mkdir()
    listing = folder / "urls.arrow"
    table = pa.table({"url": urls})
    with pa.ipc.new_file(listing, table.schema) as file:
        file.write_table(table)
    downloader = Downloader(
        sample_writer_class=WebDatasetSampleWriter,
        resizer=Resizer(256, "no", False, disable_all_reencoding=True),
        thread_count=threads,
        save_caption=False,
        extract_exif=False,
        output_folder=str(folder),
        column_list=["url"],
        timeout=20,
        number_sample_per_shard=len(urls),
        oom_shard_count=5,
        compute_hash="sha256",
        verify_hash_type=None,
        encode_format="jpg",
        retries=0,
        user_agent_token="webbody",
        disallowed_header_directives=["noai", "noimageai", "noindex", "noimageindex"],
    )
    started = time.perf_counter()
    downloader.download_shard((0, str(listing)))
    return time.perf_counter() - started


@contextmanager
def _timed_flushes() -> Iterator[list[float]]:
    """The seconds of each flush to the disk while the block runs, which only we ask for."""
    seconds: list[float] = []
    flush = os.fsync

    def timed(file: Any) -> None:
        started = time.perf_counter()
        flush(file)
        seconds.append(time.perf_counter() - started)

    with patch("os.fsync", timed):
        yield seconds


def main() -> None:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="runs of each")
    parser.add_argument("--threads", type=int, default=32)
    parser.add_argument(
        "--hosts", type=int, default=1, help="hosts that take turns, each with a robots.txt"
    )
    sides = {96: 2400, 320: 1200, 720: 400}
    parser.add_argument("--sides", type=int, nargs="+", default=list(sides), choices=list(sides))
    add_option(parser)
    arguments = parser.parse_args()
    figures = Figures("download", arguments)
    real = socket.getaddrinfo

    def local(host: str, *rest: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host.endswith(_HOST) else host, *rest, **options)

    socket.getaddrinfo = local  # type: ignore[assignment]
    noise = np.random.default_rng(0).integers(0, 255, (40, 720, 960, 3), np.uint8)
    print(f"{'image':>8} {'img2dataset':>14} {'webbody':>14} {'ratio':>6} {'cpu':>6} {'disk':>6}")
    for side in arguments.sides:
        images = sides[side]
        bodies = [encode_jpeg(picture[:side, :side], 80) for picture in noise]
        size = statistics.mean(len(body) for body in bodies) / 1000
        port: multiprocessing.Queue[int] = multiprocessing.Queue()
        server = multiprocessing.Process(target=_serve, args=(bodies, port), daemon=True)
        server.start()
        at = port.get()
        urls = [
            f"http://h{number % arguments.hosts}{_HOST}:{at}/{number}" for number in range(images)
        ]
        times: dict[str, list[float]] = {"alone": [], "ours": []}
        work: dict[str, list[float]] = {"alone": [], "ours": []}
        flushed = 0.0
        with tempfile.TemporaryDirectory() as scratch:
            for number in range(arguments.rounds + 1):
                pair = (("alone", _alone), ("ours", _ours))
                for name, function in pair if number % 2 else reversed(pair):
                    os.sync()  # what one leaves unwritten must not burden the other
                    before = time.process_time()
                    with _timed_flushes() as flushes:
                        place = Path(scratch, f"{name}{number}")
                        seconds = function(urls, place, arguments.threads)
                    if number:  # the first round warms up
                        times[name].append(seconds)
                        work[name].append(time.process_time() - before)
                        flushed += sum(flushes)
                    # Or later rounds fill memory that a virtual machine must first get from its
                    # host: three times the system time, for whoever's turn it is.
                    shutil.rmtree(place)
        server.terminate()
        alone, ours = (images / statistics.median(times[n]) for n in ("alone", "ours"))
        cpu = statistics.median(work["alone"]) / statistics.median(work["ours"])
        disk = flushed / sum(times["ours"])
        print(
            f"{size:6.0f}kB {alone:9.0f} im/s {ours:9.0f} im/s {ours / alone:6.2f} {cpu:6.2f} "
            f"{disk:6.2f}"
        )
        figures.row(side=side, kilobytes=size, img2dataset=alone, webbody=ours, cpu=cpu, disk=disk)
        figures.ratio(f"side {side}", ours / alone)


if __name__ == "__main__":
    main()
