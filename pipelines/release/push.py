"""Publishing a release on the Hugging Face hub: in a private repository with gated access."""

import re
from pathlib import Path
from typing import Any

from webbody.errors import WebbodyError
from webbody.releases.release import Release

_ADDRESS = re.compile(r"hf://datasets/([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)/?")


def repository(address: str) -> str:
    """The repository `org/name` of hf://datasets/org/name; WebbodyError for anything else."""
    found = _ADDRESS.fullmatch(address)
    if not found:
        raise WebbodyError(f"--push {address}: write it as hf://datasets/ORGANISATION/NAME.")
    return found[1]


def push(path: str | Path, address: str, api: Any = None) -> str:
    """Upload a release; returns the repository's web address.

    A new repository is private. Access is gated, each request answered by hand, before anything
    is uploaded; data files of older versions go, and the version becomes a tag.

    Args:
        path: The release, a local folder.
        address: hf://datasets/org/name.
        api: The hub; without it huggingface_hub's, with the token that `hf auth login` stored.

    Raises:
        WebbodyError: It is a draft, the version is there already, the hub refuses, or
            huggingface_hub is missing.
    """
    repo = repository(address)
    release = Release.read(path)
    info = release.info
    if info.draft:
        raise WebbodyError(f"{path}: is a draft; release it without --draft before it is pushed.")
    for name in info.files:
        with release.open(name):
            pass  # whole and as listed
    api = api or _hub()
    dataset = {"repo_id": repo, "repo_type": "dataset"}
    try:
        url = api.create_repo(**dataset, private=True, exist_ok=True)
        api.update_repo_settings(**dataset, gated="manual")
        if any(tag.name == info.version for tag in api.list_repo_refs(**dataset).tags):
            raise WebbodyError(
                f"{address}: has version {info.version} already; raise the version in the card."
            )
        api.upload_folder(
            **dataset,
            folder_path=str(path),
            commit_message=f"Version {info.version}",
            delete_patterns="data/*",
        )
        api.create_tag(**dataset, tag=info.version)
    except WebbodyError:
        raise
    except Exception as error:  # the hub's library raises its HTTP client's exceptions
        raise WebbodyError(f"{address}: {_why(error)}") from error
    return str(url)


def _hub() -> Any:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise WebbodyError(
            "--push needs the library huggingface_hub: pip install 'webbody[release]'."
        ) from error
    return HfApi(library_name="webbody")


def _why(error: Exception) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403, 404):
        return (
            f"the hub refuses (HTTP {status}): log in with `hf auth login` under a name that may "
            "write to this repository."
        )
    told = str(error).strip().splitlines() or [""]
    return f"the hub did not take the release ({type(error).__name__}: {told[0]}); try again."
