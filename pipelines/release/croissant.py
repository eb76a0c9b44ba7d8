"""croissant.json: the release described for machines (Croissant 1.1, RAI vocabulary 1.0)."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from webbody.releases.card import Card
from webbody.releases.format import COLUMNS, LIST_LENGTHS, SCHEMA, ReleaseInfo, splits_of

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "sdVersion": "cr:sdVersion",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES = {
    pa.string(): "sc:Text",
    pa.int64(): "sc:Integer",
    pa.int32(): "sc:Integer",
    pa.float32(): "sc:Float",
    pa.float64(): "sc:Float",
    pa.date32(): "sc:Date",
}
_PARQUET = "application/x-parquet"


def croissant(
    card: Card,
    info: ReleaseInfo,
    figures: Mapping[str, Any],
    cite: str,
) -> str:
    """The content of croissant.json.

    cite: as BibTeX.
    """
    said: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.1",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        "name": card.title or info.name,
        "alternateName": info.name,
        "version": info.version,
        "sdVersion": "1.0.0",
        "datePublished": info.created.isoformat(),
        "license": _licence(card.licence),
        "url": card.homepage,
        "citeAs": cite,
        "keywords": ["human recognition", "person re-identification", "face recognition"],
        "isLiveDataset": False,
        "creator": [
            {"@type": "sc:Person", "name": one.full_name}
            if not one.name
            else {"@type": "sc:Organization", "name": one.name}
            for one in card.authors
        ],
        "usageInfo": _usage(card),
        "prov:wasGeneratedBy": {"@type": "prov:Activity", "name": f"webbody {info.code}"},
        **_responsible(card, info, figures),
        **described(info, figures["build"]["rows"]),
    }
    if info.previous:
        said["prov:wasRevisionOf"] = f"{info.name} {info.previous.version}"
    said = {key: value for key, value in said.items() if value not in ("", [], None)}
    return json.dumps(said, indent=1, ensure_ascii=False) + "\n"


def described(info: ReleaseInfo, rows: int) -> dict[str, Any]:
    """What follows from the samples that are there; rows: with which the build began."""
    return {
        "description": f"{'DRAFT. ' if info.draft else ''}{info.samples} images of {info.people} "
        "people on the web as a list: URL, digest, box and keypoints of each, and a number for the "
        "person. No pictures, no names.",
        "rai:dataCollectionMissingData": f"{rows - info.samples} of {rows} rows of the list gave "
        "no sample; figures.json has the reasons.",
        "distribution": _files(info),
        "recordSet": _records(info),
    }


def _usage(card: Card) -> str:
    told = {"For": card.purpose, "Not for": card.out_of_scope}
    return " ".join(f"{key}: {value}" for key, value in told.items() if value)


def _responsible(card: Card, info: ReleaseInfo, figures: Mapping[str, Any]) -> dict[str, Any]:
    days = figures["samples"]["fetched"]
    build = figures["build"]
    return {
        "rai:dataCollection": card.collected,
        "rai:dataCollectionType": [f"Web scraping ({card.collection or 'not given'})"],
        "rai:dataCollectionTimeFrame": sorted(set(days)) if days else None,
        "rai:dataPreprocessingProtocol": [
            "Persons were detected, cut out and compared by their faces; images that did not "
            "agree with the others of a query were left out. README.md has each step's figures."
        ],
        "rai:dataAnnotationProtocol": ["Boxes, keypoints and persons were found by models."],
        "rai:machineAnnotationTools": [
            f"{section}.{name}: {value}"
            for section, values in build["settings"].items()
            for name, value in values.items()
            if name in ("model", "detector", "embedder")
        ],
        "rai:personalSensitiveInformation": [
            "URLs of pictures of people, and which of these show the same person: biometric use is "
            "possible. No names, no face features."
        ],
        "rai:dataBiases": [card.biases or "Whom the list and the models favour was not measured."],
        "rai:dataLimitations": ["Pictures on the web change and vanish; labels have errors."],
        "rai:dataUseCases": [card.purpose] if card.purpose else None,
        "rai:dataSocialImpact": f"Not for: {card.out_of_scope}" if card.out_of_scope else None,
        "rai:dataReleaseMaintenancePlan": "Removals are applied in new versions and listed in "
        f"{info.removals}; contact: {card.contact or 'not given'}.",
    }


def _files(info: ReleaseInfo) -> list[dict[str, Any]]:
    """Each data file with its digest, and the files of each split as a set."""
    files = [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "contentSize": f"{file.bytes} B",
            "encodingFormat": _PARQUET,
            "sha256": file.sha256,
        }
        for name, file in sorted(info.files.items())
    ]
    sets = [
        {
            "@type": "cr:FileSet",
            "@id": f"{split}-files",
            "name": f"{split}-files",
            "encodingFormat": _PARQUET,
            "includes": f"data/{split}-*.parquet",
        }
        for split in splits_of(info.files)
    ]
    return [*files, *sets]


def _records(info: ReleaseInfo) -> list[dict[str, Any]]:
    """The splits, and the rows of each."""
    names = {
        "train": "cr:TrainingSplit", "validation": "cr:ValidationSplit", "test": "cr:TestSplit",
    }  # fmt: skip
    splits = {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The parts of the data set; a person is in one of them only.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": "sc:URL"},
        ],
        "data": [{"splits/name": one, "splits/url": names[one]} for one in splits_of(info.files)],
    }
    return [splits, *(_split_records(split) for split in splits_of(info.files))]


def _split_records(split: str) -> dict[str, Any]:
    fields = []
    for column in SCHEMA:
        name, kind = column.name, column.type
        field: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"{split}/{name}",
            "name": name,
            "description": COLUMNS[name],
            "dataType": _TYPES[kind.value_type if pa.types.is_list(kind) else kind],
            "source": {"fileSet": {"@id": f"{split}-files"}, "extract": {"column": name}},
        }
        if name == "url":
            field["dataType"] = "sc:URL"
        if name == "split":
            field["references"] = {"field": {"@id": "splits/name"}}
        if pa.types.is_list(kind):
            field |= {"isArray": True, "arrayShape": str(LIST_LENGTHS[name])}
        fields.append(field)
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "description": f"The samples of the split {split}, by person and key.",
        "key": {"@id": f"{split}/key"},
        "field": fields,
    }


def _licence(text: str) -> str:
    return text if "://" in text or not text else f"https://spdx.org/licenses/{text}.html"
