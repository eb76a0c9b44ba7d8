"""From a list of URLs and names to a data set, and what is in it: all through Python.

    python examples/build_and_read.py OUT

The list is of drawn people, served on this machine, so the example needs no network. With a list of
your own leave out the first step, and name real model files (`webbody models list`) and people who
must not be in the data (`webbody gallery`).
"""

import json
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.build import build
from pipelines.build_result import BuildResult
from webbody.cli.people import demo_models
from webbody.config import load
from webbody.demo.website.kinds import BUILD_SETTINGS
from webbody.demo.website.server import serve
from webbody.demo.website.web import make_web

#: The web misbehaves on purpose, and is on loopback: it is asked less patiently, and let through.
DEMO = [f"{setting}={json.dumps(value)}" for setting, value in BUILD_SETTINGS.items()]


def build_data_set(out: Path, names: int, images: int, port: int) -> BuildResult:
    """Draw a web of so many names and URLs for each, serve it, and build a data set from it."""
    web = make_web(out / "web", names=names, images=images, port=port)
    given = [f"manifest={web.manifest}", f"out={out / 'data'}", *DEMO]
    # The models that know drawn people; settings over them, as a YAML file or `--set` would be.
    config = load(None, given, base=demo_models())
    with serve(web.folder, port):
        return build(config, listener=lambda event: print(f"{event.stage:>10} {event.kind}"))


def samples(pack: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """JPEG and description of each sample; any reader of WebDataset shards does."""
    for shard in sorted(pack.glob("*.tar")):
        with tarfile.open(shard) as tar:
            jpeg = b""
            for member in tar:  # a sample's files are neighbours: .jpg, .cls, .json
                file = tar.extractfile(member)
                data = file.read() if file else b""
                if member.name.endswith(".jpg"):
                    jpeg = data
                elif member.name.endswith(".json"):
                    yield jpeg, json.loads(data)


def main(out: Path, names: int = 8, images: int = 8, port: int = 18790) -> None:
    result = build_data_set(out, names, images, port)
    if not result.complete:
        raise SystemExit(f"{len(result.failures)} shards failed: run the same again to retry.")
    print(f"What became of the {result.rows} rows: {result.outcomes}")
    images_of: Counter[int] = Counter()
    for jpeg, about in samples(out / "data" / "pack"):
        seen = sum(visible > 0 for _, _, visible in about["keypoints"])
        images_of[about["person"]] += 1
        print(f"person {about['person']}: {len(jpeg):,} bytes, {seen} of 19 keypoints seen")
    print(f"{images_of.total()} images of {len(images_of)} people")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
