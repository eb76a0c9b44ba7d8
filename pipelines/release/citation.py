"""CITATION.cff: how a release is cited (Citation File Format 1.2.0)."""

from typing import Any

import yaml

from webbody.releases.card import Author, Card
from webbody.releases.format import ReleaseInfo


def citation(card: Card, info: ReleaseInfo) -> str:
    """The content of CITATION.cff."""
    content: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use this data set, cite it with its version and data digest.",
        "type": "dataset",
        "title": card.title or info.name,
        "version": info.version,
        "date-released": info.created,
        "authors": [_author(one) for one in card.authors] or [{"name": "not given"}],
        "identifiers": [
            {
                "type": "other",
                "value": f"sha256:{info.data_digest}",
                "description": "digest of the publisher's shards",
            }
        ],
        "abstract": card.purpose,
        "url": card.homepage,
    }
    licence = "license-url" if card.licence.startswith(("http://", "https://")) else "license"
    content[licence] = card.licence
    content = {key: value for key, value in content.items() if value}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=96)


def _author(author: Author) -> dict[str, str]:
    if author.name:
        said = {"name": author.name}
    else:
        said = {"family-names": author.family, "given-names": author.given}
        said["affiliation"] = author.affiliation
    orcid = author.orcid.removeprefix("https://orcid.org/")
    said["orcid"] = f"https://orcid.org/{orcid}" if orcid else ""
    return {key: value for key, value in said.items() if value}


def bibtex(card: Card, info: ReleaseInfo) -> str:
    """The same for a list of references."""
    authors = " and ".join(
        f"{{{one.name}}}" if one.name else f"{one.family}, {one.given}".strip(", ")
        for one in card.authors
    )
    lines = {
        "title": f"{{{card.title or info.name}}}",
        "author": authors or "{not given}",
        "year": str(info.created.year),
        "version": info.version,
        "howpublished": f"\\url{{{card.homepage}}}" if card.homepage else "",
    }
    key = "".join(one for one in info.name.lower() if one.isalnum()) + str(info.created.year)
    inside = ",\n".join(f"  {k} = {{{v}}}" for k, v in lines.items() if v)
    return f"@misc{{{key},\n{inside}\n}}"
