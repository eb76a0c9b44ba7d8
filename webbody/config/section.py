"""What all groups of settings are made of."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Settings that belong together. `renamed` tells the present name of a setting's old one.

    `manners` are those that say how something is done and decide nothing about what comes out.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)
    renamed: ClassVar[Mapping[str, str]] = {}
    manners: ClassVar[frozenset[str]] = frozenset()

    def deciding(self) -> dict[str, Any]:
        """The settings that decide about the result, as JSON has them."""
        return self.model_dump(mode="json", exclude=set(self.manners))


#: A model file: a name that the backend's library knows, or a path. Fingerprinted by content.
ModelFile = Annotated[str, Field(json_schema_extra={"model_file": True})]
Unit = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
