"""Updating a release's descriptions after samples were removed: counts, splits and files."""

import json
import re
from datetime import date
from typing import Any

import yaml

from pipelines.release.croissant import described
from pipelines.release.page import counts_of_hub
from webbody.json_text import parse_json
from webbody.plain_text import counted
from webbody.releases.format import SPLITS, ReleaseInfo, splits_of

_HEADLINE = re.compile(r"A list of \*\*[\d,]+ images of [\d,]+ people\*\*")
_SPLIT = re.compile(rf"\| ({'|'.join(SPLITS)}) \| [\d,]+ \| [\d,]+ \|\n")
_FILES = re.compile(rf"\| `data/({'|'.join(SPLITS)})-\*\.parquet` \|.*\n")
_DIGEST = re.compile(r"\| Data digest \| .*\n")


def updated_readme(
    page: str, info: ReleaseInfo, splits: dict[str, dict[str, int]], lost: set[str], count: int,
    day: date,
) -> str:  # fmt: skip
    """README.md with the counts of the remaining samples.

    splits: samples and people of each. lost: domains without a sample. count, day: of the samples
    that went.
    """
    _, header, text = page.split("---\n", 2)
    header = yaml.safe_dump(
        {**yaml.safe_load(header), **counts_of_hub(info)},
        sort_keys=False, allow_unicode=True, width=96,
    )  # fmt: skip

    def split_row(found: re.Match[str]) -> str:
        one = splits.get(found[1])
        return f"| {found[1]} | {one['samples']:,} | {one['people']:,} |\n" if one else ""

    present = splits_of(info.files)
    text = _HEADLINE.sub(f"A list of **{info.samples:,} images of {info.people:,} people**", text)
    text = _SPLIT.sub(split_row, text)
    text = _FILES.sub(lambda found: found[0] if found[1] in present else "", text)
    if not info.data_digest:
        none = "none: the publisher's shards hold what was taken down"
        text = _DIGEST.sub(f"| Data digest | {none} |\n", text)
    lines = [
        line
        for line in text.splitlines(keepends=True)
        if not (line.startswith("|") and any(f"`{domain}`" in line for domain in lost))
    ]
    left = "" if info.samples else " **Nothing is left in this release.**"
    note = (
        f"\n> **{counted(count, 'sample')} taken down on {day}.** They are not in the files "
        "any more; the counts of images, people and splits are those of what is left, all other "
        f"figures of this page are from before.{left}\n"
    )
    title = next(at for at, line in enumerate(lines) if line.startswith("# "))
    lines.insert(title + 1, note)
    return f"---\n{header}---\n{''.join(lines)}"


def updated_croissant(text: str, info: ReleaseInfo, rows: int) -> str:
    """croissant.json of the remaining samples; rows: of the publisher's manifest."""
    content: dict[str, Any] = parse_json(text)
    content |= described(info, rows)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
