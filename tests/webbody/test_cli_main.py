"""What every command has in common at its end."""

import subprocess
import sys

PROGRAM = """
import sys
from webbody import cli

@cli.app.command("stopped")
def stopped() -> None:
    raise KeyboardInterrupt

sys.argv = ["webbody", "stopped"]
cli.main()
"""


def test_ctrl_c_says_that_nothing_is_lost() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 130
    assert "What was committed is kept; run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
