"""The index beside a build's samples: which shards belong together, and whether they are whole.

Builds and imports remove the index before they change any shard and write it last. Shards without
an index may therefore mix old and new settings.
"""

import shlex
from dataclasses import dataclass
from typing import Any

from fsspec import AbstractFileSystem

from webbody.errors import WebbodyError
from webbody.json_text import parse_json

INDEX = "index.json"
_PACK = "pack"
#: State files of builds and imports, and keys that each must have.
_STATES = {"build.json": {"manifest", "sha256"}, "import.json": {"dataset", "path"}}


@dataclass(frozen=True)
class IndexedShard:
    """A shard listed by an index; size and digest if the index has them."""

    name: str
    bytes: int | None
    sha256: str | None


def folder_of_shards(fs: AbstractFileSystem, root: str) -> str:
    """The folder that holds the shards: `pack` inside a build or an import, else the folder."""
    pack = f"{root}/{_PACK}"
    return pack if fs.exists(f"{pack}/{INDEX}") or _state(fs, root) is not None else root


def read_index(
    fs: AbstractFileSystem, folder: str, shard: str = ""
) -> dict[str, list[IndexedShard]] | None:
    """The shards by split that the index in a folder lists; None without an index.

    shard: a file of the folder; its commit record shows that the folder is a build's even without
    build.json. Raises WebbodyError for an unfinished build (no index, or one that its commit
    records do not confirm) and for a damaged index.
    """
    root, _, name = folder.rpartition("/")
    state = _state(fs, root) if name == _PACK else None
    index = f"{folder}/{INDEX}"
    if not fs.exists(index):
        if state is not None or (shard and _committed(fs, folder, [shard])):
            raise WebbodyError(_unfinished(fs, folder, state))
        return None
    try:
        splits = {
            split: [_shard(entry) for entry in found["shards"]]
            for split, found in parse_json(fs.cat_file(index))["splits"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WebbodyError(f"{_url(fs, index)}: is no index of shards") from error
    if state is not None:
        listed = [entry for entries in splits.values() for entry in entries]
        committed = _committed(fs, folder, [entry.name for entry in listed])
        if any(committed.get(entry.name) != (entry.bytes, entry.sha256) for entry in listed):
            raise WebbodyError(_unfinished(fs, folder, state))
    return splits


def _shard(entry: dict[str, Any]) -> IndexedShard:
    return IndexedShard(str(entry["name"]), entry.get("bytes"), entry.get("sha256"))


def _state(fs: AbstractFileSystem, root: str) -> dict[str, Any] | None:
    """The state file of a folder that a build or an import made; None for other folders."""
    for name, keys in _STATES.items():
        try:
            values = parse_json(fs.cat_file(f"{root}/{name}"))
        except (OSError, ValueError):
            continue
        if isinstance(values, dict) and keys <= set(values):
            return values
    return None


def _committed(
    fs: AbstractFileSystem, folder: str, shards: list[str]
) -> dict[str, tuple[int, str]]:
    """Size and digest of those of the shards that have a commit record of a build."""
    paths = {f"{folder}/{name.removesuffix('.tar')}.json": name for name in shards}
    found = fs.cat_ranges(list(paths), None, None, on_error="return") if paths else []
    out = {}
    for data, name in zip(found, paths.values(), strict=True):
        try:
            output = parse_json(data)["outputs"][name]
            out[name] = (output["bytes"], output["sha256"])
        except (KeyError, TypeError, ValueError):
            continue
    return out


def _unfinished(fs: AbstractFileSystem, folder: str, state: dict[str, Any] | None) -> str:
    root, out = folder.rpartition("/")[0], shlex.quote
    if state is None:
        return (
            f"{_url(fs, folder)}: lacks the {INDEX} of its build, so its shards may not fit "
            f"together; finish that build with `webbody build`, and copy it with its {INDEX}"
        )
    if "dataset" in state:
        what = f"import reid {out(state['dataset'] + '=' + str(state['path']))} --out "
        made, what = "import", what + out(_url(fs, root.rpartition("/")[0]))
    else:
        what = f"build --manifest {out(str(state['manifest']))} --out {out(_url(fs, root))}"
        made = "build"
    return (
        f"{_url(fs, root)}: this {made} is not finished, so its samples may not fit together; run "
        f"`webbody {what}` with its settings to finish it"
    )


def _url(fs: AbstractFileSystem, path: str) -> str:
    return str(fs.unstrip_protocol(path)).removeprefix("file://")
