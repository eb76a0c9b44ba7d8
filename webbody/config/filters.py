"""Settings of the user's own filters."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, model_validator

from webbody.config.section import Section


class FilterSettings(Section):
    """A filter of one's own, run between two stages (docs/filters.md)."""

    function: str = Field(
        description="`module:function`: (image, row) -> True or (False, 'reason'); found like any "
        "import, also in the folder of the configuration file"
    )
    after: Literal["download", "persons", "faces"] = Field(
        description="it gets whole images (download), crops (persons), crops with a face (faces)"
    )
    settings: dict[str, Any] = Field({}, description="keyword arguments of the function")
    folder: str = Field(
        "",
        description="where its module may lie, as seen from the configuration file; beside it if "
        "not given",
    )

    @model_validator(mode="before")
    @classmethod
    def _beside_the_file(cls, values: Any, info: ValidationInfo) -> Any:
        own = values.get("folder", "") if isinstance(values, Mapping) else None
        if not isinstance(own, str):
            return values
        beside = (info.context or {}).get("folder", "")
        # Absolute, as workers may be started elsewhere.
        folder = str(Path(beside, own).resolve()) if beside or own else ""
        return {**values, "folder": folder}
