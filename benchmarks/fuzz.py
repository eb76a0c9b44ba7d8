"""Damaged and made-up inputs for every reader of outside files: what is accepted, what refused.

    python -m benchmarks.fuzz [--count 10000] [--readers images tars ...]

Good files are damaged (bytes changed, cut, doubled, swapped, numbers set to extremes), each from a
seed of its own, so that it can be made again. Each reader may accept an input or refuse it with its
own error. Counted as wrong: any other error; an input that takes over SECONDS of processor time or
a third of MEMORY beyond its size; one that is not done after WALL seconds (hung); one at which the
process ends (died). Inputs are read in processes of their own, of which each goes on until one
hangs or dies. Exits with 1 if anything is wrong; --keep saves those inputs.
"""

import argparse
import csv
import io
import json
import multiprocessing
import pickle
import random
import resource
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.figures import Figures, add_option
from model.evaluation.readers.pairs_bin import read_pairs
from model.shard_samples import describe, read_samples
from webbody.commit import Record
from webbody.errors import WebbodyError
from webbody.images import ImageError, decode, probe
from webbody.json_text import parse_json
from webbody.manifest import Manifest
from webbody.parquet_tables import read_parquet

#: Limits for an input: processor time in seconds, bytes of address space beyond what is in use.
SECONDS, MEMORY = 10, 1_500_000_000
#: Seconds after which an input hangs; with the start of a process.
WALL, START = 60, 180
#: What can become of an input; after the first two it went wrong.
VERDICTS = ("accepted", "refused", "crashed", "slow", "large", "hung", "died")
_PIXELS = 1_000_000
_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF)

Reader = Callable[[bytes], None]


def damaged(good: list[bytes], name: str, seed: int, number: int) -> bytes:
    """One of the good inputs, damaged in one to eight places."""
    draw = random.Random(f"{name} {seed} {number}")
    data = bytearray(draw.choice(good))
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        if not data:
            break
        # Headers stand at the beginning, tables at the end.
        at = draw.randrange(min(len(data), draw.choice((32, 600, len(data)))))
        kind = draw.randrange(7)
        if kind == 0:
            data[at] = draw.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << draw.randrange(8)
        elif kind == 2:
            del data[at : at + draw.choice((1, 2, 4, 100, len(data)))]
        elif kind == 3:
            data[at:at] = data[at : at + draw.choice((1, 4, 64, 4000))] * draw.choice((1, 2, 50))
        elif kind == 4:
            size = draw.choice((1, 2, 4, 8))
            value = draw.choice(_NUMBERS) & ((1 << 8 * size) - 1)
            data[at : at + size] = value.to_bytes(size, draw.choice(("little", "big")))
        elif kind == 5:
            other = draw.choice(good)
            data[at : at + 50] = other[at : at + draw.choice((1, 50, 5000))]
        else:
            data[at:at] = draw.choice((b"\0", b"\xff", b"[", b'"', b"{", b"\n")) * draw.choice(
                (1, 8, 3000)
            )
    return bytes(data[:2_000_000])


def good_images() -> list[bytes]:
    draw = np.random.default_rng(0)
    noise = Image.fromarray(draw.integers(0, 255, (6, 8, 3), np.uint8)).resize((120, 90))
    kinds: list[tuple[str, dict[str, object]]] = [
        ("JPEG", {}), ("JPEG", {"progressive": True}), ("JPEG", {"restart_marker_rows": 1}),
        ("PNG", {}), ("PNG", {"optimize": True}), ("WEBP", {}), ("WEBP", {"lossless": True}),
        ("GIF", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}), ("AVIF", {"speed": 10}), ("JPEG2000", {}),
    ]  # fmt: skip
    out = []
    for kind, options in kinds:
        for mode in ("RGB", "L"):
            file = io.BytesIO()
            noise.convert(mode).save(file, kind, **options)
            out.append(file.getvalue())
    with suppress(ImportError):
        from pillow_heif import from_pillow

        file = io.BytesIO()
        from_pillow(noise).save(file)
        out.append(file.getvalue())
    return out


def good_samples() -> list[bytes]:
    about = json.dumps({"key": "a", "person": 1, "keypoints": [[1.5, 2, 1]] * 19})
    out = []
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=form) as tar:
            for key in ("a", "b" * 90, "å" * 120 if form != tarfile.USTAR_FORMAT else "c"):
                for ending, data in (("jpg", b"\xff\xd8" * 40), ("json", about.encode())):
                    info = tarfile.TarInfo(f"{key}.{ending}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        out.append(file.getvalue())
    return out


def good_pairs() -> list[bytes]:
    held = ([b"\xff\xd8" * 30] * 6, [True, False, True])
    return [pickle.dumps(held, protocol) for protocol in range(5)]


def good_json() -> list[bytes]:
    record = Record("persons", "0" * 8, "f", {"a/b": "c"}, {})
    about = {"key": "a", "person": 1, "keypoints": [[1.5, 2, 1]] * 19, "box": [0, 0, 1, 1]}
    return [record.to_json(), json.dumps(about).encode(), b"[" * 100 + b"]" * 100]


def good_lists() -> list[tuple[str, bytes]]:
    rows = [(f"http://a.org/{i}.jpg", f"Näme {i % 7}", "ab" * 32) for i in range(40)]
    table = io.StringIO()
    csv.writer(table).writerows([("url", "name", "sha256"), *rows])
    parquet = io.BytesIO()
    columns = dict(zip(("url", "name", "sha256"), zip(*rows, strict=True), strict=True))
    pq.write_table(pa.table({k: list(v) for k, v in columns.items()}), parquet)
    lines = "\n".join(json.dumps({"url": u, "name": n}) for u, n, _ in rows)
    text = "\n".join(f"{i} {n} {u}" for i, (u, n, _) in enumerate(rows))
    return [
        ("csv", table.getvalue().encode()),
        ("jsonl", lines.encode()),
        ("txt", text.encode()),
        ("json", f"[{lines.replace(chr(10), ', ')}]".encode()),
        ("parquet", parquet.getvalue()),
    ]


def good_tables() -> list[bytes]:
    """Parquet as galleries, releases and lists of removals have it."""
    table = pa.table(
        {
            "identity": [f"{i:020x}" for i in range(50)],
            "feature": pa.array([[0.5] * 16] * 50, pa.list_(pa.float16(), 16)),
            "names": [["Ann", None], None] * 25,
            "reason": pa.array(["owner", "person"] * 25).dictionary_encode(),
        }
    )
    out = []
    for options in ({}, {"compression": "zstd"}, {"use_dictionary": False}, {"row_group_size": 7}):
        file = io.BytesIO()
        pq.write_table(table, file, **options)
        out.append(file.getvalue())
    return out


def readers(folder: Path) -> dict[str, tuple[list[bytes], Reader, tuple[type[Exception], ...]]]:
    """By name: good inputs, the reader, and the errors with which it may refuse one."""

    def tars(data: bytes) -> None:
        for members in read_samples(io.BytesIO(data), "a.tar"):
            describe(members)

    def pairs(data: bytes) -> None:
        path = folder / "pairs.bin"
        path.write_bytes(data)
        read_pairs(path)

    def shard_json(data: bytes) -> None:
        if b'"stage"' in data:
            Record.from_json(data)
        else:
            parse_json(data)

    def manifest(ending: str) -> Reader:
        def read(data: bytes) -> None:
            path = folder / f"list.{ending}"
            path.write_bytes(data)
            with Manifest(str(path)) as opened:
                for _ in opened.rows():
                    pass

        return read

    refused = (WebbodyError,)
    out: dict[str, tuple[list[bytes], Reader, tuple[type[Exception], ...]]] = {
        "headers": (good_images(), lambda data: void(probe(data, _PIXELS)), (ImageError,)),
        "images": (good_images(), lambda data: void(decode(data, _PIXELS)), (ImageError,)),
        "tars": (good_samples(), tars, refused),
        "pairs": (good_pairs(), pairs, refused),
        "tables": (
            good_tables(),
            lambda data: void(read_parquet(io.BytesIO(data))),
            (pa.ArrowException, OSError),
        ),
        "json": (good_json(), shard_json, (ValueError, KeyError, TypeError, AttributeError)),
    }
    for ending, data in good_lists():
        out[f"manifests ({ending})"] = ([data], manifest(ending), refused)
    return out


def void(_: object) -> None:
    """What was read is of no use here."""


def verdict(read: Reader, data: bytes, refused: tuple[type[Exception], ...]) -> tuple[str, str]:
    """Accepted, refused, crashed, slow or large; and what was raised."""
    begin = time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = "accepted"
    try:
        read(data)
    except refused:
        found = "refused"
    except Exception:
        return "crashed", traceback.format_exc()
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    if time.process_time() - begin > SECONDS:
        return "slow", ""
    return ("large" if grown > MEMORY // 3 + 4 * len(data) else found), ""


def read_on(name: str, first: int, count: int, seed: int, tell: Connection) -> None:
    """In a process of its own: tell the verdict of each input from `first` on."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        good, read, refused = readers(Path(folder))[name]
        if sys.platform == "linux":
            limit_memory()
        for number in range(first, count):
            tell.send(verdict(read, damaged(good, name, seed, number), refused))


def watched(
    name: str, count: int, seed: int = 0, target: Callable[..., None] = read_on, wall: float = WALL
) -> Iterator[tuple[int, str, str]]:
    """Number, verdict and error of each input; one that hangs or ends its process stops no other.

    `target` is what runs in the processes, `wall` the seconds that an input may take.
    """
    context = multiprocessing.get_context("spawn")
    number = 0
    while number < count:
        heard, told = context.Pipe(duplex=False)
        process = context.Process(target=target, args=(name, number, count, seed, told))
        process.start()
        told.close()
        patience: float = START
        try:
            while number < count:
                if not heard.poll(patience):
                    yield number, "hung", ""
                    break
                yield number, *heard.recv()
                number, patience = number + 1, wall
        except EOFError:
            process.join()
            yield number, "died", f"exit code {process.exitcode}"
        number += 1
        process.kill()
        process.join()
        heard.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000, help="inputs for each reader")
    parser.add_argument("--readers", nargs="+", help="some of them, by the first word of the name")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for inputs that went wrong")
    add_option(parser)
    arguments = parser.parse_args()
    figures = Figures("fuzz", arguments)
    bad = 0
    print(f"{'reader':<20}", *(f"{kind:>9}" for kind in VERDICTS))
    for name, (good, _, _) in readers(Path()).items():
        if arguments.readers and name.split()[0] not in arguments.readers:
            continue
        count = arguments.count // 4 if "(" in name else arguments.count
        found: Counter[str] = Counter()
        for number, kind, trace in watched(name, count, arguments.seed):
            found[kind] += 1
            if kind in ("accepted", "refused"):
                continue
            bad += 1
            if arguments.keep:
                arguments.keep.mkdir(parents=True, exist_ok=True)
                data = damaged(good, name, arguments.seed, number)
                (arguments.keep / f"{name}-{number}.bin").write_bytes(data)
            if found[kind] <= 3:
                print(f"{name}, input {number}: {kind}\n{trace}", file=sys.stderr)
        values = {kind: found[kind] for kind in VERDICTS}
        print(f"{name:<20}", *(f"{value:>9}" for value in values.values()), flush=True)
        figures.row(reader=name, **values)
    sys.exit(1 if bad else 0)


def limit_memory() -> None:
    """Hold this process to MEMORY more than it has."""
    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 3 * MEMORY, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
