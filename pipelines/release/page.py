"""README.md: the data card, in the form that the Hugging Face hub shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import yaml

from pipelines.inspection.paper import PAPER, PARTS, left_and_right
from pipelines.inspection.report.funnel import meaning
from pipelines.stages.ledger import KEPT
from webbody.config import BuildConfig
from webbody.plain_text import plain_text
from webbody.releases.card import Card
from webbody.releases.figures import PIXELS
from webbody.releases.format import COLUMNS, ReleaseInfo, splits_of

_NOT = "**not given**"
_TOP_DOMAINS = 20
#: Licences that the hub knows, by SPDX identifier in lower case.
_HUB_LICENCES = {
    **{one: one for one in (
        "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0",
        "cc-by-nd-4.0", "cc-by-nc-nd-4.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "mit",
        "apache-2.0",
    )},
    "odc-by-1.0": "odc-by", "odbl-1.0": "odbl", "pddl-1.0": "pddl",
}  # fmt: skip
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"),
          (10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"))  # fmt: skip


def readme(
    card: Card,
    info: ReleaseInfo,
    figures: Mapping[str, Any],
    domains: Sequence[tuple[str, int]],
    changes: Mapping[str, int] | None,
    bibtex: str,
) -> str:
    """The card as Markdown; untrusted text is escaped.

    domains: largest first. changes: since the version before, None where there is none.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("webbody"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"cell": _cell, "code": _code}
    rows, build = figures["samples"], figures["build"]
    outcomes = build["outcomes"]
    text = environment.get_template("release.md").render(
        NOT=_NOT,
        header=yaml.safe_dump(_header(card, info), sort_keys=False, allow_unicode=True, width=96),
        title=card.title or info.name,
        version=info.version,
        card=card,
        info=info,
        missing=card.missing,
        rows=rows,
        splits=splits_of(info.files),
        build=build,
        columns=COLUMNS,
        outcomes=[
            {"outcome": name, "count": n, "share": n / max(build["rows"], 1),
             "meaning": "in the release" if name == KEPT else meaning(name)}
            for name, n in outcomes.items()
        ],
        kept_rows=outcomes.get(KEPT, 0),
        opted_out=sum(outcomes.get(f"download:{name}", 0) for name in ("opt-out", "robots")),
        settings=_settings(build["settings"]),
        sizes=_sizes(rows["person_height"]["samples"], build["face_side"]["samples"]),
        visible=_visible(rows["visible"]),
        domains=domains[:_TOP_DOMAINS],
        changes=changes,
        bibtex=bibtex,
    )  # fmt: skip
    return text.rstrip("\n") + "\n"


def _header(card: Card, info: ReleaseInfo) -> dict[str, Any]:
    """The hub's metadata: licence, size, how rows are read, what one agrees to before access."""
    known = _HUB_LICENCES.get(card.licence.lower())
    licence: dict[str, Any] = {"license": known or "other"}
    if not known and card.licence:
        licence["license_name"] = card.licence.rsplit("/", 1)[-1].lower() or "other"
        licence["license_link"] = (
            card.licence
            if "://" in card.licence
            else f"https://spdx.org/licenses/{card.licence}.html"
        )
    return {
        **licence,
        "pretty_name": f"{card.title or info.name}{' (draft)' if info.draft else ''}",
        "task_categories": ["image-feature-extraction"],
        "tags": ["human-recognition", "person-re-identification", "face-recognition", "webbody"],
        **counts_of_hub(info),
        "extra_gated_prompt": _agreement(card),
        "extra_gated_fields": {
            "Name": "text",
            "Institution": "text",
            "Country": "country",
            "What I will use it for": "text",
            "I apply the newest removals before each use": "checkbox",
            "I will not use it to identify or to follow anybody in the world": "checkbox",
            "I answer for the lawfulness of my use": "checkbox",
        },
        "extra_gated_button_content": "Agree and ask for access",
    }


def counts_of_hub(info: ReleaseInfo) -> dict[str, Any]:
    """The hub's metadata about samples: their number, and files by split."""
    files = [{"split": s, "path": f"data/{s}-*.parquet"} for s in splits_of(info.files)]
    return {
        "size_categories": [next((name for most, name in _SIZES if info.samples < most), "n>1B")],
        "configs": [{"config_name": "default", "data_files": files}] if files else [],
    }


def _agreement(card: Card) -> str:
    not_for = f" It is not for: {card.out_of_scope}" if card.out_of_scope else ""
    return (
        "This list says which pictures on the web show the same person. It is personal data, and "
        f"using it is biometric processing in many laws.{not_for}"
    )


def _settings(settings: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    defaults = BuildConfig().model_dump(mode="json")
    return [
        {"name": f"{section}.{name}", "value": value, "default": defaults[section][name]}
        for section, values in settings.items()
        for name, value in values.items()
    ]


def _sizes(heights: Mapping[str, int], faces: Mapping[str, int]) -> list[tuple[str, str, str]]:
    order = sorted({*heights, *faces}, key=lambda name: int(name.split("-")[0].rstrip("+")))
    assert len(order) <= len(PIXELS)
    return [
        (name.replace("-", " to "), f"{heights.get(name, 0):,}", f"{faces.get(name, 0):,}")
        for name in order
    ]


def _visible(shares: Mapping[str, float]) -> list[dict[str, str]]:
    rows = []
    for part in PARTS:
        left, right = (f"{share:.2f}" for share in left_and_right(shares, part))
        paper = [f"{value:.2f}" for value in PAPER.get(part, ())] or ["–", "–"]
        if part == "nose":
            right = "–"
        name = "mouth corner" if part == "mouth" else part
        rows.append({"name": name, "left": left, "right": right,
                     "paper_left": paper[0], "paper_right": paper[1]})  # fmt: skip
    return rows


def _cell(value: Any) -> str:
    """A value in a table's cell: one line, and no mark of Markdown or HTML."""
    if isinstance(value, list):
        value = ", ".join(map(str, value)) or "none"
    text = "none" if value is None else plain_text(value, 200)
    for mark in "\\|`[]*_":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _code(value: Any) -> str:
    """A value in a table's cell as code, in which backslashes do not escape."""
    return f"`{plain_text(value, 200).replace('`', ' ').replace('|', chr(92) + '|')}`"
