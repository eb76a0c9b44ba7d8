"""What a benchmark finds, kept as JSON beside what it prints: its rows, and ratios by name.

    {"benchmark", "arguments", "machine", "ratios": {name: ratio}, "rows": [...]}

Floors are about the ratios alone (benchmarks/floors.py): seconds depend on the machine.
"""

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any


def add_option(parser: argparse.ArgumentParser) -> None:
    """The option --json that every benchmark has."""
    parser.add_argument("--json", type=Path, help="file for the figures, written after every row")


class Figures:
    """The figures of one run; the file of --json, if there is one, always holds all so far."""

    def __init__(self, benchmark: str, arguments: argparse.Namespace) -> None:
        self._file: Path | None = arguments.json
        self._found: dict[str, Any] = {
            "benchmark": benchmark,
            "arguments": {k: v for k, v in vars(arguments).items() if k != "json"},
            "machine": {
                "processor": platform.processor() or platform.machine(),
                "cores": os.cpu_count(),
                "load": os.getloadavg()[0],
                "python": platform.python_version(),
            },
            "ratios": {},
            "rows": [],
        }

    def row(self, **values: Any) -> None:
        """A row of a table."""
        self._found["rows"].append(values)
        self._write()

    def ratio(self, name: str, value: float) -> None:
        """A ratio of two things that were measured in this run."""
        self._found["ratios"][name] = round(float(value), 4)
        self._write()

    def _write(self) -> None:
        if self._file is not None:
            text = json.dumps(self._found, indent=1, default=str)
            self._file.write_text(text + "\n", encoding="utf-8")
