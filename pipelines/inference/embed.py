"""Features of people from any source into one file (webbody embed)."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import torch

from model.features.extract import Extractor
from model.features.resumable import ExtractionSummary, ExtractionUnit, OtherFeatures, make_features
from model.features.samples import Sample, read_shard
from pipelines.detection import families
from pipelines.detection.devices import choose_device
from pipelines.inference.checkpoint import Checkpoint
from pipelines.inference.pictures import read_pictures
from pipelines.inference.sources import SourceFiles, find_sources
from webbody import __version__, models
from webbody.config import BuildConfig
from webbody.errors import WebbodyError, error_context
from webbody.model_table import KEYPOINTS, PERSONS
from webbody.redaction import redacted
from webbody.storage import Folder

if TYPE_CHECKING:
    from pipelines.detection.person_crops import SubjectFinder

#: Pictures that are committed together.
PICTURES = 256
#: User-facing names of the settings that differ between features.
_CALLED = {
    "sha256": "another checkpoint",
    "arguments": "other model arguments",
    "sources": "other sources",
    "dtype": "another --dtype",
    "flip": "another --flip",
    "whole": "another --whole",
    "precision": "another --device",
    "finder": "other settings for finding people",
    "version": "another version of webbody",
    "columns": "another version of webbody",
}


def embed(
    sources: Sequence[str],
    checkpoint: Checkpoint,
    out: str,
    config: BuildConfig,
    *,
    whole: bool = False,
    flip: bool = False,
    batch: int = 32,
    dtype: str = "float32",
    replace: bool = False,
    progress: Callable[[int, int, int], None] = lambda rows, parts, of: None,
) -> ExtractionSummary:
    """Write the features of the people of sources (see `find_sources`) to `out` (Parquet).

    Parts are committed beside `out`, so that the same call goes on where a killed one stopped.
    Samples of shards have keypoints; in pictures the person is found with the models of `config`.
    whole: pictures are crops of a person. flip, batch: as for Extractor. dtype: of the stored
    features. replace: overwrite features of other settings. progress: called with the rows made,
    the parts that are there, and all parts. Raises WebbodyError for what a user can fix.
    """
    folder, name = _place(out)
    device = choose_device(config.resources.device)
    found = find_sources(sources)
    model = checkpoint.model
    parts = _parts(found, model.image_size, config, whole)
    info = checkpoint.info() | {
        "sources": [redacted(source) for source in sources],
        "flip": flip,
        "whole": whole,
        "dtype": dtype,
        "precision": "bfloat16" if device == "cuda" else "float32",
        "finder": finder_settings(config, whole) if found.pictures else None,
        "version": __version__,
    }
    try:
        return make_features(
            parts,
            Extractor(model, device=device, batch=batch, flip=flip),
            folder,
            name,
            info,
            feature_dim=model.feature_dim,
            dtype=dtype,
            replace=replace,
            progress=lambda rows, there: progress(rows, there, len(parts)),
        )
    except OtherFeatures as error:
        named = (_CALLED.get(name, name) for name in error.differs)
        what = " and ".join(dict.fromkeys(named))
        raise WebbodyError(
            f"{out}: what is there was made with {what or 'something else'}; give --replace to "
            "start over, or another --out."
        ) from error


def lazy_finder(
    config: BuildConfig, whole: bool, size: int, mirrored: bool = False
) -> Callable[[], "SubjectFinder"]:
    """A function that creates one SubjectFinder with all threads on its first call.

    So shards can be embedded without the build's libraries.
    """
    threads = torch.get_num_threads()

    @cache
    def finder() -> "SubjectFinder":
        try:
            from pipelines.detection.person_crops import SubjectFinder
        except ImportError as error:
            raise WebbodyError(
                f"Finding people in pictures needs {error.name}: pip install 'webbody[build]'."
            ) from error
        return SubjectFinder(config, whole=whole, size=size, mirrored=mirrored, threads=threads)

    return finder


def finder_settings(config: BuildConfig, whole: bool) -> dict[str, Any]:
    """The settings that decide a picture's crop and keypoints, with the models' sha256."""
    faces = {"detector", "detector_size", "min_score"}
    out = {
        "keypoints": config.keypoints.model_dump(mode="json"),
        "faces": config.faces.model_dump(mode="json", include=faces),
    }
    out["keypoints"]["model"] = models.digest(models.resolve(config.keypoints.model, KEYPOINTS))
    if not whole:
        out["persons"] = config.persons.model_dump(mode="json")
        family = families.person_detector(config.persons.model, config.persons.family)
        confidence = config.persons.confidence
        out["persons"]["confidence"] = families.threshold(family, confidence, "persons.confidence")
        out["persons"]["model"] = models.digest(models.resolve(config.persons.model, PERSONS))
    return out


def _place(out: str) -> tuple[Folder, str]:
    """The folder of a file that is to be written, and its name."""
    parent, slash, name = out.rpartition("/")
    folder = Folder(parent or slash or ".")
    if not name.endswith(".parquet") or folder.fs.isdir(folder.path(name)):
        raise WebbodyError(f"--out {out}: give the file to write, such as features.parquet.")
    return folder, name


def _parts(found: SourceFiles, size: int, config: BuildConfig, whole: bool) -> list[ExtractionUnit]:
    """A part for each shard and for every PICTURES pictures."""
    finder = lazy_finder(config, whole, size)
    parts = [
        ExtractionUnit(_name(url, path, state), partial(_shard, Folder(url), path, size))
        for url, shards in found.shards.items()
        for path, state in shards.items()
    ]
    for url, pictures in found.pictures.items():
        paths = list(pictures)
        for start in range(0, len(paths), PICTURES):
            some = paths[start : start + PICTURES]
            name = _name(url, *(f"{path} {pictures[path]}" for path in some))
            read = partial(read_pictures, Folder(url), some, finder, config.download.max_pixels)
            parts.append(ExtractionUnit(name, read))
    return parts


def _shard(folder: Folder, path: str, size: int) -> Iterator[Sample]:
    source = f"{folder.url}/{path}"
    with error_context(after="; what is committed is kept: fix the shard, or leave it out"):
        try:
            with folder.open(path) as file:
                yield from read_shard(file, source, size)
        except OSError as error:
            raise WebbodyError(f"{source} cannot be read ({error.strerror or error})") from error


def _name(*described: str) -> str:
    """A file name for a part: a digest of where it is from and of its state."""
    return hashlib.blake2b("\n".join(described).encode(), digest_size=10).hexdigest()
