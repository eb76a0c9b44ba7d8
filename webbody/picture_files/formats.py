"""Which picture formats are read, by which endings and first bytes, and which are known and not.

The one place for both: whoever looks for pictures in folders, archives or URLs takes `SUFFIXES`.
"""

#: Format (the ending that files of it get from us) -> endings that such files have.
ENDINGS = {
    "jpg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png", ".apng"),
    "webp": (".webp",),
    "gif": (".gif",),
    "bmp": (".bmp", ".dib"),
    "tif": (".tif", ".tiff"),
    "avif": (".avif", ".avifs"),
    "heic": (".heic", ".heif", ".hif"),
    "jp2": (".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".jpc"),
}
#: Endings of picture files, lower case and with the dot.
SUFFIXES = tuple(ending for endings in ENDINGS.values() for ending in endings)

_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
#: First bytes (at an offset) of picture formats that are not read.
_FOREIGN = (
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (0, b"8BPS", "Photoshop"),
    (0, b"\0\0\1\0", "ICO"),
    (0, b"\0\0\2\0", "CUR"),
    (0, b"icns", "ICNS"),
    (0, b"II+\0", "BigTIFF"),
    (0, b"MM\0+", "BigTIFF"),
    (0, b"IIU\0", "camera raw"),
    (0, b"IIRO", "camera raw"),
    (0, b"FUJIFILMCCD-RAW", "camera raw"),
    (0, b"II\xbc", "JPEG XR"),
    (0, b"DDS ", "DDS"),
    (0, b"qoif", "QOI"),
    (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"#?RGBE", "Radiance HDR"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"BPG\xfb", "BPG"),
    (0, b"FLIF", "FLIF"),
    (0, b"gimp xcf", "XCF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "EPS"),
    (0, b"\xd7\xcd\xc6\x9a", "WMF"),
    (40, b" EMF", "EMF"),
    (0, b"\x59\xa6\x6a\x95", "Sun raster"),
    (0, b"SIMPLE  =", "FITS"),
    (128, b"DICM", "DICOM"),
    (0, b"\x8aMNG\r\n\x1a\n", "MNG"),
    (0, b"\x8bJNG\r\n\x1a\n", "JNG"),
)  # fmt: skip
#: Brands of ISO base media files (ISO/IEC 14496-12) whose pictures are not read.
_FOREIGN_BRANDS = {
    b"vvic": "VVC", b"evmf": "EVC", b"avci": "AVC", b"jpeg": "JPEG in HEIF",
    b"j2ki": "JPEG 2000 in HEIF", b"crx ": "camera raw",
}  # fmt: skip


def sniff(data: bytes) -> str | None:
    """The format by its first bytes, one of `ENDINGS`; None for anything else."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"BM"):
        return "bmp"
    if data.startswith((b"II*\0", b"MM\0*")):
        return "tif"
    if data.startswith((b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n")):
        return "jp2"
    brands = _brands(data)
    if _AVIF & set(brands):
        return "avif"
    # A foreign first brand says more than the general ones (mif1) that follow it.
    if brands and brands[0] not in _FOREIGN_BRANDS and _HEIC & set(brands):
        return "heic"
    return None


def foreign(data: bytes) -> str | None:
    """The name of a picture format that is known, but not read; None for anything else."""
    for offset, magic, name in _FOREIGN:
        if data.startswith(magic, offset):
            return name
    for brand in _brands(data):
        if brand in _FOREIGN_BRANDS:
            return _FOREIGN_BRANDS[brand]
    head = data[:3]
    if head[:1] == b"P" and head[1:2] in b"1234567Ff" and head[2:3].isspace():
        return "PNM"
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    drawing = start.startswith((b"<svg", b"<?xml", b"<!doctype svg", b"<!--")) and b"<svg" in start
    return "SVG" if drawing and b"<html" not in start else None


def describe(data: bytes) -> str:
    """What a body that is no picture seems to be."""
    start = data[:512].lstrip().lower()
    if not start:
        return "empty"
    if start.startswith((b"<!doctype html", b"<html")) or b"<head" in start:
        return "HTML"
    if start.startswith((b"{", b"[")):
        return "JSON"
    if data[4:8] == b"ftyp":
        return "a video"
    if start.startswith(b"%pdf"):
        return "PDF"
    return f"starts with {bytes(data[:8])!r}"


def _brands(data: bytes) -> list[bytes]:
    """The brands of an ISO base media file, the major one first (14496-12, section 4.3)."""
    if data[4:8] != b"ftyp":
        return []
    end = min(int.from_bytes(data[:4], "big"), len(data), 256)
    return [bytes(data[8:12]), *(bytes(data[i : i + 4]) for i in range(16, end - 3, 4))]
