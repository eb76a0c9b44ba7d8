"""How a FiftyOneDataset on disk says which fields its samples have."""

from collections.abc import Sequence
from typing import Any

#: The version whose form this is; newer ones of FiftyOne bring it up to date as they read it.
VERSION = "1.0.0"
_DAY = {"$date": "2024-01-01T00:00:00Z"}
_FIELDS, _LABELS = "fiftyone.core.fields", "fiftyone.core.labels"
_TEXT, _WHOLE, _REAL = (f"{_FIELDS}.{kind}Field" for kind in ("String", "Int", "Float"))
_LIST, _EMBEDDED, _ID = (
    f"{_FIELDS}.{kind}Field" for kind in ("List", "EmbeddedDocument", "ObjectId")
)
_ABOUT_IMAGE = "fiftyone.core.metadata.ImageMetadata"

Field = dict[str, Any]


def field(
    name: str,
    kind: str,
    *,
    of: str | None = None,
    document: str | None = None,
    fields: Sequence[Field] = (),
    stored: str = "",
    fixed: bool = False,
) -> Field:
    """A field.

    Args:
        name: What it is called.
        kind: Its class.
        of: The class of a list's items.
        document: The class of an embedded document, or of a list's.
        fields: Those of the embedded document.
        stored: What it is called in the database; without it as it is called.
        fixed: Whether it cannot be edited.
    """
    return {
        "name": name, "ftype": kind, "embedded_doc_type": document, "subfield": of,
        "fields": list(fields), "db_field": stored or name, "description": None, "info": None,
        "read_only": fixed, "created_at": _DAY,
    }  # fmt: skip


def _label(*own: Field) -> list[Field]:
    """The fields that all labels have, and others."""
    return [field("id", _ID, stored="_id"), field("tags", _LIST, of=_TEXT), *own]


def _several(name: str, kind: str, *own: Field) -> Field:
    """Labels of a kind, such as Detections of Detection."""
    attributes = field(
        "attributes", f"{_FIELDS}.DictField", of=_EMBEDDED, document=f"{_LABELS}.Attribute"
    )
    inner = _label(attributes, field("label", _TEXT), *own)
    items = f"{kind.lower()}s"
    return field(
        name, _EMBEDDED, document=f"{_LABELS}.{kind}s",
        fields=[field(items, _LIST, of=_EMBEDDED, document=f"{_LABELS}.{kind}", fields=inner)],
    )  # fmt: skip


def sample_fields(has_people: bool, with_names: bool) -> list[Field]:
    """The fields of an export's samples."""
    about_image = [
        field("size_bytes", _WHOLE), field("mime_type", _TEXT), field("width", _WHOLE),
        field("height", _WHOLE), field("num_channels", _WHOLE),
    ]  # fmt: skip
    found = [
        field("id", _ID, stored="_id"),
        field("filepath", _TEXT),
        field("tags", _LIST, of=_TEXT),
        field("metadata", _EMBEDDED, document=_ABOUT_IMAGE, fields=about_image),
        field("created_at", f"{_FIELDS}.DateTimeField", fixed=True),
        field("last_modified_at", f"{_FIELDS}.DateTimeField", fixed=True),
        field("_media_type", _TEXT),
        field("_rand", _REAL),
        field("_dataset_id", _ID),
        field("key", _TEXT),
        _several(
            "boxes", "Detection",
            field("bounding_box", _LIST, of=_REAL), field("confidence", _REAL),
            field("index", _WHOLE),
        ),
    ]  # fmt: skip
    if has_people:
        named = _label(field("label", _TEXT), field("confidence", _REAL))
        found.append(field("person", _EMBEDDED, document=f"{_LABELS}.Classification", fields=named))
        found.append(
            _several(
                "keypoints", "Keypoint",
                field("points", f"{_FIELDS}.KeypointsField"), field("confidence", _LIST, of=_REAL),
                field("index", _WHOLE),
            )
        )  # fmt: skip
    if with_names:
        found += [field("url", _TEXT), field("names", _LIST, of=_TEXT)]
    return found
