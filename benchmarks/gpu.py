"""What wants a GPU, in one call of under 9 minutes: correctness first, then figures.

    python -m benchmarks.gpu --json FILE [PART ...] [--seconds 510]
    python -m benchmarks.gpu --device cpu --tiny [PART ...]    a dry run
    python -m benchmarks.gpu --tables FILE                     its tables, as docs/benchmarks.md has

It needs torch, torchvision, pyarrow, pillow and what else `model` imports, and no library of the
build. Every part is a benchmark of its own in a process of its own, with a limit of time: one that
fails, hangs or takes the device down loses only itself, and what it had measured until then stays.
The file is written after each part.
"""

import argparse
import importlib
import io
import json
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision

from benchmarks.gpu_tables import tables

ROOT = Path(__file__).parents[1]
#: What is beyond this script, and what each wants.
NOT_HERE = (
    "face detection (insightface and its weights)",
    "keypoints (rtmlib and its weights)",
    "a whole build (Ray and all of these)",
)
_TAIL = 3000


@dataclass(frozen=True)
class Part:
    """A benchmark, its arguments on a GPU and in the dry run, and its limit in seconds."""

    module: str
    arguments: str
    tiny: str
    limit: float


#: In the order in which they run. The limits add up to more than `--seconds`: no part should need
#: all of its own, and the last ones are those that can be missed.
PARTS = {
    "tests": Part("", "", "", 150),
    "face embedder": Part(
        "face_embedder",
        "--batches 32 128 512",
        "--tiny --batches 2 --precisions float32 --rounds 1",
        80,
    ),
    "training": Part(
        "train",
        "--law-steps 50 --warm 5 --steps 8",
        "--images 40 --batch 4 --people 50 --tokens 62 --warm 0 --steps 1 --law-steps 1 "
        "--workers 0",
        200,
    ),
    "classifier": Part("classifier", "", "--people 50 --batch 2 --rounds 1", 60),
    "attention": Part(
        "model",
        "--tokens 166 278 --bias-tokens 166 --rounds 2",
        "--preset tiny --tokens --bias-tokens 62 --forms block-by-block --batch 2 --rounds 1",
        90,
    ),
    "compiled": Part(
        "model",
        "--tokens 166 --bias-tokens --rounds 2 --compile blocks",
        "--preset tiny --tokens --bias-tokens",  # nothing: compiling takes minutes
        70,
    ),
    "mapped head": Part(
        "model",
        "--head mapped --tokens 166 278 --bias-tokens --rounds 2",
        "--preset tiny --head mapped --tokens 62 --bias-tokens --batch 2 --rounds 1",
        90,
    ),
    "sapiens": Part(
        "sapiens",
        "--sizes tiny 0.3b --side 512 --batch 16 --rounds 3 --bfloat16",
        "--sizes mini --side 64 --batch 2 --rounds 1",
        60,
    ),
    "detector": Part("detector", "", "--batches 1 --side 64 --rounds 1", 40),
    "loader": Part(
        "loader",
        f"--images 4000 --rounds 2 --workers {os.cpu_count()}",
        "--images 700 --side 16 --rounds 1 --workers 0",
        50,
    ),
}


def run_tests(device: str, limit: float) -> dict[str, Any]:
    """The tests that need a GPU: their exit code and the end of what they print."""
    marked = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests/model").rglob("test_*.py"))
        if "pytest.mark.gpu" in path.read_text(encoding="utf-8")
    ]
    if device == "cpu":
        marked = [*marked, "--collect-only"]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, *marked], stdout=log, stderr=log, cwd=ROOT, start_new_session=True
        )
        try:
            code: int | str = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = f"stopped after {limit:.0f} s"
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return {"exit": code, "tail": _tail(log)}


def run_part(module: str, arguments: list[str], limit: float) -> dict[str, Any]:
    """A benchmark in a forked process, which need not import torch again: what it found."""
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "figures.json")
        work = (module, [*arguments, "--json", str(file)], log.fileno())
        process = multiprocessing.get_context("fork").Process(target=_child, args=work)
        process.start()
        process.join(limit)
        code: int | str | None = process.exitcode
        if code is None:
            code = f"stopped after {limit:.0f} s"
        with suppress(ProcessLookupError):  # it leads a group: its workers must not stay either
            os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()
        found = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return {"exit": code, **found, "tail": _tail(log)}


def _child(module: str, arguments: list[str], log: int) -> None:
    """Run a benchmark's main; what it prints goes to the log."""
    os.setsid()
    for stream in (1, 2):
        os.dup2(log, stream)
    sys.stdout = sys.stderr = open(log, "w", buffering=1, encoding="utf-8", closefd=False)
    sys.argv = [module, *arguments]
    importlib.import_module(f"benchmarks.{module}").main()


def _tail(log: Any) -> str:
    log.seek(0, io.SEEK_END)
    log.seek(max(0, log.tell() - _TAIL))
    return str(log.read().decode("utf-8", "replace"))


class Run:
    """What all parts found, in a file."""

    def __init__(self, arguments: argparse.Namespace, device: str, ends: float) -> None:
        self.arguments, self._ends = arguments, ends
        self.found: dict[str, Any] = {
            "benchmark": "gpu",
            "dry run": arguments.device == "cpu" or arguments.tiny,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "device": device,
            "not measured here": list(NOT_HERE),
            "parts": {},
        }

    def run(self, names: list[str]) -> None:
        """Run parts while there is time, and tell what became of each."""
        for name in names:
            part = PARTS[name]
            left = self._ends - time.monotonic()
            begun = time.monotonic()
            if left < min(10.0, part.limit):
                result: dict[str, Any] = {"exit": "not begun: no time was left"}
            elif not part.module:
                result = run_tests(self.arguments.device, min(left, part.limit))
            else:
                given = part.tiny if self.arguments.tiny else part.arguments
                words = ["--device", self.arguments.device] if name != "loader" else []
                result = run_part(part.module, [*words, *given.split()], min(left, part.limit))
            result["seconds"] = round(time.monotonic() - begun, 1)
            self.found["parts"][name] = result
            self._write()
            print(f"{name}: exit {result['exit']}, {result['seconds']} s", flush=True)
            print(result.get("tail", ""), flush=True)

    def _write(self) -> None:
        if self.arguments.json is not None:
            text = json.dumps(self.found, indent=1, default=str)
            self.arguments.json.write_text(text + "\n", encoding="utf-8")


def device_name(device: str) -> str | None:
    """None where it is not there. Another process asks: one that has seen CUDA must not fork."""
    if device == "cpu":
        return platform.processor() or platform.machine()
    code = "import torch; print(torch.cuda.get_device_name())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="sizes that say nothing about speed")
    parser.add_argument("--seconds", type=float, default=510, help="for everything")
    parser.add_argument("--json", type=Path, help="file for the figures, written after every part")
    parser.add_argument("--tables", type=Path, metavar="FILE", help="print the tables of a file")
    arguments = parser.parse_args()
    if arguments.tables is not None:
        print(tables(json.loads(arguments.tables.read_text(encoding="utf-8"))))
        return 0
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    ends = time.monotonic() + arguments.seconds
    device = device_name(arguments.device)
    if device is None:
        parser.error("there is no CUDA device here; a dry run is --device cpu --tiny")
    run = Run(arguments, device, ends)
    run.run(arguments.parts or list(PARTS))
    print(tables(run.found))
    return 0 if all(part["exit"] == 0 for part in run.found["parts"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
