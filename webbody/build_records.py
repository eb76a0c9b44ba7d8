"""The state file of a build, and its valid commit records.

`build.json` holds the last request: manifest, settings, and for each stage the fingerprint of its
settings and the stages that it reads. So a reader can tell valid commit records from outdated ones
without the manifest and the model files.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from packaging.version import InvalidVersion, Version
from pydantic import BaseModel

from webbody import __version__
from webbody.checked_json import checked_json
from webbody.commit import ALL, Record, Records, input_digests, is_side_file, read_once, read_record
from webbody.errors import WebbodyError
from webbody.json_text import parse_json
from webbody.storage import Folder

BUILD_FILE = "build.json"
_PLAN, _SPLIT = "plan", "split"
#: Stages that are made from something besides other stages: its name among their inputs, and that
#: of its digest in `build.json`. Neither is the name of a file.
_GIVEN = {
    _PLAN: ("removals", "removals"),
    "identities": ("corrections-in-force", "corrections"),
}


@dataclass(frozen=True)
class Requested:
    """What a build asks of a stage: its fingerprint, what it reads, whether it runs only once."""

    fingerprint: str
    needs: tuple[str, ...]
    is_global: bool


class _State(BaseModel, extra="allow"):
    """What every `build.json` has, and the types of what it may have."""

    manifest: str
    sha256: str = ""
    stages: dict[str, Requested] | None = None
    config: dict[str, Any] | None = None
    removals: str = ""
    corrections: str = ""
    code: str = ""


def read_build(folder: Folder) -> dict[str, Any] | None:
    """`build.json` of a folder; None if it is missing or unreadable.

    Raises WebbodyError where it was written by a newer version.
    """
    try:
        values: dict[str, Any] = parse_json(folder.read(BUILD_FILE))
        _State.model_validate(values)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    code = values.get("code", "")
    with suppress(InvalidVersion):
        if Version(code).release[:2] > Version(__version__).release[:2]:
            raise WebbodyError(
                f"{folder.url} was built by webbody {code}, which is newer than this one "
                f"({__version__}): update webbody, or choose another folder."
            )
    return values


def write_build(folder: Folder, values: Mapping[str, Any], stages: Mapping[str, Requested]) -> None:
    """Write `build.json` with the request for each stage, and the version of the code."""
    requested = {name: vars(stage) for name, stage in stages.items()}
    content = {**values, "stages": requested, "code": __version__}
    folder.update_bytes(BUILD_FILE, checked_json(content))


def given_inputs(stage: str, build: Mapping[str, Any]) -> dict[str, str]:
    """What a stage is made from besides the outputs of other stages: name -> digest.

    build: the digests in `build.json` of the lists of removals and of the corrections in force.
    """
    name, value = _GIVEN.get(stage, ("", ""))
    digest = build.get(value, "")
    return {name: digest} if digest else {}


class BuildRecords:
    """The valid commit records of a build folder.

    A record is valid if it was made with the settings in `build.json` from the present outputs of
    valid records; for a global stage, of all shards so far (failed ones are left out). Folders of
    older versions have no request: there every record is valid. Records are read once.

    `known` are records that were read already (`read_once`).

    Raises WebbodyError if the folder holds no build.
    """

    def __init__(self, folder: Folder, known: Records | None = None) -> None:
        build = read_build(folder)
        if build is None or read_record(folder, _PLAN, ALL) is None:
            raise WebbodyError(
                f"{folder.url} holds no build; start one with `webbody build --out {folder.url}`."
            )
        self.folder = folder
        self.build: dict[str, Any] = build
        self._stages: dict[str, Requested] | None = None
        if "stages" in build:
            self._stages = {
                name: Requested(stage["fingerprint"], tuple(stage["needs"]), stage["is_global"])
                for name, stage in build["stages"].items()
            }
        self._known: Records = {} if known is None else known
        self._records: Records = {}  # the valid ones

    @property
    def shards(self) -> tuple[str, ...]:
        """The shards of the plan, sorted; none if the plan is outdated."""
        plan = self.get(_PLAN)
        return planned_shards(plan) if plan else ()

    @property
    def packs(self) -> tuple[str, ...] | None:
        """The output shards of the split, such as train-000000; None if not known yet."""
        split = self.get(_SPLIT)
        return output_shards(split) if split else None

    def get(self, stage: str, shard: str = ALL) -> Record | None:
        """The valid record of a shard, or of a global stage; None if there is none."""
        if self._stages and stage in self._stages and self._stages[stage].is_global:
            shard = ALL
        if (stage, shard) not in self._records:
            self._records[stage, shard] = self._matching(stage, shard)
        return self._records[stage, shard]

    def need(self, stage: str, shard: str = ALL) -> Record:
        """The valid record; WebbodyError if there is none, as the build is not finished."""
        record = self.get(stage, shard)
        if record is None:
            raise WebbodyError(
                f"{self.folder.url} holds no finished build ({stage}/{shard}.json is missing or "
                "of other settings): run `webbody build` again to complete it."
            )
        return record

    def _matching(self, stage: str, shard: str) -> Record | None:
        record = read_once(self.folder, self._known, stage, shard)
        if self._stages is None:
            # The record of a global stage covers each shard's file.
            return record or read_once(self.folder, self._known, stage, ALL)
        requested = self._stages.get(stage)
        if record is None or requested is None:
            return None
        if stage == _PLAN:
            inputs: dict[str, str] | None = {"manifest": self.build["sha256"]}
        else:
            global_stages = {name for name, other in self._stages.items() if other.is_global}
            each = [need for need in requested.needs if need not in global_stages]
            came = [
                one
                for one in (self.shards if shard == ALL else ())
                if all(self.get(need, one) for need in each)
            ]
            inputs = input_digests(requested.needs, global_stages, shard, came, self.get)
        if inputs is None:
            return None
        given = given_inputs(stage, self.build)
        return record if record.matches(requested.fingerprint, inputs | given) else None


def planned_shards(plan: Record) -> tuple[str, ...]:
    """The shards of a plan, sorted."""
    own = (name for name in plan.outputs if name != "rejected.parquet" and not is_side_file(name))
    return tuple(sorted(name.split(".")[0] for name in own))


def output_shards(split: Record) -> tuple[str, ...]:
    """The output shards of a split, such as train-000000, sorted."""
    names = (
        n.split(".")[0] for n in split.outputs if n.startswith(("train-", "validation-", "test-"))
    )
    return tuple(sorted(names))
