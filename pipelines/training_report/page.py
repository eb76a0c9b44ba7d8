"""The page of a training as HTML; as of an evaluation, pictures are where the renderer says."""

from collections.abc import Callable
from contextlib import suppress

from model.training.monitoring.curves import BLUE, GREY, draw_each
from model.training.monitoring.example_rankings import PictureInTar
from pipelines.inspection.report.drawing import Drawing, data_uri, decoded
from pipelines.inspection.report.inline_svg import inline_svg
from pipelines.inspection.report.template import load_template
from pipelines.training_report.content import TrainingContent, read_training
from webbody.errors import WebbodyError
from webbody.redaction import redacted
from webbody.shards import MAX_MEMBER_BYTES, MemberReader
from webbody.storage import Folder

FILE = "report.html"
#: The address of a picture; None where there is none to show.
PictureSource = Callable[[PictureInTar], str | None]
#: Of a curve, in inches; longer side of a thumbnail in pixels.
_SIZE, _SIDE = (5.6, 3.2), 160
#: The page's variables for the curves' colours.
_THEME = {
    BLUE: "var(--bar)",
    GREY: "var(--soft)",
    "#000000": "var(--line)",
    "#b0b0b0": "var(--line)",
}


def training_page(out: str, content: TrainingContent, source: PictureSource) -> str:
    """The page of the training in the folder `out`."""
    curves = [inline_svg(one, _THEME) for one in draw_each(content.log, content.scores, _SIZE)]
    # The worst first, as on the page of an evaluation.
    rankings = sorted(content.rankings, key=lambda one: -one.first_match)
    return load_template("training.html").render(
        out=out, content=content, curves=curves, rankings=rankings, source=source
    )


def write_training(out: str) -> str:
    """Write `out`/report.html of a training, with its pictures in it; returns its path or URL.

    Raises WebbodyError where the folder holds no training.
    """
    folder = Folder(out)
    text = training_page(folder.url, read_training(out), embedded_picture)
    folder.write_bytes(FILE, redacted(text).encode("utf-8", "replace"))
    return f"{folder.url}/{FILE}"


def embedded_picture(place: PictureInTar) -> str | None:
    """A picture as a data URI; None where it cannot be read."""
    rgb = decoded(picture_bytes(place))
    return None if rgb is None else data_uri(Drawing(rgb, _SIDE))


def picture_bytes(place: PictureInTar) -> bytes | None:
    """The picture's file; None where the tar is gone, or another one by now."""
    folder, _, name = place.shard.rpartition("/")
    if place.offset < 0 or not 0 < place.length <= MAX_MEMBER_BYTES:
        return None
    with suppress(OSError, WebbodyError), MemberReader(Folder(folder or "."), name) as tar:
        return tar.read(place.offset, place.length)
    return None
