"""Pictures decoded in other processes: the same pixels, and no picture harms another."""

import functools
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from made_pictures import picture, saved
from PIL import Image

from webbody.decoders import pool as pool_module
from webbody.decoders.limits import DecodingLimits
from webbody.decoders.pool import Decoders
from webbody.decoders.process import DecoderProcess
from webbody.errors import WebbodyError
from webbody.images import ImageError, decode

GOOD = saved(picture(300, 200), "JPEG")


def processes(of: int) -> list[int]:
    """The children of a process that decode."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes()
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == of and b"webbody.decoders.child" in command:
            found.append(int(folder.name))
    return found


def gone(number: int, seconds: float) -> bool:
    """Whether a process ends in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


@functools.cache
def slow_picture(side: int = 6000, scans: int = 20) -> bytes:
    """A progressive JPEG within the limits on pixels and scans that takes many seconds."""
    data = saved(Image.new("RGB", (side, side), 90), "JPEG", progressive=True, subsampling="4:4:4")
    first = data.index(b"\xff\xda")
    end = data.index(b"\xff", first + 2)
    while data[end + 1] == 0 or 0xD0 <= data[end + 1] <= 0xD7:
        end = data.index(b"\xff", end + 2)
    return data[:end] + data[first:end] * scans + data[end:]


@pytest.fixture(scope="module")
def decoders():
    return Decoders(2)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "HEIF"])
def test_pixels_are_those_of_the_decoder_itself(decoders, kind):
    for size in ((60, 40), (1, 1), (700, 900)):
        data = saved(picture(*size), kind)
        assert (decoders.decode(data, 1_000_000) == decode(data, 1_000_000)).all()


def test_pixels_are_the_callers_own(decoders):
    first = decoders.decode(GOOD)
    kept = first.copy()
    first[:] += 1  # writable
    decoders.decode(saved(Image.new("RGB", (300, 200), "red"), "PNG"))
    decoders.decode(saved(Image.new("RGB", (300, 200), "red"), "PNG"))
    assert (first == kept + 1).all()


def test_refusals_come_with_outcome_and_detail(decoders):
    for data, most in ((b"<html>", None), (GOOD, 100), (GOOD[:900], None), (b"", None)):
        with pytest.raises(ImageError) as here:
            decode(data, most)
        with pytest.raises(ImageError) as there:
            decoders.decode(data, most)
        assert (there.value.outcome, there.value.detail) == (
            here.value.outcome,
            here.value.detail,
        )


def test_pictures_of_all_sizes_go_through_at_the_same_time(decoders):
    sizes = [(10 + 37 * i % 900, 10 + 53 * i % 700) for i in range(60)] + [(5000, 4900)]
    files = [saved(Image.new("RGB", size, (i, 255 - i, 7)), "PNG") for i, size in enumerate(sizes)]
    with ThreadPoolExecutor(6) as threads:
        for i, pixels in enumerate(threads.map(decoders.decode, files)):
            assert pixels.shape == (sizes[i][1], sizes[i][0], 3)
            assert (pixels[::50, ::50] == np.array([i, 255 - i, 7])).all()


def test_a_picture_that_takes_too_long_is_ended_and_the_others_go_on():
    decoders = Decoders(2, DecodingLimits(seconds=0, seconds_per_million=0))
    bomb = slow_picture()
    started = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        bombs = [threads.submit(decoders.decode, bomb) for _ in range(2)]
        good = [threads.submit(decoders.decode, GOOD) for _ in range(20)]
        for one in bombs:
            with pytest.raises(ImageError, match="image:too-large: decoding takes too long"):
                one.result()
        assert all((one.result() == decode(GOOD)).all() for one in good)
    assert time.monotonic() - started < 60


def test_a_picture_without_an_answer_is_ended():
    decoders = Decoders(1, DecodingLimits(silence=0.3))
    with pytest.raises(ImageError, match=r"image:too-large: decoding did not end in 0\.3 s"):
        decoders.decode(slow_picture())
    assert decoders.decode(GOOD).shape == (200, 300, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="the system holds to no limit of memory")
def test_memory_is_limited_by_pixels():
    decoders = Decoders(1, DecodingLimits(memory=10_000_000, memory_per_million=1_000_000))
    for kind in ("PNG", "WEBP"):
        with pytest.raises(ImageError) as caught:
            decoders.decode(saved(Image.new("RGB", (4000, 3000)), kind), 100_000_000)
        assert caught.value.outcome in ("image:too-large", "image:unreadable")
        assert decoders.decode(GOOD).shape == (200, 300, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "JPEG2000", "HEIF"])
def test_large_pictures_of_every_kind_stay_within_the_limits(decoders, kind):
    image = picture(2000, 1500)
    options = {"JPEG": {"progressive": True}, "AVIF": {"speed": 10}, "WEBP": {"method": 0}}
    data = saved(image, kind, **options.get(kind, {}))
    assert decoders.decode(data, 100_000_000).shape == (1500, 2000, 3)


class _Crashing(DecoderProcess):
    """A process that a picture ends, as a fault in a library does."""

    by = signal.SIGSEGV
    asked = 0

    def decode(self, data, max_pixels):
        if data == b"crash":
            type(self).asked += 1
            self._process.send_signal(self.by)
            self._process.wait()
        return super().decode(data, max_pixels)


@pytest.mark.parametrize("by", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_picture_that_crashes_the_library_is_unreadable(monkeypatch, by):
    monkeypatch.setattr(pool_module, "DecoderProcess", _Crashing)
    monkeypatch.setattr(_Crashing, "by", by)
    monkeypatch.setattr(_Crashing, "asked", 0)
    decoders = Decoders(1)
    with pytest.raises(ImageError, match="image:unreadable: the library that decodes it crashes"):
        decoders.decode(b"crash")
    assert _Crashing.asked == 2  # once more in a fresh process
    assert decoders.decode(GOOD).shape == (200, 300, 3)


def test_a_process_ended_from_outside_says_nothing_of_the_picture(monkeypatch):
    monkeypatch.setattr(pool_module, "DecoderProcess", _Crashing)
    monkeypatch.setattr(_Crashing, "by", signal.SIGKILL)
    with pytest.raises(WebbodyError, match="ended from outside, twice"):
        Decoders(1).decode(b"crash")
    decoders = Decoders(1)
    decoders.decode(GOOD)
    for number in processes(os.getpid()):
        os.kill(number, signal.SIGKILL)  # between two pictures
    assert decoders.decode(GOOD).shape == (200, 300, 3)


def test_a_process_that_cannot_start_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(WebbodyError, match="a process that decodes pictures does not start"):
        Decoders(1).decode(GOOD)


def test_modules_in_the_working_folder_are_not_imported(tmp_path, monkeypatch):
    for name in ("PIL", "numpy", "json", "socket"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    assert Decoders(1).decode(GOOD).shape == (200, 300, 3)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "at work"])
def test_processes_end_with_the_one_that_asks(busy):
    work = "d.decode(slow)" if busy else "import time; time.sleep(60)"
    code = (
        "from test_decoders import *; d = Decoders(1); d.decode(GOOD); "
        f"slow = {'slow_picture()' if busy else None}; print('begun', flush=True); {work}"
    )
    here = str(Path(__file__).parent)
    paths = os.pathsep.join([here, str(Path(here).parent), *filter(None, sys.path)])
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert parent.stdout.readline() == b"begun\n"
    (child,) = processes(parent.pid)
    time.sleep(0.3 if busy else 0)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(child, 1)


def test_processes_end_with_the_pool():
    decoders = Decoders(1)
    decoders.decode(GOOD)
    before = set(processes(os.getpid()))
    del decoders
    assert len(before - set(processes(os.getpid()))) == 1
