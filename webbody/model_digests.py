"""Checks of model files by published digest, or by the digest first seen.

For files without a published digest, the first one seen on this machine is stored in the cache
folder; a later change is refused.
"""

import contextlib
import json
import os
from pathlib import Path

from webbody.errors import WebbodyError
from webbody.library_environment import cache_folder
from webbody.model_table import ModelFile

KNOWN, REMEMBERED, UNKNOWN = "known", "first seen here", "unknown"


def check(model: ModelFile, path: Path, sha256: str) -> None:
    """WebbodyError unless the file at `path`, with this sha256, is the one that the table means."""
    size = path.stat().st_size
    if model.sha256 is None:
        first = _remembered().get(_key(model))
        if first is None:
            _remember(model, sha256)
        elif first != sha256:
            raise WebbodyError(
                f"{path}: has changed since {model.name} was first used on this machine (its "
                f"sha256 began {first[:12]}, now {sha256[:12]}): remove it and run `webbody models "
                f"fetch {model.name}`; if the new file is meant, give its path instead of the "
                f"name, or take its entry out of {_file()}."
            )
    elif sha256 != model.sha256:
        raise WebbodyError(
            f"{path}: is not the file that is known as {model.name} ({size:,} bytes, sha256 "
            f"{sha256[:12]}..., instead of "
            + (f"{model.size:,} bytes, " if model.size else "")
            + f"{model.sha256[:12]}...): it was cut off, changed or replaced; remove it and run "
            f"`webbody models fetch {model.name}`, or give its path if you mean this file."
        )


def state(model: ModelFile) -> str:
    """The state of the digest of a model's file, in words."""
    if model.sha256 is not None:
        return KNOWN
    return REMEMBERED if _key(model) in _remembered() else UNKNOWN


def _key(model: ModelFile) -> str:
    return f"{model.source} {model.file}"


def _file() -> Path:
    return cache_folder() / "model-digests.json"


def _remembered() -> dict[str, str]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(model: ModelFile, sha256: str) -> None:
    from filelock import FileLock

    # Without a writable cache nothing is stored; the file is used nevertheless.
    with contextlib.suppress(OSError):
        file = _file()
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock"):
            text = json.dumps(_remembered() | {_key(model): sha256}, indent=1)
            part = file.with_name(f"{file.name}.{os.getpid()}")
            part.write_text(text, encoding="utf-8")
            part.replace(file)
