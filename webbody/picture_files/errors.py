"""The error of a picture that cannot be used, and the limits on sizes that raise it."""


class ImageError(Exception):
    """An image that cannot be used: `outcome` is its ledger outcome, `detail` says why."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.outcome = outcome
        self.detail = detail

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return (type(self), (self.outcome, self.detail))


def check_pixels(width: int, height: int, max_pixels: int | None, what: str = "") -> None:
    """Raise ImageError for a size of no pixels, or of more than `max_pixels`.

    `what` names the part of a file that has the size, where it is not the picture.
    """
    size = f"{what} {width} x {height} pixels".lstrip()
    if width < 1 or height < 1:
        raise ImageError("image:unreadable", size)
    if max_pixels is not None and width * height > max_pixels:
        raise ImageError("image:too-large", size)
