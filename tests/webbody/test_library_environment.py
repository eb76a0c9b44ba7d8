"""Libraries that would change what others do, once they are imported."""

import os

import pytest
from PIL import Image

from webbody.images import ImageError, decode
from webbody.library_environment import import_ultralytics


def test_ultralytics_leaves_pillow_as_it_was() -> None:
    before = Image.open
    ultralytics = import_ultralytics()
    assert ultralytics.YOLO
    assert Image.open is before and Image.open.__module__ == "PIL.Image"
    assert os.environ["YOLO_AUTOINSTALL"] == "false"
    # Its own function would look for a package that it can install.
    with pytest.raises(ImageError):
        decode(b"no picture at all")
