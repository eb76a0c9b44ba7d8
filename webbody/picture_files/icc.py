"""Samples meant in an ICC profile, as sRGB.

Relative colorimetric with black point compensation: colours that sRGB has stay what they are (skin
is one), where the perceptual tables of a profile would move all of them by its maker's taste; for
profiles without tables, nearly all of photos, the two are the same.
"""

import functools
import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms

#: Bytes; printers' profiles have up to 3 MB. Larger ones are ignored.
MAX_PROFILE = 4_000_000
#: Profile's samples -> the mode of a picture that has them.
_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
#: Differences of a profile from sRGB, in 255ths, that are its maker's rounding.
_ROUNDING = 1
#: What a profile makes of white, at least, in 255ths.
_WHITE = 235
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_EXACT = ImageCms.Flags.BLACKPOINTCOMPENSATION | ImageCms.Flags.NOOPTIMIZE


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture, of mode L, RGB or CMYK, as sRGB of mode RGB.

    A profile that is broken, or for other samples than the picture's, is ignored; so are those
    that say sRGB in other words.
    """
    convert = None if profile is None else _conversion(profile, image.mode)
    if convert is None:
        return image if image.mode == "RGB" else image.convert("RGB")
    return convert(image)


@functools.lru_cache(maxsize=32)
def _conversion(profile: bytes, mode: str) -> Callable[[Image.Image], Image.Image] | None:
    """Made once: cameras and phones write the same few profiles into all their pictures."""
    if len(profile) > MAX_PROFILE:
        return None
    # Its short cuts are right to one step of 255, but for dark greys.
    flags = _EXACT if mode == "L" else ImageCms.Flags.BLACKPOINTCOMPENSATION
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _MODES.get(source.profile.xcolor_space) != mode:
            return None
        transform = ImageCms.buildTransform(source, _srgb(), mode, "RGB", _INTENT, flags)
        if _is_bogus(transform, mode) or (mode == "RGB" and _changes_nothing(transform)):
            return None
        return _table(transform) if mode == "L" else transform.apply
    except Exception:  # what little CMS raises depends on the profile
        return None


def _table(transform: ImageCms.ImageCmsTransform) -> Callable[[Image.Image], Image.Image]:
    greys = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    tables = [band.tobytes() for band in transform.apply(greys).split()]
    return lambda image: Image.merge("RGB", [image.point(list(table)) for table in tables])


@functools.cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _is_bogus(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether white does not stay white, as with a damaged curve or colorant."""
    paper = (0, 0, 0, 0) if mode == "CMYK" else "white"
    return bool(np.asarray(transform.apply(Image.new(mode, (1, 1), paper))).min() < _WHITE)


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    steps = np.linspace(0, 255, 18).astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(18 * 18, 18, 3)
    changed = np.asarray(transform.apply(Image.fromarray(colours)), np.int16)
    return bool(np.abs(changed - colours).max() <= _ROUNDING)
