"""Figures of matplotlib as SVG elements of a page, in the page's colours."""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def inline_svg(figure: "Figure", theme: Mapping[str, str]) -> str:
    """The drawing as an SVG element; equal figures give equal text.

    theme: for colours of the figure, as #rrggbb, the page's variables: a dark page has others.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # Text is kept as text, so that it is searchable and in the page's font.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "webbody"}):
        FigureCanvasSVG(figure).print_svg(file, metadata=nothing)
    text = file.getvalue()
    for colour, variable in theme.items():
        text = text.replace(colour, variable)
    return text[text.index("<svg") :]
