"""Kept tokens, as in the paper's Fig. 10: the law of their number, and the patches they leave."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from model.random_numbers import uniform
from model.sapiensid.masking import KeptTokens, random_tokens
from model.visualization.canvas import BODY, SMALL, below, beside, font, page, panel, text_width
from model.visualization.colours import FAINT, GREY, INK, PAPER, Colour, region_colour
from model.visualization.patches import Patches, area
from model.visualization.photo import RGB, enlarged

_SIDE = 420
_HEIGHT, _FOOT, _HEAD, _INSET = 320, 34, 62, 56
_BINS = 40
_BARS, _MARK = (150, 172, 222), region_colour(2)


def kept_picture(
    image: RGB, patches: Patches, law: KeptTokens, counts: Sequence[int], seed: int = 0
) -> Image.Image:
    """The law's histogram, and for each of `counts` the image with so many patches, by chance."""
    total = int(patches.kept_T.sum())
    pictures = [panel(kept_only(image, patches, patches.ids_N, _SIDE), f"All {total} tokens")]
    for count in counts:
        ids_N = drawn(patches, count, seed)
        heading = f"{count} tokens kept" if count <= total else f"{count} drawn: all {total} kept"
        share = f"{1 - len(ids_N) / total:.0%} of the patches are masked"
        pictures.append(panel(kept_only(image, patches, ids_N, _SIDE), heading, share))
    row = beside(pictures)
    chart = panel(
        histogram(law, counts, max(row.width, 900)), "Share of training steps by tokens kept"
    )
    note = (
        f"A step keeps {law.count(1)} to {law.count(0)} tokens, {law.mean:.0f} on average "
        "(dashed); the red lines are the numbers drawn below, with masked patches grey."
    )
    return page("Kept tokens", note, below([chart, row]))


def drawn(patches: Patches, count: int, seed: int) -> NDArray[np.int64]:
    """`count` of the kept patches by chance, or all where there are fewer, in order."""
    levels = len(patches.boxes_R4)
    kept_1T = torch.from_numpy(patches.kept_T)[None]
    noise_1T = uniform(torch.tensor([seed]), kept_1T.shape[1])
    ids_1N, real_1N = random_tokens(kept_1T, count, levels, noise_1T)
    return np.sort(ids_1N[real_1N].numpy())


def kept_only(image: RGB, patches: Patches, ids_N: NDArray[np.int64], side: int) -> Image.Image:
    """The image of which only the patches `ids_N` are visible; the others are grey."""
    pixels = np.array(enlarged(image, side))
    shown = area(pixels, patches.rectangles(ids_N))
    pixels[~shown] = GREY
    return Image.fromarray(pixels)


def shares(law: KeptTokens, edges: Sequence[float]) -> list[float]:
    """The share of draws between each two edges."""

    def below_edge(edge: float) -> float:
        # A draw is least + (most - least) exp(-decay U): the more U, the fewer tokens.
        if edge <= law.min or law.max <= law.min:
            return float(edge > law.min)
        uniform = -math.log((edge - law.min) / (law.max - law.min)) / law.decay
        return min(1.0, max(0.0, 1 - uniform))

    return [below_edge(high) - below_edge(low) for low, high in pairwise(edges)]


def histogram(law: KeptTokens, counts: Sequence[int], width: int) -> Image.Image:
    """The law's histogram with its mean and `counts` marked, `width` pixels wide."""
    fewest = law.min + (law.max - law.min) * math.exp(-law.decay)
    edges = np.linspace(fewest, law.max, _BINS + 1).tolist()
    bars = shares(law, edges)
    first, last = min(fewest, *counts) - 10, max(law.max, *counts) + 10
    floor, highest = _HEIGHT - _FOOT, max(bars) or 1.0

    def x(tokens: float) -> int:
        return round(_INSET + (tokens - first) / (last - first) * (width - 2 * _INSET))

    def y(share: float) -> int:
        return round(floor - share / highest * (floor - _HEAD))

    picture = Image.new("RGB", (width, _HEIGHT), PAPER)
    draw = ImageDraw.Draw(picture)
    for percent in range(0, math.floor(highest * 100) + 1, 5):
        height = y(percent / 100)
        draw.line((_INSET, height, width - _INSET, height), fill=FAINT if percent == 0 else GREY)
        _centred(draw, _INSET // 2, height - SMALL // 2, f"{percent}%", SMALL, FAINT)
    for (low, high), bar in zip(pairwise(edges), bars, strict=True):
        if bar > 0:
            draw.rectangle((x(low), y(bar), x(high) - 2, floor), fill=_BARS)
    for tick in range(math.ceil(first / 50) * 50, math.floor(last) + 1, 50):
        draw.line((x(tick), floor, x(tick), floor + 6), fill=FAINT, width=2)
        _centred(draw, x(tick), floor + 9, str(tick), SMALL, FAINT)
    for count in counts:
        draw.line((x(count), _HEAD, x(count), floor), fill=_MARK, width=3)
    for top in range(_HEAD - 30, floor, 12):
        draw.line((x(law.mean), top, x(law.mean), top + 6), fill=INK, width=2)
    _centred(draw, x(law.mean), _HEAD - 54, f"mean {law.mean:.0f}", BODY, INK)
    for count in counts:
        _centred(draw, x(count), _HEAD - 26, str(count), BODY, _MARK)
    return picture


def _centred(
    draw: ImageDraw.ImageDraw, x: int, y: int, words: str, size: int, colour: Colour
) -> None:
    """Words around x on a white ground, so that no line crosses them."""
    left = x - text_width(words, size) // 2
    box = (left - 3, y, left + text_width(words, size) + 3, y + round(1.2 * size))
    draw.rectangle(box, fill=PAPER)
    draw.text((left, y), words, font=font(size), fill=colour)
