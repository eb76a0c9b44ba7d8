"""Composing pictures: texts, panels, rows and columns, legends, the page around them.

Every function makes an image from images, as large as what it holds, so nothing is ever cut off.
Texts are drawn in the font that pillow brings, which has the characters of Latin-1 alone.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from model.visualization.colours import FAINT, GREY, INK, PAPER, Colour, heat

TITLE, HEADING, BODY, SMALL = 34, 22, 18, 15
GAP = 28
_MARGIN = 36
#: A line of text much longer than this is hard to read.
_LINE = 1500


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The one font of all pictures."""
    return ImageFont.load_default(size=size)


def text_width(line: str, size: int) -> int:
    """Pixels that a line takes."""
    return int(np.ceil(font(size).getlength(line)))


def text(
    words: str,
    size: int = BODY,
    colour: Colour = INK,
    width: int = 0,
    centred: bool = False,
    ground: Colour = PAPER,
) -> Image.Image:
    """Text on `ground`, broken at spaces where a line would exceed `width` pixels (0: any width).

    A line break in `words` is kept; `centred` lines are centred in `width`.
    """
    lines = [line for part in words.split("\n") for line in _broken(part, size, width)]
    step = round(size * 1.35)
    widest = max(text_width(line, size) for line in lines)
    image = Image.new("RGB", (max(widest, width if centred else 1), step * len(lines)), ground)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        left = (image.width - text_width(line, size)) // 2 if centred else 0
        draw.text((left, row * step), line, font=font(size), fill=colour)
    return image


def beside(images: Sequence[Image.Image], gap: int = GAP) -> Image.Image:
    """Images in a row, their tops aligned."""
    width = sum(image.width for image in images) + gap * (len(images) - 1)
    row = Image.new("RGB", (width, max(image.height for image in images)), PAPER)
    left = 0
    for image in images:
        row.paste(image, (left, 0))
        left += image.width + gap
    return row


def below(images: Sequence[Image.Image], gap: int = GAP) -> Image.Image:
    """Images in a column, their left sides aligned."""
    height = sum(image.height for image in images) + gap * (len(images) - 1)
    column = Image.new("RGB", (max(image.width for image in images), height), PAPER)
    top = 0
    for image in images:
        column.paste(image, (0, top))
        top += image.height + gap
    return column


def panel(picture: Image.Image, heading: str, note: str = "", colour: Colour = INK) -> Image.Image:
    """A picture in a thin frame with a heading above, in `colour`, and a note below."""
    framed = Image.new("RGB", (picture.width + 2, picture.height + 2), GREY)
    framed.paste(picture, (1, 1))
    parts = [text(heading, HEADING, colour, picture.width), framed]
    if note:
        parts.append(text(note, BODY, FAINT, picture.width))
    return below(parts, gap=8)


def page(title: str, note: str, body: Image.Image) -> Image.Image:
    """The whole picture: a title, a sentence or two on what is shown, the body, white margins."""
    width = max(body.width, text_width(title, TITLE))
    parts = [text(title, TITLE), text(note, BODY, FAINT, min(width, _LINE)), body]
    column = below(parts, gap=18)
    out = Image.new("RGB", (width + 2 * _MARGIN, column.height + 2 * _MARGIN), PAPER)
    out.paste(column, (_MARGIN, _MARGIN))
    return out


def blank(side: int, words: str) -> Image.Image:
    """A grey square with words in its middle, in place of a picture that there is not."""
    square = Image.new("RGB", (side, side), GREY)
    label = text(words, BODY, FAINT, ground=GREY)
    square.paste(label, ((side - label.width) // 2, (side - label.height) // 2))
    return square


def legend(entries: Sequence[tuple[Colour, str]], size: int = BODY) -> Image.Image:
    """A coloured square and a text for each entry, one below the other."""
    return below([_entry(colour, words, size) for colour, words in entries], gap=8)


def heat_legend(low: str, high: str, width: int = 240) -> Image.Image:
    """The colours of heat from left to right, between what the lowest and the highest mean."""
    ramp = np.broadcast_to(heat(np.linspace(0, 1, width)), (BODY, width, 3))
    strip = Image.fromarray(np.ascontiguousarray(ramp))
    return beside([text(low, BODY), strip, text(high, BODY)], gap=10)


def _entry(colour: Colour, words: str, size: int) -> Image.Image:
    square = Image.new("RGB", (size, size), FAINT)
    square.paste(Image.new("RGB", (size - 2, size - 2), colour), (1, 1))
    return beside([square, text(words, size)], gap=10)


def _broken(line: str, size: int, width: int) -> list[str]:
    lines: list[str] = []
    for word in line.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and (not width or text_width(longer, size) <= width):
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
