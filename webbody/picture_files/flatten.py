"""Samples of any kind as 8-bit sRGB on white."""

import numpy as np
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin

from webbody.picture_files.icc import to_srgb


def flatten(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Mode RGB, sRGB, without transparency; `profile` says in which colours the samples are.

    Raises ValueError for samples whose range nobody knows.
    """
    if image.mode in ("I", "F"):
        raise ValueError(f"samples of mode {image.mode} have no known range")
    clear = image.info.get("transparency")
    if image.mode.startswith("I;16"):  # Pillow's own conversion would clip to 255
        samples = np.asarray(image).astype(np.uint16)
        grey = Image.fromarray((samples >> _bits(image) - 8).astype(np.uint8))
        if _tag(image, _PHOTOMETRIC, 1) == 0:  # a TIFF whose zero is white
            grey = ImageOps.invert(grey)
        if not isinstance(clear, int):
            return to_srgb(grey, profile)
        return _on_white(to_srgb(grey, profile), Image.fromarray(samples != clear).convert("L"))
    if image.mode == "LAB":
        return ImageCms.buildTransform(_LAB, _SRGB, "LAB", "RGB").apply(image)
    if image.mode == "RGB" and isinstance(clear, tuple) and max(clear) > 255:
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        grey_alpha = image.mode in ("LA", "La", "L", "1")
        whole = image.convert("LA" if grey_alpha else "RGBA")
        colours = to_srgb(whole.convert("L" if grey_alpha else "RGB"), profile)
        return _on_white(colours, whole.getchannel("A"))
    if image.mode in ("1", "L"):
        return to_srgb(image.convert("L"), profile)
    return to_srgb(image if image.mode in ("RGB", "CMYK") else image.convert("RGB"), profile)


def _on_white(colours: Image.Image, alpha: Image.Image) -> Image.Image:
    colours.putalpha(alpha)
    return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours).convert("RGB")


def _bits(image: Image.Image) -> int:
    """Bits of a grey sample: 16, but for a TIFF of 12, whose samples Pillow does not widen."""
    bits = _tag(image, _BITS_PER_SAMPLE, 16)
    return 12 if bits in (12, (12,)) else 16


def _tag(image: Image.Image, number: int, default: int) -> object:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.tag_v2.get(number, default)
    return default


_BITS_PER_SAMPLE, _PHOTOMETRIC = 258, 262
_LAB, _SRGB = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
