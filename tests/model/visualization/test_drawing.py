"""Colours, text and lines: values come out as the right colours at the right pixels."""

import numpy as np
from PIL import Image

from model.visualization.canvas import below, beside, legend, page, panel, text, text_width
from model.visualization.colours import INK, LEFT, MIDDLE, RIGHT, heat, spread
from model.visualization.photo import enlarged, outline, skeleton


def test_heat_goes_from_blue_to_red():
    assert heat([0, 0.25, 0.5, 1]).argmax(-1).tolist() == [2, 2, 1, 0]
    assert len(np.unique(heat(np.linspace(0, 1, 50)), axis=0)) == 50
    np.testing.assert_array_equal(heat([-3, 7, np.nan]), heat([0, 1, 0]))
    assert heat(np.zeros((2, 5))).shape == (2, 5, 3)


def test_spread_reaches_from_0_to_1():
    np.testing.assert_allclose(spread([-2, 0, 2]), [0, 0.5, 1])
    np.testing.assert_array_equal(spread([0.3, 0.3]), [0, 0])


def ink(picture: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is not white."""
    dark = (np.asarray(picture) < 250).any(-1)
    rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def test_no_text_is_cut_off():
    words = "gjpqy Every letter of a rather long line, (with) brackets: WgjM"
    for size in (15, 18, 22, 34):
        for width in (0, 200):
            around = Image.new("RGB", (2000, 900), "white")
            label = text(words, size, width=width)
            around.paste(label, (0, 0))
            left, top, right, bottom = ink(around)
            # Ink that ended at the label's very border would have been cut there.
            assert left >= 0 and top > 0
            assert right <= label.width and bottom < label.height
            lone = text("M" * 40, size, width=width)
            assert lone.width >= text_width("M" * 40, size)
            assert not width or label.width <= width


def test_layout_keeps_every_part_whole():
    red, blue = Image.new("RGB", (50, 30), (255, 0, 0)), Image.new("RGB", (20, 70), (0, 0, 255))
    for whole in (beside([red, blue]), below([red, blue]), page("Title", "A note.", red)):
        pixels = np.asarray(whole)
        assert (pixels == (255, 0, 0)).all(-1).sum() == 50 * 30
    framed = panel(blue, "A heading that is wider than the picture", "and a note below it")
    assert (np.asarray(framed) == (0, 0, 255)).all(-1).sum() == 20 * 70
    entries = np.asarray(legend([((255, 0, 0), "one"), ((0, 0, 255), "two")]))
    assert (entries == (255, 0, 0)).all(-1).any() and (entries == (0, 0, 255)).all(-1).any()


def test_a_box_is_outlined_at_its_place():
    picture = Image.new("RGB", (200, 100), "white")
    outline(picture, np.array([0.25, 0.5, 0.75, 0.9]), INK)
    assert ink(picture) == (50, 50, 150, 90)
    assert picture.getpixel((100, 70)) == (255, 255, 255)


def test_the_skeleton_has_its_dots_at_the_keypoints(whole_body):
    grey = Image.new("RGB", (800, 800), (128, 128, 128))
    points = whole_body.copy()
    points[17] = 0  # the left ankle is not visible
    pixels = np.asarray(skeleton(grey, points)).astype(int)
    for slot, colour in ((0, MIDDLE), (9, LEFT), (10, RIGHT), (18, RIGHT)):
        x, y = np.rint(points[slot, :2] * 800).astype(int)
        assert np.abs(pixels[y, x] - colour).max() < 8
    x, y = np.rint(whole_body[17, :2] * 800).astype(int)
    assert (pixels[y - 20 : y + 20, x - 20 : x + 20] == 128).all()
    assert (pixels[:20, :20] == 128).all()


def test_a_region_is_enlarged_whole():
    image = np.zeros((100, 100, 3), np.uint8)
    image[20:60, 50:90] = 200
    part = np.asarray(enlarged(image, 80, (0.5, 0.2, 0.9, 0.6)))
    assert part.shape == (80, 80, 3) and (part[4:-4, 4:-4] == 200).all()
