"""The synthetic web as files: images, a manifest with their URLs, and the truth about both.

FOLDER/files/           the images, as `webbody.demo.website.server` serves them
FOLDER/behaviours.json  URL path -> file and behaviour, where a path is more than a file
FOLDER/manifest.parquet url, name: what a build gets
FOLDER/truth.parquet    the same rows: what is behind them (see `webbody.demo.website.truth`)
FOLDER/names.parquet    name, identity, leaked
FOLDER/gallery/         validation people, `<identity>/<n>.jpg`
FOLDER/web.json         the arguments, written last
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from webbody.demo.website import kinds
from webbody.demo.website.files import file_name, write_files, write_gallery
from webbody.demo.website.plan import make_plan
from webbody.demo.website.truth import truth_table
from webbody.errors import WebbodyError

DEFAULT_PORT = 18765
GALLERY_PHOTOS = 4

NAMES = pa.schema([("name", pa.string()), ("identity", pa.int64()), ("leaked", pa.bool_())])


@dataclass(frozen=True)
class Web:
    """Where a web lies and how to build from it.

    settings: what a build needs so that the expected outcomes hold, as `section.field` -> value.
    """

    folder: Path
    port: int
    settings: dict[str, object]

    @property
    def manifest(self) -> Path:
        return self.folder / "manifest.parquet"

    @property
    def truth(self) -> Path:
        return self.folder / "truth.parquet"

    @property
    def names(self) -> Path:
        return self.folder / "names.parquet"

    @property
    def gallery(self) -> Path:
        return self.folder / "gallery"


def make_web(
    folder: str | os.PathLike[str],
    *,
    names: int = 40,
    images: int = 12,
    world: str = "default",
    seed: int = 0,
    port: int = DEFAULT_PORT,
    gallery: int = 10,
    processes: int = 2,
) -> Web:
    """Draw a web into `folder`, or return the one that lies there if it is the same.

    names: number of names (some people have two). images: URLs of each name. world: "default" or
    "stress". port: where it will be served; it is part of the URLs, so that the same arguments give
    the same manifest. gallery: validation people. processes: change the speed only.

    Raises WebbodyError where the folder holds anything else.
    """
    if world not in ("default", "stress"):
        raise WebbodyError(f"There is no world {world!r}: choose default or stress.")
    if names < 1 or images < 1:
        raise WebbodyError("A web needs at least one name and one image of each.")
    path = Path(folder)
    arguments = {
        "names": names, "images": images, "world": world, "seed": seed, "port": port,
        "gallery": gallery, "code": _code(),
    }  # fmt: skip
    web = Web(path, port, dict(kinds.BUILD_SETTINGS))
    if read_arguments(path) == arguments:
        return web
    _clear(path)
    plan = make_plan(names, images, seed, gallery)
    items = {row.item.number: row.item for row in plan.rows if row.item}
    written = write_files(path / "files", seed, world, list(items.values()), processes)
    write_gallery(web.gallery, seed, plan.gallery, GALLERY_PHOTOS, processes)
    paths = {number: url_path(file_name(seed, item)) for number, item in items.items()}
    truth = truth_table(plan, written, paths, port)
    pq.write_table(truth, web.truth)
    pq.write_table(truth.select(["url", "name"]), web.manifest)
    people = [
        {"name": name, "identity": identity, "leaked": identity in plan.leaked}
        for name, identity in plan.names.items()
    ]
    pq.write_table(pa.Table.from_pylist(people, NAMES), web.names)
    served = {
        paths[number]: {"file": file_name(seed, item), "behaviour": item.behaviour}
        for number, item in items.items()
        if paths[number] != file_name(seed, item) or item.behaviour != kinds.PLAIN
    }
    _write_json(path / "behaviours.json", served)
    _write_json(path / "web.json", arguments)
    return web


def read_arguments(folder: Path) -> dict[str, Any] | None:
    """The arguments that a finished web was made with; None where there is none."""
    try:
        web: dict[str, Any] = json.loads((folder / "web.json").read_text(encoding="utf-8"))
        return web
    except (FileNotFoundError, ValueError):
        return None


def url_path(name: str) -> str:
    """The path in the URL of a file: mostly its own; some with blanks or letters beyond ASCII."""
    stem, _, end = name.rpartition("/")[2].rpartition(".")
    digest = int(stem, 16)
    if digest % 12 == 0:
        return f"fotos/été à la plage {stem}.{end}"
    if digest % 12 == 1:
        return f"写真/{stem}.{end}"
    if digest % 12 == 2:
        return f"image/{stem}?size=large&v=2"
    return name


def _clear(folder: Path) -> None:
    """Make room for a new web; refuse to touch what is none."""
    known = {
        "files", "gallery", "manifest.parquet", "truth.parquet", "names.parquet", "behaviours.json",
        "web.json",
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    others = sorted({path.name for path in folder.iterdir()} - known)
    if others:
        raise WebbodyError(
            f"{folder} holds something else ({others[0]}): give the synthetic web a folder of its "
            "own."
        )
    (folder / "web.json").unlink(missing_ok=True)
    for name in ("files", "gallery"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _code() -> str:
    """A digest of what draws and writes: an older drawing is not taken for a current one."""
    digest = hashlib.blake2b(digest_size=8)
    website = Path(__file__).parent
    for folder in (website.parent / "drawing", website):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _write_json(path: Path, value: object) -> None:
    path.write_text(
        json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )
