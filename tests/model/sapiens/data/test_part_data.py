"""Masks of body parts: PNG files of several kinds, and everything that can be wrong with them."""

import pickle

import numpy as np
import pytest
from PIL import Image

from model.sapiens.data import PartData
from model.sapiens.vocabulary import part_vocabulary
from tests.model.sapiens.data.labelled_folders import HEIGHT, WIDTH, picture, save
from webbody.errors import WebbodyError


def labels(seed=0, classes=28):
    label = np.random.default_rng(seed).integers(0, classes, (HEIGHT, WIDTH), np.uint8)
    label[:2] = 255
    return label


def folder_of(folder, label, names=("one",)):
    for name in names:
        save(folder / "images" / f"{name}.png", picture())
        save(folder / "masks" / f"{name}.png", label)
    return folder


def refused(folder, classes=28):
    with pytest.raises(WebbodyError) as caught:
        PartData(folder, part_vocabulary(classes))[0]
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_masks_are_read_as_they_are(tmp_path):
    sample = PartData(folder_of(tmp_path, labels()), part_vocabulary(28))[0]
    np.testing.assert_array_equal(sample.image, picture())
    np.testing.assert_array_equal(sample.label, labels())
    assert (sample.label.dtype, sample.name) == (np.uint8, "one")


def test_a_palette_counts_by_its_indices(tmp_path):
    folder = folder_of(tmp_path, labels())
    coloured = Image.fromarray(labels()).convert("P")
    coloured.putpalette(np.random.default_rng(1).integers(0, 256, 768).tolist())
    coloured.save(folder / "masks" / "one.png", transparency=0)
    np.testing.assert_array_equal(PartData(folder, part_vocabulary(28))[0].label, labels())


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("palette", [True, False])
def test_few_bits_are_not_stretched(tmp_path, bits, palette):
    label = labels(classes=2**bits)[2:]
    folder = folder_of(tmp_path, label)
    save(folder / "images" / "one.png", picture(height=HEIGHT - 2))
    if palette:
        small = Image.fromarray(label).convert("P")
        small.putpalette([0, 0, 0, 255, 0, 0, *range(42)])
        small.save(folder / "masks" / "one.png", bits=bits)
    elif bits == 1:
        Image.fromarray(label > 0).save(folder / "masks" / "one.png")
    else:
        (folder / "masks" / "one.png").write_bytes(grey_png(label, bits))
    np.testing.assert_array_equal(PartData(folder, part_vocabulary(28))[0].label, label)


def grey_png(label, bits):
    """A greyscale PNG file of 2 or 4 bits a sample, which Pillow does not write."""
    import struct
    import zlib

    per_byte = 8 // bits
    rows = []
    for row in label:
        padded = np.concatenate([row, np.zeros(-len(row) % per_byte, np.uint8)])
        packed = padded.reshape(-1, per_byte) << (bits * np.arange(per_byte)[::-1])
        rows.append(b"\0" + packed.sum(1).astype(np.uint8).tobytes())

    def chunk(kind, body):
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", label.shape[1], label.shape[0], bits, 0, 0, 0, 0)
    body = zlib.compress(b"".join(rows))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, part) for kind, part in ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    )


def test_sixteen_bits_are_read_as_long_as_they_are_classes(tmp_path):
    folder = folder_of(tmp_path, labels().astype(np.uint16))
    np.testing.assert_array_equal(PartData(folder, part_vocabulary(28))[0].label, labels())
    assert "holds the number 300" in refused(
        folder_of(tmp_path, np.full((HEIGHT, WIDTH), 300, np.uint16))
    )


def test_unknown_classes_are_told(tmp_path):
    label = labels()
    label[5, :3] = 28, 77, 254
    text = refused(folder_of(tmp_path, label))
    assert "one.png: holds the classes 28, 77, 254, which are none of the 28 (0 to 27" in text
    assert "none of the 20" in refused(folder_of(tmp_path, labels()), classes=20)


def test_colours_are_no_classes(tmp_path):
    assert "in colours" in refused(folder_of(tmp_path, picture()))


def test_another_size_is_told(tmp_path):
    assert "is 30 x 40 pixels, its picture one.png 40 x 30" in refused(
        folder_of(tmp_path, labels().T.copy())
    )


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_broken_masks_are_told(tmp_path, content):
    folder = folder_of(tmp_path, labels())
    mask = folder / "masks" / "one.png"
    mask.write_bytes(mask.read_bytes()[:-60] if content is None else content)
    assert "one.png: this mask cannot be used" in refused(folder)


def test_a_jpeg_of_classes_is_told(tmp_path):
    folder = folder_of(tmp_path, labels())
    Image.fromarray(labels()).save(folder / "masks" / "one.png", "JPEG")
    assert "is no PNG file" in refused(folder)


def test_folders_that_lack_something_are_told(tmp_path):
    assert "there is no such folder" in refused(tmp_path / "nowhere")
    folder = folder_of(tmp_path, labels(), names=("one", "two", "three"))
    (folder / "masks" / "one.png").unlink()
    (folder / "masks" / "two.png").unlink()
    assert "masks: there is no one.png for the picture of this name (and 1 more)" in refused(folder)
    save(folder / "images" / "three.jpg", picture())
    assert "are of one name" in refused(folder)
    for file in (folder / "images").iterdir():
        file.unlink()
    assert "there are no pictures" in refused(folder)


def test_what_is_no_picture_of_the_set_is_left_out(tmp_path):
    folder = folder_of(tmp_path, labels())
    (folder / "images" / "notes.txt").write_text("")
    (folder / "images" / ".hidden.png").write_bytes(b"")
    save(folder / "masks" / "spare.png", labels())
    assert len(PartData(folder, part_vocabulary(28))) == 1


def test_folders_within_are_part_of_names(tmp_path):
    parts = PartData(folder_of(tmp_path, labels(), names=("b/1", "a/1")), part_vocabulary(28))
    assert [parts[at].name for at in range(len(parts))] == ["a/1", "b/1"]


def test_the_digest_is_of_names_and_sizes(tmp_path):
    vocabulary = part_vocabulary(28)
    first = PartData(folder_of(tmp_path / "a", labels()), vocabulary).digest
    assert PartData(folder_of(tmp_path / "b", labels()), vocabulary).digest == first
    assert PartData(folder_of(tmp_path / "c", labels() * 0), vocabulary).digest != first
    other = PartData(folder_of(tmp_path / "d", labels(), names=("two",)), vocabulary)
    assert other.digest != first
    copy = pickle.loads(pickle.dumps(other))
    np.testing.assert_array_equal(copy[0].label, other[0].label)
