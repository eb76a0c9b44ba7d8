"""The packages' logging: files beside what is made, and the terminal on request."""

import logging
from pathlib import Path

import pytest

from webbody.errors import WebbodyError
from webbody.logs import PACKAGES, SHOWN, log_file, log_to_terminal, run_log
from webbody.storage import Folder

LOG = logging.getLogger("pipelines.somewhere")


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_nothing_is_shown_or_written_unasked(capfd: pytest.CaptureFixture[str]):
    for package in PACKAGES:
        __import__(package)
        logging.getLogger(f"{package}.module").error("nobody asked")
    assert capfd.readouterr() == ("", "")


def test_a_file_gets_what_is_logged_after_its_beginning_and_is_appended_to(tmp_path: Path):
    for word in ("one", "two"):
        with log_file(Folder(tmp_path / "out"), "x.log") as begin:
            LOG.info("before %s", word)
            assert word == "two" or not (tmp_path / "out").exists()
            begin()
            begin()
            LOG.info("after %s", word)
        LOG.warning("outside")
    found = lines(tmp_path / "out" / "x.log")
    assert [line.rpartition(": ")[2] for line in found] == ["after one", "after two"]
    assert "INFO pipelines.somewhere" in found[0]


def test_a_remote_folder_gets_it_at_the_end(tmp_path: Path):
    for number in range(2):
        with log_file(Folder(f"memory://{tmp_path}"), "x.log") as begin:
            begin()
            LOG.info("line %d", number)
    text = Folder(f"memory://{tmp_path}").read("x.log").decode()
    assert text.count("\n") == 2 and "line 0" in text and "line 1" in text


def test_text_of_strangers_is_made_plain_and_keeps_its_lines(tmp_path: Path):
    with log_file(Folder(tmp_path), "x.log") as begin:
        begin()
        LOG.error("a\x1b[31m red\u202ename\nTraceback")
    first, second = lines(tmp_path / "x.log")
    assert first.endswith("a\ufffd[31m red\ufffdname") and second == "Traceback"


@pytest.mark.parametrize(
    ("error", "level", "trace"),
    [
        (WebbodyError("make room"), "ERROR", False),
        (ZeroDivisionError("nought"), "ERROR", True),
        (KeyboardInterrupt(), "WARNING", False),
    ],
)
def test_the_error_that_ends_a_run_is_logged(tmp_path: Path, error, level: str, trace: bool):
    with pytest.raises(type(error)), run_log(Folder(tmp_path), "x.log", LOG) as begin:
        begin()
        raise error
    text = (tmp_path / "x.log").read_text()
    assert f" {level} pipelines.somewhere: ended" in text
    assert ("Traceback" in text) == trace
    assert (str(error) or "KeyboardInterrupt") in text


def test_the_terminal_shows_what_the_command_does_not_until_it_is_closed(
    capsys: pytest.CaptureFixture[str],
):
    close = log_to_terminal()
    LOG.info("seen")
    LOG.info("said by the command itself", extra=SHOWN)
    close()
    LOG.info("late")
    assert capsys.readouterr().err.splitlines()[0].endswith("pipelines.somewhere: seen")


def test_a_full_disk_leaves_lines_out(monkeypatch, tmp_path: Path, capfd):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    (tmp_path / "x.log").symlink_to("/dev/full")
    with log_file(Folder(tmp_path), "x.log") as begin:
        begin()
        LOG.info("lost")
    assert capfd.readouterr() == ("", "")
