"""What a build is made from: a list of URLs and names, or a release."""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

import fsspec

from pipelines.base.custom_filter import FilterSource
from pipelines.base.stage import Stage
from pipelines.engine import settings_files
from pipelines.engine.graph import FROM_NAMES, FROM_RELEASE, FROM_URLS, BuildGraph
from pipelines.stages.photos.plan import PhotoPlan
from pipelines.stages.plan import Plan
from pipelines.stages.released.plan import ReleasedPlan
from webbody.config import BuildConfig
from webbody.errors import WebbodyError
from webbody.manifest import Manifest, ManifestLayout
from webbody.manifest.layout import file_name
from webbody.plain_text import counted
from webbody.releases.format import RELEASE_FILE
from webbody.releases.release import Release
from webbody.removals import (
    RELEASED_REMOVALS,
    REMOVALS,
    RemovalLists,
    Removals,
    lists_in,
    read_removals,
)
from webbody.storage import Folder

_NAME_AND_URL = "a name and an http or https URL"


class BuildSource(Protocol):
    """What Run asks of either kind.

    graph: the stages of such a build. groups: the column of the plan that groups its rows, and what
    its values are called. needs: what every row needs, in words. run_by: the stage that runs the
    user's filters after another one. removals: what was taken down. notes: sentences for the user.
    """

    graph: BuildGraph
    groups: tuple[str, str]
    needs: str
    run_by: Mapping[str, str]
    notes: list[str]

    def resolved(self, config: BuildConfig) -> BuildConfig:
        """The settings with what the source or the models' families decide."""
        ...

    def files(self, config: BuildConfig) -> dict[str, tuple[Any, Any]]:
        """Files that settings name, as of `engine.graph.tasks`."""
        ...

    def filters(self, config: BuildConfig) -> dict[str, tuple[FilterSource, ...]]:
        """The user's filters by the stage that runs them."""
        ...

    def state(self) -> dict[str, Any]:
        """By what a source that did not change is recognised without reading it: for build.json."""
        ...

    def digest(self) -> str:
        """sha256 (hex) of the content."""
        ...

    def removals(self, folder: Folder) -> RemovalLists:
        """The lists of removals that hold for a build in `folder`."""
        ...

    def plan(self, config: BuildConfig, removals: RemovalLists) -> Stage[Any]:
        """The plan stage."""
        ...

    def close(self) -> None:
        """Let go of temporary files."""
        ...


class NamedSource:
    """A manifest of URLs and names."""

    graph, groups = FROM_NAMES, ("name", "names")
    needs, run_by = _NAME_AND_URL, settings_files.RUN_BY

    def __init__(self, path: str, layout: ManifestLayout | None = None) -> None:
        self.path = path
        self._manifest = Manifest(path, layout=layout)
        self.notes = list(self._manifest.parts.notes)

    def resolved(self, config: BuildConfig) -> BuildConfig:
        return settings_files.with_thresholds(config)

    def files(self, config: BuildConfig) -> dict[str, tuple[Any, Any]]:
        return settings_files.files_of(config)

    def filters(self, config: BuildConfig) -> dict[str, tuple[FilterSource, ...]]:
        return settings_files.filters_of(config, self.run_by)

    def state(self) -> dict[str, Any]:
        return self._manifest.parts.state()

    def digest(self) -> str:
        return self._manifest.parts.digest().sha256

    def removals(self, folder: Folder) -> RemovalLists:
        return lists_in(folder)

    def plan(self, config: BuildConfig, removals: RemovalLists) -> Stage[Any]:
        return Plan(config.plan, self._manifest, removals)

    def close(self) -> None:
        self._manifest.close()


class UrlSource(NamedSource):
    """A list of URLs, of which a build of whole photos is made."""

    graph, groups = FROM_URLS, ("url", "URLs")
    needs, run_by = "an http or https URL", settings_files.PHOTOS_RUN_BY

    def __init__(self, path: str) -> None:
        super().__init__(path, ManifestLayout(named=False))

    def resolved(self, config: BuildConfig) -> BuildConfig:
        return settings_files.with_person_threshold(config)

    def files(self, config: BuildConfig) -> dict[str, tuple[Any, Any]]:
        return settings_files.model_files(config, settings_files.PERSON_MODEL)

    def plan(self, config: BuildConfig, removals: RemovalLists) -> Stage[Any]:
        return PhotoPlan(config.plan, self._manifest, removals)


class ReleasedSource:
    """A release: a folder, or its address on the web or a hub."""

    graph, groups = FROM_RELEASE, ("person", "people")
    needs = _NAME_AND_URL
    run_by: Mapping[str, str] = MappingProxyType({})

    def __init__(self, path: str, removals: str = "") -> None:
        self.path, self.notes = path, list[str]()
        self.release = Release.read(path)
        self._asked = removals
        self._whole = True

    def resolved(self, config: BuildConfig) -> BuildConfig:
        """As the publisher packed; and in his shards, where the whole release is built."""
        out, info = config.model_copy(deep=True), self.release.info
        part = out.rebuild.splits or out.rebuild.share < 1 or out.rebuild.subset != "all"
        self._whole = not part
        out.pack.size, out.pack.quality = info.pack.size, info.pack.quality
        out.split.seed = info.shuffle.seed
        if out.filters:
            raise WebbodyError(
                f"{self.path} is a release, which is built as it was published: leave `filters` "
                "out of the configuration."
            )
        unknown = set(out.rebuild.splits) - set(info.shuffle.shards)
        if unknown:
            raise WebbodyError(
                f"rebuild.splits: the release has no split {', '.join(sorted(unknown))}; it has "
                f"{', '.join(info.shuffle.shards)}."
            )
        if out.rebuild.share == 1 and out.rebuild.subset == "all":
            out.split.shards = {name: count for name, count in info.shuffle.shards.items() if count}
        return out

    def files(self, config: BuildConfig) -> dict[str, tuple[Any, Any]]:
        return settings_files.model_files(config, *settings_files.foreground_model(config))

    def filters(self, config: BuildConfig) -> dict[str, tuple[FilterSource, ...]]:
        return {}

    def state(self) -> dict[str, Any]:
        path = self.release.folder.path() if self.release.folder.local else self.path
        info = self.release.info
        return {
            "manifest": path,
            "release": {"name": info.name, "version": info.version, "json": self._info_digest()},
            "published_digest": info.data_digest if self._whole else "",
        }

    def digest(self) -> str:
        return self._info_digest()

    def _info_digest(self) -> str:
        # release.json lists the digests of all data files, which are checked when they are read.
        return hashlib.sha256(self.release.folder.read(RELEASE_FILE)).hexdigest()

    def removals(self, folder: Folder) -> RemovalLists:
        """The folder's own list, and the newest of the release that can be had.

        Raises WebbodyError where a list lacks what an older one has: lists are only added to.
        """
        published = _read_list(self.release.folder.url + f"/{REMOVALS}")
        known = [published, read_removals(folder, RELEASED_REMOVALS)]
        newest = self._fetched()
        if newest is None:
            held = [one for one in known if one is not None]
            newest = max(held, key=lambda one: len(one.entries), default=None)
        else:
            for older in known:
                lost = set(older.entries) - set(newest.entries) if older else set()
                if lost:
                    raise WebbodyError(
                        f"{self._place()}: lacks {counted(len(lost), 'removal')} that the release "
                        "or this folder already knows: it is older than they are; give the newest "
                        "list (rebuild.removals)."
                    )
        if newest is not None and newest.table() != (known[1] and known[1].table()):
            newest.write(folder, RELEASED_REMOVALS)
        return lists_in(folder)

    def _where(self) -> str:
        return self._asked or self.release.info.removals or REMOVALS

    def _place(self) -> str:
        where = self._where()
        return where if self._outside(where) else f"{self.release.folder.url}/{where}"

    def _fetched(self) -> Removals | None:
        """The newest list; None where it cannot be had, which is noted."""
        where = self._where()
        try:
            found = _read_list(self._place())
        except FileNotFoundError:
            found = None
        if found is None:
            if self._asked:
                raise WebbodyError(f"rebuild.removals: there is no list of removals at {where}.")
            self.notes.append(
                f"the newest list of removals ({where}) could not be fetched: what was taken down "
                f"since {self.release.info.created} may be built; ask {self.release.info.contact}."
            )
        return found

    def _outside(self, where: str) -> bool:
        """Whether a list lies elsewhere than in the release."""
        return bool(self._asked) or "://" in where

    def plan(self, config: BuildConfig, removals: RemovalLists) -> Stage[Any]:
        return ReleasedPlan(config.rebuild, self.release, removals)

    def close(self) -> None:
        pass


def _read_list(where: str) -> Removals | None:
    """The list at a path or URL; None where there is none or it cannot be reached."""
    place, _, name = where.rpartition("/")
    try:
        return read_removals(Folder(place or "."), name)
    except WebbodyError:
        raise
    except Exception:  # each file system has errors of its own for what is not to be had
        return None


def source_of(config: BuildConfig) -> BuildSource:
    """The source that `config.manifest` names; what is a release says so by its release.json.

    Raises WebbodyError where it cannot be built as `config.samples` asks.
    """
    path, photos = config.manifest, config.samples == "photos"
    if is_release(path):
        if photos:
            raise WebbodyError(
                f"{path}: is a release, which says where each person is: build it without "
                "`--preset humans` (samples: photos), which takes a list of URLs."
            )
        return ReleasedSource(path, config.rebuild.removals)
    if photos:
        return UrlSource(path)
    return NamedSource(path)


def is_release(path: str) -> bool:
    """Whether a path or URL is a release: its release.json, or a folder that holds one."""
    if path.rstrip("/").endswith(f"/{RELEASE_FILE}") or path == RELEASE_FILE:
        return True
    if "://" not in path:
        return Folder(path).size(RELEASE_FILE) is not None
    ending = file_name(path).rpartition(".")[2].lower()
    if ending in ("parquet", "pq", "csv", "jsonl", "ndjson", "json", "txt", "list", "gz", "zst"):
        return False
    try:
        fs, root = fsspec.core.url_to_fs(path.rstrip("/"))
        return bool(fs.exists(f"{root}/{RELEASE_FILE}"))
    except (OSError, ValueError, ImportError):
        return False
