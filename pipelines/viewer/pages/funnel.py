"""The first page: how many rows are left after each stage, with every outcome as a link."""

from typing import Any
from urllib.parse import urlencode

from pipelines.diagnostics.ending import ending_of
from pipelines.diagnostics.sentences import sentences
from pipelines.inspection.report import funnel
from pipelines.viewer.index.viewed import ViewedBuild


def first_page(viewed: ViewedBuild) -> dict[str, Any]:
    """What the template `funnel` shows."""
    build, state = viewed.build, viewed.state
    ending = ending_of(build)
    return {
        "manifest": build.manifest,
        "funnel": viewed.funnel,
        "unfinished": "" if state.complete else state.how_to_finish(build.folder.url),
        "ending": [] if ending.undecided else sentences(ending),
        "stages": funnel.stages(build),
        "link": lambda outcome: f"/grid?{urlencode({'row': outcome})}",
    }
