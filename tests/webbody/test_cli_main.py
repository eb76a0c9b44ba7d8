"""What every command has in common at its end."""

import subprocess
import sys

import pytest

from webbody import cli

PROGRAM = """
import os, signal, sys, time
from webbody import cli

@cli.app.command("stopped")
def stopped() -> None:
    try:
        os.kill(os.getpid(), getattr(signal, {name!r}))
        time.sleep(30)
    finally:
        print("tidied up")

sys.argv = ["webbody", "stopped"]
cli.main()
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_who_stops_it_is_told_that_nothing_is_lost(name: str, code: int) -> None:
    program = PROGRAM.format(name=name)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == code
    assert done.stdout == "tidied up\n"
    assert "What was committed is kept; run the same command again" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("module", "part"),
    [
        ("duckdb", "webbody[build]"),
        ("cv2.dnn", "webbody[build]"),
        ("ray", "webbody[build]"),
        ("pillow_heif", "webbody[build]"),
        ("timm", "webbody[compare]"),
        ("tensorboard", "webbody[train]"),
        ("pydantic", "webbody"),
    ],
)
def test_a_library_that_is_missing_is_one_sentence(module, part, monkeypatch, capsys):
    def command():
        raise ModuleNotFoundError(f"No module named '{module}'", name=module)

    monkeypatch.setattr(cli, "app", command)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    told = capsys.readouterr().err
    assert stop.value.code == 2
    assert told.count("\n") == 1 and f"pip install '{part}'" in told


def test_a_module_of_webbody_that_is_missing_is_no_mistake_of_the_user(monkeypatch, capsys):
    def command():
        raise ModuleNotFoundError("No module named 'pipelines.nowhere'", name="pipelines.nowhere")

    monkeypatch.setattr(cli, "app", command)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 1 and "Traceback" in capsys.readouterr().err
