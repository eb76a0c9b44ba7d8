"""Profiles become sRGB as an independent computation has it; broken ones are ignored."""

import struct
import time

import numpy as np
import pytest
from made_pictures import chunk, picture, saved, with_chunks
from PIL import Image, ImageCms

from webbody.images import decode
from webbody.picture_files.icc import MAX_PROFILE
from webbody.picture_files.made_profile import SRGB_CURVE, Chromaticities, gamma, made_profile

P3 = Chromaticities((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE = Chromaticities((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
SWAPPED = Chromaticities((0.15, 0.06), (0.64, 0.33), (0.30, 0.60))
#: Published matrices of linear samples to XYZ for white D65 (Display P3, Adobe RGB 1998, sRGB).
TO_XYZ = {
    "p3": [[0.48657, 0.26567, 0.19822], [0.22897, 0.69174, 0.07929], [0.0, 0.04511, 1.04394]],
    "adobe": [[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.0753], [0.02703, 0.07069, 0.99134]],
    "srgb": [[0.41246, 0.35758, 0.18044], [0.21267, 0.71515, 0.07217], [0.01933, 0.11919, 0.95030]],
}  # fmt: skip
PROFILES = {
    "p3": made_profile(P3, SRGB_CURVE),
    "adobe": made_profile(ADOBE, gamma(563 / 256)),
}


def as_linear(samples: np.ndarray, space: str) -> np.ndarray:
    part = samples / 255
    if space == "adobe":
        return part ** (563 / 256)
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def reference(samples: np.ndarray, space: str) -> np.ndarray:
    """sRGB (H, W, 3) float of samples in a space, clipped, by the standards' formulas."""
    xyz = as_linear(samples.astype(float), space) @ np.array(TO_XYZ[space]).T
    linear = (xyz @ np.linalg.inv(np.array(TO_XYZ["srgb"])).T).clip(0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return coded * 255


@pytest.mark.parametrize("space", ["p3", "adobe"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_wide_photos_come_out_as_srgb(space, kind):
    samples = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(Image.fromarray(samples), kind, icc_profile=PROFILES[space], **options)
    away = np.abs(decode(data) - reference(samples, space))
    assert away.mean() < 0.3
    assert away.max() < 1
    unconverted = np.abs(samples - reference(samples, space)).mean()
    assert unconverted > 5


@pytest.mark.parametrize("kind", ["JPEG", "AVIF", "HEIF"])
@pytest.mark.parametrize("space", ["p3", "adobe"])
def test_lossy_formats_are_converted_too(space, kind):
    image = picture()
    as_saved = {"quality": 95} if kind != "HEIF" else {"quality": 95, "chroma": 444}
    data = saved(image, kind, icc_profile=PROFILES[space], **as_saved)
    plain = decode(saved(image, kind, **as_saved))
    away = np.abs(decode(data) - reference(plain, space))
    assert away.mean() < 0.8


def test_a_grey_profile_is_for_grey_pictures():
    ramp = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (4, 1)))
    profile = grey_profile(1.0)
    found = decode(saved(ramp, "PNG", icc_profile=profile))[0]
    linear = np.arange(256) / 255
    expected = 255 * np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
    )
    assert np.abs(found - expected[:, None]).max() < 1
    colours = picture()
    assert (decode(saved(colours, "PNG", icc_profile=profile)) == np.asarray(colours)).all()
    with_alpha = ramp.convert("LA")
    assert (decode(saved(with_alpha, "PNG", icc_profile=profile))[0] == found).all()


def grey_profile(power: float) -> bytes:
    """A version 2 profile of grey samples: `linear = coded ** power`."""
    white = b"XYZ " + struct.pack(">I3i", 0, 63190, 65536, 54061)
    curve = b"curv" + struct.pack(">IIH2x", 0, 1, round(power * 256))
    text = b"text" + bytes(4) + b"grey\0\0\0\0"
    desc = b"desc" + struct.pack(">II", 0, 5) + b"grey\0" + bytes(90)
    start, listing, body = 128 + 4 + 12 * 4, b"", b""
    for name, tag in ((b"desc", desc), (b"cprt", text), (b"wtpt", white), (b"kTRC", curve)):
        listing += struct.pack(">4sII", name, start + len(body), len(tag))
        body += tag + bytes(-len(tag) % 4)
    head = struct.pack(
        ">II I4s4s4s12s4s24xI12s48x".replace(" ", ""), start + len(body), 0, 0x02400000, b"mntr",
        b"GRAY", b"XYZ ", struct.pack(">6H", 2026, 1, 1, 0, 0, 0), b"acsp", 0, white[8:],
    )  # fmt: skip
    return head + struct.pack(">I", 4) + listing + body


def test_swapped_channels_are_swapped_back():
    image = picture()
    profile = made_profile(SWAPPED, SRGB_CURVE)
    rolled = np.roll(np.asarray(image), 1, axis=-1)  # blue, red, green
    data = saved(Image.fromarray(rolled), "PNG", icc_profile=profile)
    assert np.abs(decode(data).astype(int) - np.asarray(image)).max() <= 2


def test_srgb_in_other_words_changes_no_pixel():
    image = picture()
    for profile in (
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        made_profile(Chromaticities(), SRGB_CURVE),
    ):
        assert (decode(saved(image, "PNG", icc_profile=profile)) == np.asarray(image)).all()


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile at all",
        PROFILES["p3"][:200],
        PROFILES["p3"][:-20],
        PROFILES["p3"].replace(PROFILES["p3"][-160:-100], bytes(60)),
        PROFILES["p3"][:16] + b"CMYK" + PROFILES["p3"][20:],
        PROFILES["p3"][:12] + b"link" + PROFILES["p3"][16:],
        PROFILES["p3"] + bytes(MAX_PROFILE),
        bytes(range(256)) * 9,
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_broken_and_foreign_profiles_are_ignored(profile, kind):
    image = picture()
    plain = decode(saved(image, kind))
    assert np.abs(decode(saved(image, kind, icc_profile=profile)).astype(int) - plain).max() <= 1


def test_transparency_is_laid_on_white_after_the_conversion():
    red = np.zeros((8, 8, 4), np.uint8)
    red[..., 0], red[:, :4, 3], red[:, 4:, 3] = 200, 255, 128
    found = decode(saved(Image.fromarray(red), "PNG", icc_profile=PROFILES["p3"])).astype(int)
    shown = reference(red[..., :3], "p3")[0, 0]
    assert np.abs(found[0, 0] - shown).max() < 2
    assert np.abs(found[0, 7] - (shown * 128 + 255 * 127) / 255).max() < 2


def test_cmyk_with_a_broken_profile_is_as_without():
    ink = Image.new("CMYK", (32, 32), (0, 200, 200, 30))
    with_profile = saved(ink, "JPEG", quality=95, icc_profile=PROFILES["p3"])
    assert (decode(with_profile) == decode(saved(ink, "JPEG", quality=95))).all()


def numbers(*values: float) -> bytes:
    return struct.pack(f">{len(values)}I", *(round(value * 100_000) for value in values))


def test_pngs_that_name_their_colours():
    image = picture()
    samples, png = np.asarray(image), saved(image, "PNG")
    corners = numbers(0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
    gama, chrm = chunk(b"gAMA", numbers(1 / 2.2)), chunk(b"cHRM", corners)
    p3 = reference(samples, "p3")
    for chunks in ((chunk(b"cICP", bytes([12, 13, 0, 1])),), (gama, chrm)):
        assert np.abs(decode(with_chunks(png, *chunks)) - p3).mean() < 0.6
    for chunks in (
        (gama,),  # what encoders write beside sRGB samples
        (chrm,),  # too little
        (chunk(b"sRGB", b"\0"), gama, chrm),  # sRGB comes first
        (chunk(b"cICP", bytes([1, 13, 0, 1])), chrm, gama),
        (chunk(b"gAMA", b"\0\0\0\0"),),
        (chunk(b"gAMA", b"\0\0"),),
        (chunk(b"gAMA", numbers(1.0), checksum=7),),
        (chunk(b"cHRM", numbers(*[0.5] * 8)), gama),
    ):
        assert (decode(with_chunks(png, *chunks)) == samples).all(), chunks
    linear = decode(with_chunks(png, chunk(b"gAMA", numbers(1.0)))).astype(int)
    assert (linear >= samples).all()
    assert (linear - samples).mean() > 30


@pytest.mark.parametrize(("transfer", "white"), [(16, 0.58), (18, 0.75)])
def test_high_range_is_shown_with_paper_as_white(transfer, white):
    ramp = np.arange(256, dtype=np.uint8)
    png = saved(Image.fromarray(np.repeat(ramp[None, :, None], 3, -1)), "PNG")
    shown = decode(with_chunks(png, chunk(b"cICP", bytes([9, transfer, 0, 1]))))[0, :, 1]
    assert (np.diff(shown.astype(int)) >= 0).all()
    assert np.flatnonzero(shown >= 254)[0] == pytest.approx(white * 255, abs=4)
    assert shown[0] == 0


def test_code_points_of_heif_and_avif_are_heeded():
    image = picture(64, 64)

    data = saved(image, "AVIF", quality=100, subsampling="4:4:4")
    at = data.index(b"nclx") + 4
    plain = decode(data)
    wide = data[:at] + struct.pack(">HH", 12, 13) + data[at + 4 :]
    assert np.abs(decode(wide) - reference(plain, "p3")).mean() < 0.8


def test_the_conversion_is_remembered():
    image = picture(1000, 800)
    data = saved(image, "JPEG", icc_profile=PROFILES["adobe"])
    decode(data)
    started = time.process_time()
    for _ in range(5):
        decode(data)
    assert (time.process_time() - started) / 5 < 0.5


#: CIE Lab of paper and of single inks at full strength, in the order cyan, magenta, yellow, black.
INKS = {
    (0, 0, 0, 0): (100, 0, 0),
    (1, 0, 0, 0): (60, -30, -40),
    (0, 1, 0, 0): (50, 60, 0),
    (0, 0, 1, 0): (90, 0, 80),
    (0, 0, 0, 1): (3, 0, 0),
}


def ink_profile() -> bytes:
    """A version 2 printer's profile: a table of Lab at the corners of the four inks."""
    corners = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    points = [INKS.get(corner, (20, 0, 0) if not corner[3] else (1, 0, 0)) for corner in corners]
    table = bytes(v for light, a, b in points for v in (round(light * 2.55), a + 128, b + 128))
    ramp, one = bytes(range(256)), 65536
    matrix = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, one)
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + matrix + ramp * 4 + table + ramp * 3
    white = b"XYZ " + struct.pack(">I3i", 0, 63190, 65536, 54061)
    text = b"text" + bytes(4) + b"inks\0\0\0\0"
    desc = b"desc" + struct.pack(">II", 0, 5) + b"inks\0" + bytes(90)
    tags = ((b"desc", desc), (b"cprt", text), (b"wtpt", white), (b"A2B0", lut))
    start, listing, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, tag in tags:
        listing += struct.pack(">4sII", name, start + len(body), len(tag))
        body += tag + bytes(-len(tag) % 4)
    head = struct.pack(
        ">III4s4s4s12s4s24xI12s48x", start + len(body), 0, 0x02400000, b"prtr",
        b"CMYK", b"Lab ", struct.pack(">6H", 2026, 1, 1, 0, 0, 0), b"acsp", 0, white[8:],
    )  # fmt: skip
    return head + struct.pack(">I", len(tags)) + listing + body


def lab_as_srgb(light: float, a: float, b: float) -> np.ndarray:
    """By CIE's formulas, from white D50 to D65 by Bradford's matrix."""
    f = (light + 16) / 116 + np.array([a / 500, 0, -b / 200])
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * [0.9642, 1, 0.8249]
    adapted = (
        np.array(
            [
                [0.95558, -0.02304, 0.06316],
                [-0.02829, 1.00994, 0.02101],
                [0.01230, -0.02048, 1.32991],
            ]
        )
        @ xyz
    )
    linear = (np.linalg.inv(np.array(TO_XYZ["srgb"])) @ adapted).clip(0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return coded * 255


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
@pytest.mark.parametrize("ink", list(INKS))
def test_inks_look_as_their_profile_says(kind, ink):
    solid = Image.new("CMYK", (32, 32), tuple(255 * part for part in ink))
    data = saved(
        solid, kind, icc_profile=ink_profile(), **({"quality": 100} if kind == "JPEG" else {})
    )
    assert decode(data)[16, 16] == pytest.approx(lab_as_srgb(*INKS[ink]), abs=9)
