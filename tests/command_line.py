"""`webbody` as a user meets it: what it prints, and the exit code."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from webbody.cli import main


def run(*arguments: object) -> tuple[int, str, str]:
    """Run `webbody ARGUMENTS`; exit code, standard output, standard error."""
    out, error = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(error):
        patch.setattr(sys, "argv", ["webbody", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
    return code, out.getvalue(), error.getvalue()


def one_sentence(text: str) -> bool:
    """Whether an error is what the house promises: a line, no traceback, says what to do."""
    alone = len(text.strip().splitlines()) == 1
    return alone and text.startswith("webbody: ") and "Traceback" not in text
