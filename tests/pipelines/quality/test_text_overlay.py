"""Text over pictures, written here by Pillow's own font, beside pictures without any."""

import numpy as np
import pytest
from photo_shards import photos, rgb
from PIL import Image, ImageDraw, ImageFont

from pipelines.quality.text_overlay import text_share
from webbody.config import QualitySettings
from webbody.images import decode, encode_jpeg

MOST = QualitySettings().max_text
WORDS = "Breaking news: two drawn people were seen in a synthetic web today"


@pytest.fixture(scope="module")
def pictures():
    return [rgb(photo) for photo in photos(12, seed=5)]


def captioned(image, size, fill=(255, 255, 255), edge=(0, 0, 0), lines=2):
    """With lines of WORDS near the lower edge, encoded as JPEG and decoded."""
    picture = Image.fromarray(image)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size)
    fits = int(len(WORDS) * 0.9 * picture.width / draw.textlength(WORDS, font))
    top = picture.height - (lines + 0.5) * 1.3 * size
    for line in range(lines):
        text = WORDS[line * fits : (line + 1) * fits]
        place = (0.05 * picture.width, top + line * 1.3 * size)
        draw.text(place, text, fill, font, stroke_width=max(1, size // 14), stroke_fill=edge)
    return decode(encode_jpeg(np.asarray(picture), 85))


def test_pictures_without_text_pass(pictures):
    assert max(map(text_share, pictures)) <= MOST


@pytest.mark.parametrize("fill", [(255, 255, 255), (255, 230, 0), (20, 20, 20)])
def test_most_captions_are_found(pictures, fill):
    edge = (0, 0, 0) if sum(fill) > 300 else (255, 255, 255)
    shares = [text_share(captioned(image, 30, fill, edge)) for image in pictures]
    assert np.mean(np.array(shares) > MOST) >= 0.9


def test_repeated_watermarks_are_found(pictures):
    found = []
    for image in pictures:
        layer = Image.new("RGBA", image.shape[1::-1], (0, 0, 0, 0))
        draw, font = ImageDraw.Draw(layer), ImageFont.load_default(30)
        for top in range(10, layer.height, 90):
            draw.text((20 + top % 60, top), "stockphoto sample  stockphoto", (255, 255, 255, 150),
                      font)  # fmt: skip
        marked = Image.alpha_composite(Image.fromarray(image).convert("RGBA"), layer)
        found.append(text_share(np.asarray(marked.convert("RGB"))) > MOST)
    assert np.mean(found) >= 0.75


def test_a_few_letters_and_a_small_credit_pass(pictures):
    for image in pictures[:4]:
        picture = Image.fromarray(image)
        draw = ImageDraw.Draw(picture)
        draw.text((30, 30), "EXIT", (255, 255, 255), ImageFont.load_default(60))
        draw.text((300, 460), "photo: somebody", (255, 255, 255), ImageFont.load_default(14))
        assert text_share(np.asarray(picture)) <= MOST


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (7, 5)])
def test_any_size(shape):
    assert text_share(np.full((*shape, 3), 200, np.uint8)) == 0


def test_noise_is_no_text():
    noise = np.random.default_rng(0).integers(0, 256, (640, 640, 3)).astype(np.uint8)
    assert text_share(noise) <= MOST
