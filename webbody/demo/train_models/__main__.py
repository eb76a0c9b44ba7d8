"""Train the demo's models, side by side on the machine's cores, and measure the pack."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from webbody.demo.train_models import card, lane, measure

# The longest first: the short ones then fill the cores' remaining time.
_LANES = ("persons", "faces", "embedder", "keypoints")


def main() -> None:
    """Run the chosen lanes, a process each; write the models, figures.json and README.md."""
    parser = argparse.ArgumentParser(
        prog="python -m webbody.demo.train_models", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True, help="folder that receives the pack")
    parser.add_argument("--fast", action="store_true", help="take less than half the time")
    parser.add_argument("--only", default=",".join(_LANES), help="lanes, with commas between")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",")
    if unknown := set(chosen) - set(_LANES):
        parser.error(f"no such lane: {', '.join(sorted(unknown))}; there are {', '.join(_LANES)}")
    arguments.out.mkdir(parents=True, exist_ok=True)

    def train(name: str) -> int:
        command = [sys.executable, "-m", f"webbody.demo.train_models.{name}", "--out"]
        command += [str(arguments.out), *(["--fast"] if arguments.fast else [])]
        # A lane is one thread wide; libraries that read this would otherwise start more.
        return subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}).returncode

    lanes = [name for name in _LANES if name in chosen]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        codes = list(pool.map(train, lanes))
    if failed := [name for name, code in zip(lanes, codes, strict=True) if code]:
        sys.exit(f"lanes that failed: {', '.join(failed)}")
    chained = ("persons.pt", "faces.onnx", "keypoints.onnx")
    if all((arguments.out / name).exists() for name in chained):
        chain = {world: measure.chain(arguments.out, world) for world in measure.WORLDS}
        lane.record(arguments.out, "chain", chain)
    figures = json.loads((arguments.out / "figures.json").read_text())
    (arguments.out / "README.md").write_text(card.text(figures, arguments.out))


if __name__ == "__main__":
    main()
