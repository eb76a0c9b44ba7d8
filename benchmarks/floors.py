"""Runs the benchmarks that have floors, and says which ratio falls short of its floor.

    python -m benchmarks.floors [NAME ...] [--file benchmarks/floors.yaml]

Without names all of the file. Exit code 0: all hold. 1: a ratio falls short, or a benchmark failed
or did not give it. 2: no such name.
"""

import argparse
import json
import operator
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("floors.yaml")
_HOLDS = {"at_least": operator.ge, "at_most": operator.le}


def judge(bounds: Mapping[str, Mapping[str, Any]], ratios: Mapping[str, float]) -> dict[str, str]:
    """What falls short: the ratio's name -> what was found and what is asked for.

    Args:
        bounds: For each ratio `at_least` or `at_most`.
        ratios: What a benchmark found.
    """
    short = {}
    for name, bound in bounds.items():
        for kind, holds in _HOLDS.items():
            if kind not in bound:
                continue
            asked = f"{kind.replace('_', ' ')} {bound[kind]:g}"
            if name not in ratios:
                short[name] = f"not measured, {asked} is asked for"
            elif not holds(ratios[name], bound[kind]):
                short[name] = f"{ratios[name]:.2f}, {asked} is asked for"
    return short


def measure(floor: Mapping[str, Any]) -> dict[str, float]:
    """Run a benchmark in a process of its own; its ratios, none where it fails."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "figures.json")
        command = [sys.executable, "-m", floor["benchmark"], *floor["arguments"]]
        subprocess.run([*command, "--json", str(file)], check=False)
        return json.loads(file.read_text("utf-8"))["ratios"] if file.exists() else {}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--file", type=Path, default=FILE)
    arguments = parser.parse_args()
    floors = yaml.safe_load(arguments.file.read_text("utf-8"))
    if unknown := [name for name in arguments.names if name not in floors]:
        print(f"{arguments.file} has no {', '.join(unknown)}; it has {', '.join(floors)}.")
        return 2
    chosen = {name: floors[name] for name in arguments.names or floors}
    lines: list[str] = []
    for name, floor in chosen.items():
        print(f"\n== {name}", flush=True)
        short = judge(floor["ratios"], measure(floor))
        lines += [f"{name}, {ratio}: {what}" for ratio, what in short.items()]
    count = sum(len(floor["ratios"]) for floor in chosen.values())
    print(f"\n{count - len(lines)} of {count} ratios hold.")
    print("".join(f"Falls short: {line}.\n" for line in lines), end="")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
