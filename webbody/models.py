"""Resolving model files: from a path, a library's cache, or the network.

A backend takes a path, or a name that its library knows. A name is looked up in that library's own
cache and else fetched by that library; nothing is fetched that is there already.
"""

import contextlib
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from webbody import model_digests, model_fetching
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.library_environment import cache_folder
from webbody.model_contracts import FAMILIES, KPRPE_VIT
from webbody.model_fetching import by_rtmlib
from webbody.model_table import FACE_EMBEDDER, KNOWN, SUFFIXES, ModelFile, find

#: The files of a model that a training of ours wrote.
_CONFIG, _WEIGHTS = "model.json", "model.safetensors"


def resolve(name_or_path: str, backend: str) -> Path:
    """The local file of a model, fetched by its library if it is neither a path nor in the cache.

    Raises WebbodyError where there is no such file or name, where it cannot be fetched, where the
    file is of another kind than the backend reads, and where a name's file is not the one that the
    table means.
    """
    # Absolute, as workers have working folders of their own.
    path = Path(name_or_path).expanduser().absolute()
    if backend == FACE_EMBEDDER and (path / _CONFIG).is_file():
        path = _trained(path)
    if path.exists():
        return _checked(path, backend)
    entry = find(name_or_path, backend)
    if entry is None:
        names = ", ".join(sorted(model.name for model in KNOWN if model.backend == backend))
        file = f"give the path of a {' or '.join(SUFFIXES[backend])} file"
        if not names:
            raise WebbodyError(f"{name_or_path}: there is no such file; {file}.")
        raise WebbodyError(
            f"{name_or_path}: there is no such file, and no {backend} model of this name; {file} "
            f"or one of: {names}."
        )
    place = location(entry)
    if not place.exists():
        model_fetching.fetch(entry, location, lambda file: _check_fetched(entry, file))
    place = _checked(location(entry), backend)
    model_digests.check(entry, place, digest(place))
    return place


def _trained(folder: Path) -> Path:
    """The weights in a folder that `webbody train --preset face` wrote."""
    about = parse_json((folder / _CONFIG).read_text(encoding="utf-8", errors="replace"))
    family = about.get("family") if isinstance(about, dict) else None
    if family != KPRPE_VIT.family:
        raise WebbodyError(
            f"{folder}: holds {family or 'SapiensID or another model'}, not a face embedder; give "
            "the folder `model` of a run of `webbody train --preset face`."
        )
    return folder / _WEIGHTS


def location(model: ModelFile) -> Path:
    """The path of the file in the cache of the model's library; it may not exist yet."""
    if by_rtmlib(model):
        from rtmlib.tools.file import _get_rtmhub_dir

        return Path(_get_rtmhub_dir()) / "checkpoints" / model.file
    if "/" in model.file:  # insightface; a pack may hold a folder of its own name
        pack, _, file = model.file.partition("/")
        folder = Path("~/.insightface/models").expanduser() / pack
        return next(iter(sorted(folder.rglob(file))), folder / file)
    # ultralytics downloads into the working folder, CVLFace has no cache: both lie in ours.
    return cache_folder() / "models" / model.file


def _check_fetched(model: ModelFile, path: Path) -> None:
    """WebbodyError where what was fetched is cut off, or not the file that the table means."""
    _checked(path, model.backend)
    model_digests.check(model, path, digest(path))


def digest(path: str | Path) -> str:
    """sha256 (hex) of a file's content; read once per process while the file stays the same."""
    status = Path(path).stat()
    return _digest(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: str, size: int, time: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def available() -> list[dict[str, Any]]:
    """A row for each known model, with what its licence and its contract say.

    `path` is None where the file is not on this machine; `threshold` where the family has none.
    """
    rows = []
    for model in KNOWN:
        try:
            place: Path | None = location(model)
        except ImportError:
            place = None
        found = str(place) if place is not None and place.exists() else None
        rows.append(
            {
                "name": model.name,
                "backend": model.backend,
                "family": model.contract.family if model.contract else "unknown",
                "licence": model.licence.name,
                "permissive": model.licence.permissive,
                "digest": model_digests.state(model),
                "score": model.contract.score if model.contract else "unknown",
                "threshold": model.contract.threshold if model.contract else None,
                "source": model.source,
                "path": found,
            }
        )
    return rows


def described(name: str) -> dict[str, dict[str, str]]:
    """What is known of each model of this name (a pack has two), or of a family; by title.

    Raises WebbodyError where there is neither.
    """
    out: dict[str, dict[str, str]] = {}
    for model in KNOWN:
        if model.name == name:
            size = "" if model.size is None else f", {model.size:,} bytes"
            out[f"{name} ({model.backend})"] = {
                "from": model.source,
                "licence": model.licence.name
                + (" (permissive)" if model.licence.permissive else " (not permissive)"),
                "sha256": (model.sha256 or "not published") + size,
                **(model.contract.facts(model.input_size) if model.contract else {}),
            }
    if name in FAMILIES:
        out[f"{name} (family)"] = FAMILIES[name].facts(None)
    if not out:
        raise WebbodyError(f"{name}: no such model; `webbody models list` shows their names.")
    return out


def fetch(names: Sequence[str]) -> list[Path]:
    """Fetch models by name ahead of a build; a pack of insightface counts for both its backends."""
    paths = []
    for name in names:
        backends = [backend for backend in SUFFIXES if find(name, backend)]
        if not backends:
            raise WebbodyError(f"{name}: no such model; `webbody models list` shows their names.")
        paths += [resolve(name, backend) for backend in backends]
    return paths


@contextlib.contextmanager
def loading(path: str | Path, what: str) -> Iterator[None]:
    """Turn a library's exceptions while loading a model file into a WebbodyError."""
    try:
        # Libraries print what they load; a build has a report of its own.
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except (WebbodyError, ImportError, MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise WebbodyError(
            f"{path}: cannot be loaded as {what} ({reason[0][:200]}); check that it is the right "
            "file, and fetch it anew if it is damaged."
        ) from error


def _checked(path: Path, backend: str) -> Path:
    """The path, if its ending and first bytes are of a kind that the backend reads."""
    suffixes = " or ".join(SUFFIXES[backend])
    if not path.is_file():
        raise WebbodyError(f"{path}: is a folder; give the {suffixes} file of the {backend} model.")
    if path.suffix not in SUFFIXES[backend]:
        raise WebbodyError(
            f"{path}: a {backend} model is a {suffixes} file; choose another file or setting."
        )
    if not _LOOKS_RIGHT[path.suffix](path):
        raise WebbodyError(
            f"{path}: is damaged or no {path.suffix} file (a download that broke off, or a web "
            "page saved in its place); remove it and fetch it anew."
        )
    return path


def _is_onnx(path: Path) -> bool:
    # A protocol buffer whose first field is the format's version, a small number.
    start = _start(path)
    return len(start) == 16 and start[0] == 0x08 and start[1] < 0x20


def _is_safetensors(path: Path) -> bool:
    # The length of a JSON header, then the header.
    start = _start(path)
    return start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size


def _is_torch(path: Path) -> bool:
    return zipfile.is_zipfile(path) or _start(path)[:1] == b"\x80"  # a pickle of old torch


def _is_engine(path: Path) -> bool:
    # As ultralytics exports it: the length of a JSON text, then the text.
    start = _start(path)
    return start[4:5] == b"{" and int.from_bytes(start[:4], "little") < path.stat().st_size


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


_LOOKS_RIGHT: dict[str, Callable[[Path], bool]] = {
    ".onnx": _is_onnx,
    ".safetensors": _is_safetensors,
    ".pt": _is_torch,
    ".pth": _is_torch,
    ".torchscript": zipfile.is_zipfile,
    ".engine": _is_engine,
}
