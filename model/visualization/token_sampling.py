"""Token sampling, as in the paper's Fig. 10: the distribution of counts, and masked images."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from model.random_numbers import uniform
from model.sapiensid.masking import KeptTokens, random_tokens
from model.visualization.canvas import BODY, SMALL, below, beside, page, panel
from model.visualization.colours import FAINT, GREY, INK, Colour, region_colour
from model.visualization.patches import Patches, area
from model.visualization.photo import RGB, enlarged
from webbody.errors import WebbodyError

_SIDE = 420
#: A power of two, so that sizes in inches give whole pixels.
_HEIGHT, _DPI = 320, 128
_BINS = 40
_BARS, _MARK = (150, 172, 222), region_colour(2)


def token_sampling_picture(
    image: RGB, patches: Patches, distribution: KeptTokens, counts: Sequence[int], seed: int = 0
) -> Image.Image:
    """The histogram of token counts, and the image with `counts` random patches for each count."""
    total = int(patches.kept_T.sum())
    pictures = [panel(kept_only(image, patches, patches.ids_N, _SIDE), f"All {total} tokens")]
    for count in counts:
        ids_N = drawn(patches, count, seed)
        heading = f"{count} tokens kept" if count <= total else f"{count} drawn: all {total} kept"
        share = f"{1 - len(ids_N) / total:.0%} of the patches are masked"
        pictures.append(panel(kept_only(image, patches, ids_N, _SIDE), heading, share))
    row = beside(pictures)
    chart = panel(
        histogram(distribution, counts, max(row.width, 900)),
        "Share of training steps by tokens kept",
    )
    note = (
        f"A step keeps {distribution.count(1)} to {distribution.count(0)} tokens, "
        f"{distribution.mean:.0f} on average (dashed); the red lines "
        "are the numbers drawn below, with masked patches grey."
    )
    return page("Kept tokens", note, below([chart, row]))


def drawn(patches: Patches, count: int, seed: int) -> NDArray[np.int64]:
    """`count` random kept patches, or all where there are fewer, in order."""
    levels = len(patches.boxes_R4)
    kept_1T = torch.from_numpy(patches.kept_T)[None]
    noise_1T = uniform(torch.tensor([seed]), kept_1T.shape[1])
    ids_1N, real_1N = random_tokens(kept_1T, count, levels, noise_1T)
    return np.sort(ids_1N[real_1N].numpy())


def kept_only(image: RGB, patches: Patches, ids_N: NDArray[np.int64], side: int) -> Image.Image:
    """The image with the patches `ids_N`; the others are grey."""
    pixels = np.array(enlarged(image, side))
    shown = area(pixels, patches.rectangles(ids_N))
    pixels[~shown] = GREY
    return Image.fromarray(pixels)


def shares(distribution: KeptTokens, edges: Sequence[float]) -> list[float]:
    """The share of draws in each bin between `edges`."""

    def below_edge(edge: float) -> float:
        # A draw is min + (max - min) exp(-decay U), which falls with U.
        if edge <= distribution.min or distribution.max <= distribution.min:
            return float(edge > distribution.min)
        uniform = (
            -math.log((edge - distribution.min) / (distribution.max - distribution.min))
            / distribution.decay
        )
        return min(1.0, max(0.0, 1 - uniform))

    return [below_edge(high) - below_edge(low) for low, high in pairwise(edges)]


def histogram(distribution: KeptTokens, counts: Sequence[int], width: int) -> Image.Image:
    """The histogram of token counts with their mean and `counts` marked, `width` pixels wide.

    Raises:
        WebbodyError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MultipleLocator, PercentFormatter
    except ImportError as error:
        raise WebbodyError(
            "The picture of kept tokens needs matplotlib: pip install 'webbody[train]'."
        ) from error
    fewest = distribution.min + (distribution.max - distribution.min) * math.exp(
        -distribution.decay
    )
    edges = np.linspace(fewest, distribution.max, _BINS + 1)
    bars = shares(distribution, edges.tolist())
    # Without pyplot, which would ask for a display and keep every figure.
    figure = Figure((width / _DPI, _HEIGHT / _DPI), _DPI, layout="constrained")
    axes = figure.subplots()
    axes.bar(edges[:-1], bars, 0.93 * np.diff(edges), align="edge", color=_hex(_BARS))
    axes.set_xlim(min(fewest, *counts) - 10, max(distribution.max, *counts) + 10)
    axes.set_ylim(0, max(bars) or 1.0)
    axes.xaxis.set_major_locator(MultipleLocator(50))
    axes.yaxis.set_major_locator(MultipleLocator(0.05 if any(bars) else 0.5))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="y", color=_hex(GREY))
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=6, colors=_hex(FAINT), labelsize=_points(SMALL))
    axes.spines[["left", "top", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(_hex(FAINT))
    beyond = axes.get_xaxis_transform()  # heights: 0 is the foot of the axes, 1 their top
    marks = [(float(count), str(count), 1.0, _MARK, "-") for count in counts]
    # Above the counts, so that no two texts meet.
    marks.append((distribution.mean, f"mean {distribution.mean:.0f}", 1.14, INK, "--"))
    for place, words, top, colour, style in marks:
        axes.plot([place] * 2, [0, top], style, color=_hex(colour), transform=beyond, clip_on=False)
        # On a white ground, so that no line crosses it.
        axes.text(
            *(place, top + 0.03, words),
            transform=beyond,
            ha="center",
            color=_hex(colour),
            fontsize=_points(BODY),
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _points(pixels: int) -> float:
    return pixels * 72 / _DPI
