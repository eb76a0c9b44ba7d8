"""Memory of a download worker while many large bodies come at the same time.

    python -m benchmarks.bodies

32 hosts send 49 MB each at the same time (a picture with 49 MB behind its end). The ratio is the
peak memory of the stage without a budget over that under its own (`download.memory`); target: 2.
"""

import argparse
import multiprocessing
import resource
import socket
import socketserver
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.figures import Figures, add_option
from pipelines.base.stage import Outputs, run_shard
from pipelines.stages.download import Download
from webbody.config import DownloadSettings, WorkerResources
from webbody.images import encode_jpeg
from webbody.storage import Folder

_HOST = ".benchmark"


def _serve(count: int, size: int, port: "multiprocessing.Queue[int]") -> None:
    """Send every body but for its last block, and that when all have come so far."""
    picture = encode_jpeg(np.zeros((64, 64, 3), np.uint8), 80)
    body = picture + bytes(size - len(picture))
    together = threading.Barrier(count)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            head = f"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
            self.request.sendall(head.encode() + body[:-65536])
            together.wait(120)
            self.request.sendall(body[-65536:])

    class Server(socketserver.ThreadingTCPServer):
        request_queue_size = 256
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        port.put(server.server_address[1])
        server.serve_forever()


def _fetch(
    count: int, size: int, memory: int, at: int, out: "multiprocessing.Queue[tuple[float, int]]"
) -> None:
    """Megabytes that the stage added at its peak, and the pictures that it brought."""
    real = socket.getaddrinfo

    def local(host: str, *rest: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host.endswith(_HOST) else host, *rest, **options)

    socket.getaddrinfo = local  # type: ignore[assignment]
    urls = [f"http://h{number}{_HOST}:{at}/" for number in range(count)]
    settings = DownloadSettings(
        allow_private=tuple(f"h{number}{_HOST}" for number in range(count)),
        memory=memory, robots="ignore", tdmrep="ignore", ai_txt="ignore",
        timeout=300, deadline=600, outage=0, retries=0,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        folder = Folder(Path(scratch, "out"))
        outputs = Outputs(folder, "plan", "bench")
        keys = [f"{number:020x}" for number in range(count)]
        nothing = pa.nulls(count, pa.string())
        outputs.table(pa.table({"key": keys, "url": urls, "name": keys, "sha256": nothing}))
        outputs.seal()
        outputs.publish()
        stage = Download(settings, WorkerResources(threads=count))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        record = run_shard(stage, folder, "bench", "", {})
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    out.put(((peak - before) / 1000, record.counts["out"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=32)
    parser.add_argument("--size", type=int, default=49_000_000, help="bytes of a body")
    add_option(parser)
    arguments = parser.parse_args()
    figures = Figures("bodies", arguments)
    context = multiprocessing.get_context("spawn")
    peaks = {}
    for name, memory in (("budget", DownloadSettings().memory), ("none", 1 << 40)):
        port: multiprocessing.Queue[int] = context.Queue()
        out: multiprocessing.Queue[tuple[float, int]] = context.Queue()
        shape = arguments.hosts, arguments.size
        server = context.Process(target=_serve, args=(*shape, port), daemon=True)
        server.start()
        fetch = context.Process(target=_fetch, args=(*shape, memory, port.get(), out))
        fetch.start()
        peaks[name], count = out.get()
        fetch.join()
        server.terminate()
        assert count == arguments.hosts, count
        print(f"{name:>8} {peaks[name]:8.0f} MB")
        figures.row(budget=memory, megabytes=peaks[name])
    print(f"   ratio {peaks['none'] / peaks['budget']:8.2f}")
    figures.ratio("memory", peaks["none"] / peaks["budget"])


if __name__ == "__main__":
    main()
