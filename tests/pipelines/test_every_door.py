"""The same bytes give the same pixels by whatever door they come in.

Doors: a photo of a build or a gallery (`decode`), a shard's sample, training by its fast and its
general way, a picture for `embed` and `evaluate`, and what a build writes and reads again.
"""

import hashlib
import io
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_pictures import picture, saved
from PIL import Image

from model.features.samples import read_shard
from model.training.data.decoding import decode_all
from pipelines.base.photos import decoded_photo
from pipelines.detection.subject import whole_pictures
from pipelines.galleries.identity_sources import read_sources
from pipelines.inference.pictures import find_subjects
from webbody.decoders.pool import Decoders
from webbody.images import decode, letterbox, probe
from webbody.picture_files.made_profile import SRGB_CURVE, Chromaticities, gamma, made_profile
from webbody.shards import TarWriter

SIDE = 48
DECODERS = Decoders(1)
P3 = made_profile(Chromaticities((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), SRGB_CURVE)
PROFILES = {
    "none": None,
    "p3": P3,
    "dark": made_profile(Chromaticities(), gamma(2.8)),
    "broken": P3[:200],
}
#: Pillow's format, the mode of the picture, and options of the encoder.
KINDS = [
    *[("JPEG", mode, {"quality": 90}) for mode in ("L", "RGB", "CMYK")],
    ("JPEG", "RGB", {"progressive": True}),
    ("JPEG", "RGB", {"subsampling": "4:4:4", "keep_rgb": True}),
    ("JPEG", "RGB", {"subsampling": "4:2:2", "restart_marker_blocks": 2}),
    *[("PNG", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")],
    ("PNG", "P", {"transparency": 3}),
    ("PNG", "RGB", {"transparency": (0, 0, 0)}),
    *[("WEBP", "RGBA", {"lossless": lossless}) for lossless in (False, True)],
    ("GIF", "P", {}),
    ("GIF", "P", {"transparency": 5}),
    *[("BMP", mode, {}) for mode in ("1", "L", "P", "RGB")],
    *[
        ("TIFF", mode, {"compression": packed})
        for mode in ("L", "RGB", "RGBA", "CMYK", "I;16")
        for packed in (None, "tiff_lzw")
    ],
    *[("AVIF", mode, {}) for mode in ("L", "RGB", "RGBA")],
    *[("HEIF", mode, {}) for mode in ("L", "RGB", "RGBA")],
    *[("JPEG2000", mode, {}) for mode in ("L", "RGB", "RGBA")],
]


def encoded(
    kind: str, mode: str, options: dict, orientation: int, profile: str, image: Image.Image
) -> bytes:
    """A file of the picture; what a format cannot hold is left out."""
    if mode == "I;16":
        deep = np.asarray(image.convert("L")).astype(np.uint16) * 257
        stored = Image.fromarray(deep)
    else:
        stored = image.convert(mode)
        if mode in ("RGBA", "LA"):
            stored.putalpha(image.convert("L").point(lambda value: 255 if value > 90 else 0))
    more = dict(options)
    if kind not in ("GIF", "BMP", "JPEG2000"):
        if PROFILES[profile]:
            more["icc_profile"] = PROFILES[profile]
        exif = Image.Exif()
        exif[274] = orientation
        if kind != "HEIF":  # whose encoder turns the pixels itself
            more["exif"] = exif
    return saved(stored, kind, **{name: value for name, value in more.items() if value is not None})


def by_shard(data: bytes, ending: str) -> np.ndarray:
    file = io.BytesIO()
    tar = TarWriter(file)
    tar.add(f"a.{ending}", data)
    tar.add("a.json", b'{"keypoints": ' + str([[0, 0, 0]] * 19).encode() + b"}")
    tar.close()
    file.seek(0)
    (sample,) = read_shard(file, "s.tar", SIDE)
    assert sample.outcome is None
    return sample.image


def by_training(data: bytes, fits: bool) -> np.ndarray:
    images = torch.empty(1, SIDE, SIDE, 3, dtype=torch.uint8)
    assert decode_all([bytearray(data)], [fits], images) == {}
    return images[0].numpy()


def by_gallery(data: bytes, path) -> np.ndarray:
    path.mkdir()
    (path / "somebody.jpg").write_bytes(data)
    ((_, pixels),) = read_sources([path]).decoded()
    return letterbox(pixels, SIDE)[0]


def by_build(data: bytes) -> np.ndarray:
    header = probe(data, 10_000)
    digest = hashlib.sha256(data).hexdigest()
    row = {"key": "a", "sha256": digest, "width": header.width, "height": header.height}
    return letterbox(decoded_photo(row, data, DECODERS), SIDE)[0]


def by_embed(data: bytes) -> np.ndarray:
    (sample,) = find_subjects("folder", ["a"], lambda _: decode(data), whole_pictures(SIDE))
    return sample.image


@given(
    kind=st.sampled_from(KINDS),
    orientation=st.integers(1, 8),
    profile=st.sampled_from(list(PROFILES)),
    size=st.tuples(st.integers(8, 70), st.integers(8, 70)) | st.just((SIDE, SIDE)),
    seed=st.integers(0, 5),
)
@settings(max_examples=120)
def test_all_doors_give_the_same_pixels(kind, orientation, profile, size, seed):
    data = encoded(*kind, orientation, profile, picture(*size, seed))
    header, upright = probe(data), decode(data)
    assert upright.shape == (header.height, header.width, 3)
    expected = letterbox(upright, SIDE)[0]
    for found in (
        by_shard(data, header.format),
        by_training(data, header.plain and upright.shape[:2] == (SIDE, SIDE)),
        by_training(data, False),
        by_embed(data),
        by_build(data),
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def test_a_gallery_sees_them_too(kind, tmp_path):
    data = encoded(*kind, 6, "p3", picture(SIDE, SIDE))
    expected = letterbox(decode(data), SIDE)[0]
    np.testing.assert_array_equal(by_gallery(data, tmp_path / "people"), expected)


@pytest.mark.parametrize(
    ("channels", "quality", "sampling"),
    list(itertools.product(("L", "RGB"), (30, 75, 95, 100), ("4:4:4", "4:2:2", "4:2:0"))),
)
def test_the_fast_way_of_training_is_taken_and_gives_the_same(channels, quality, sampling):
    """Where a picture is plain; so a difference here is one between the two libraries."""
    for seed, exif in itertools.product(range(4), (1, 3)):
        noise = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
        for image in (picture(SIDE, SIDE, seed), Image.fromarray(noise)):
            block = Image.Exif()
            block[274] = exif
            options = {"quality": quality, "subsampling": sampling, "exif": block}
            data = saved(image.convert(channels), "JPEG", **options)
            assert probe(data).plain == (exif == 1)
            np.testing.assert_array_equal(by_training(data, exif == 1), decode(data))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"progressive": True}),
        ("JPEG", {"icc_profile": P3}),
        ("PNG", {}),
        ("WEBP", {}),
        ("AVIF", {}),
    ],
)
def test_whatever_else_goes_the_general_way(kind, options):
    assert not probe(saved(picture(), kind, **options)).plain


def test_cmyk_goes_the_general_way():
    assert not probe(saved(picture().convert("CMYK"), "JPEG")).plain


def test_a_picture_that_lacks_its_end_is_unreadable_in_training_too():
    data = saved(picture(SIDE, SIDE), "JPEG", quality=95)
    cut = data[: len(data) * 2 // 3] + b"\xff\xd9"
    assert probe(cut).plain
    images = torch.empty(1, SIDE, SIDE, 3, dtype=torch.uint8)
    assert list(decode_all([bytearray(cut)], [True], images)) == [0]
    grey = Image.new("RGB", (SIDE, SIDE), (128, 128, 128))
    assert (by_training(saved(grey, "JPEG"), True) == 128).all()
