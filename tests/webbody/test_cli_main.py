"""What every command has in common at its end."""

import subprocess
import sys

import pytest

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
