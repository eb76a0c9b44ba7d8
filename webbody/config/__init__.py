"""The configuration of a build: every setting, its default and its meaning.

A section per stage holds what changes that stage's output and therefore goes into its fingerprint;
`resources` holds what only changes speed. Parameters follow the paper (section 3.4, B.6, C.2) and
the authors' scripts; where these differ from a library's habit the field says so.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from webbody.config.detection import FacesSettings, KeypointsSettings, PersonsSettings
from webbody.config.fetching import DownloadSettings, PlanSettings
from webbody.config.filters import FilterSettings
from webbody.config.flags import FLAGS, FlagsSettings
from webbody.config.people import ClustersSettings, IdentitiesSettings
from webbody.config.photos import PhotosSettings, QualitySettings
from webbody.config.reading import PRESETS, load_as, merge, read_preset, read_yaml
from webbody.config.rebuilding import RebuildSettings
from webbody.config.resources import WORKER, Resources, StageResources, WorkerResources
from webbody.config.samples import PackSettings, SplitSettings
from webbody.config.section import Count, Section, Unit
from webbody.manifest_forms import as_one_text

__all__ = [
    "FLAGS",
    "PRESETS",
    "WORKER",
    "BuildConfig",
    "ClustersSettings",
    "Count",
    "DownloadSettings",
    "FacesSettings",
    "FilterSettings",
    "FlagsSettings",
    "IdentitiesSettings",
    "KeypointsSettings",
    "PackSettings",
    "PersonsSettings",
    "PhotosSettings",
    "PlanSettings",
    "QualitySettings",
    "RebuildSettings",
    "Resources",
    "Section",
    "SplitSettings",
    "StageResources",
    "Unit",
    "WorkerResources",
    "load",
    "load_as",
    "merge",
    "read_preset",
    "read_yaml",
]


def _one_manifest(value: Any) -> Any:
    """A list of files as the text that stands for them; what else is wrong is told as of a text."""
    files = isinstance(value, list) and all(isinstance(path, str) for path in value)
    return as_one_text(value) if files else value


class BuildConfig(Section):
    """Everything a build needs; `webbody config` prints it with the descriptions."""

    manifest: Annotated[str, BeforeValidator(_one_manifest)] = Field(
        "",
        description="URL list: Parquet, CSV, JSON Lines or the authors' text list; also a folder "
        "of parts, a list of files, glob:PATTERN or @FILE (manifests/README.md)",
    )
    out: str = Field("", description="output folder: a path or an fsspec URL shared by all workers")
    samples: Literal["people", "photos"] = Field(
        "people",
        description="what a sample is: `people`, the crop of a person whose label the names give; "
        "`photos`, a whole photo with everybody's boxes, for which names are not needed",
    )
    plan: PlanSettings = PlanSettings()
    download: DownloadSettings = DownloadSettings()
    persons: PersonsSettings = PersonsSettings()
    quality: QualitySettings = QualitySettings()
    faces: FacesSettings = FacesSettings()
    flags: FlagsSettings = FlagsSettings()
    clusters: ClustersSettings = ClustersSettings()
    identities: IdentitiesSettings = IdentitiesSettings()
    keypoints: KeypointsSettings = KeypointsSettings()
    split: SplitSettings = SplitSettings()
    pack: PackSettings = PackSettings()
    photos: PhotosSettings = PhotosSettings()
    rebuild: RebuildSettings = RebuildSettings()
    filters: tuple[FilterSettings, ...] = Field(
        (),
        description="your own: [{function: module:function, after: persons, settings: {}}], see "
        "docs/filters.md",
    )
    resources: Resources = Resources()

    def stage(self, name: str) -> Section:
        """The settings of a stage, which are called as it is; empty where it has none."""
        return getattr(self, name, None) or Section()


def load(
    file: str | Path | None = None,
    overrides: Sequence[str] = (),
    base: dict[str, Any] | None = None,
) -> BuildConfig:
    """Read the configuration of a build.

    Args:
        file: YAML file with settings, read over `base`.
        overrides: Single settings, `section.key=value`, over the file.
        base: Settings below the file, such as a preset's; see `read_preset`.

    Returns:
        Every setting, with defaults where nothing was given.

    Raises:
        WebbodyError: An unknown key, a wrong value or an unreadable file; it names the key.
    """
    return load_as(BuildConfig, file, overrides, base)
