"""Report: contact sheets of a build as one HTML page."""

from typing import Any

from pipelines.diagnostics.ending import ending_of
from pipelines.diagnostics.sentences import sentences
from pipelines.engine.build_files import BuildFiles
from pipelines.inspection.damage import damage_told
from pipelines.inspection.report import funnel, photo_sheets, sheets
from pipelines.inspection.report.drawing import EmbeddedImages
from pipelines.inspection.report.names import named_faces
from pipelines.inspection.report.template import load_template
from pipelines.inspection.status import status_of
from webbody.redaction import redacted

FILE = "report.html"
#: More would not fit into a page that every browser opens at once.
MOST_IMAGES, MOST_NAMES = 96, 48


def write_report(out: str, names: int = 12, images: int = 24) -> str:
    """Write `out`/report.html for a finished or a partial build; returns its path or URL.

    `images` pictures are shown per stage (at most 96) and the faces of `names` names (at most 48),
    the same ones whenever nothing changed. The page is self-contained, under 8 MB, and shows names
    and faces: it is for the builder, not for publication. Raises WebbodyError where `out` holds no
    build, or a table is damaged.
    """
    with damage_told(out), BuildFiles(out) as build:
        text = page(build, min(names, MOST_NAMES), min(images, MOST_IMAGES))
        build.folder.write_bytes(FILE, redacted(text).encode("utf-8", "replace"))
        return f"{build.folder.url}/{FILE}"


def page(build: BuildFiles, most_names: int, images: int) -> str:
    """The page as text. The sections follow the data; each has its share of the page's bytes."""
    packed = photo_sheets.photos if build.graph.has("quality") else sheets.samples
    sheet_of = {
        "download": sheets.downloads,
        "persons": sheets.persons,
        "quality": photo_sheets.quality,
        "faces": sheets.faces,
        "clusters": None,
        "keypoints": sheets.keypoints,
        "pack": packed,
    }
    sections: list[Any] = []
    for stage, sheet in sheet_of.items():
        if not build.graph.has(stage):
            continue
        if sheet is not None:
            sections.append(sheet(build, images, EmbeddedImages()))
        else:  # many small pictures, and twice the bytes of the other sections
            sections.append(named_faces(build, most_names, EmbeddedImages(2_100_000)))
    ending, state = ending_of(build), status_of(build.records)
    return load_template("report.html").render(
        manifest=build.manifest,
        out=build.folder.url,
        funnel=funnel.funnel(build),
        unfinished="" if state.complete else state.how_to_finish(build.folder.url),
        ending=[] if ending.undecided else sentences(ending),
        stages=funnel.stages(build),
        sections=sections,
    )
