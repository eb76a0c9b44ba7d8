"""Depth and normals from .npz and OpenEXR files, and everything that can be wrong with them."""

import io
import pickle
import zipfile

import numpy as np
import OpenEXR
import pytest

from model.sapiens.data import DepthData, NormalData
from tests.model.sapiens.data.labelled_folders import (
    HEIGHT,
    WIDTH,
    depth_map,
    normal_map,
    person_mask,
    picture,
    save,
    surface_folder,
)  # fmt: skip
from webbody.errors import WebbodyError

INSIDE = person_mask() > 0
READERS = {"depth": (DepthData, depth_map), "normals": (NormalData, normal_map)}
KINDS = list(READERS)


def write_exr(path, channels):
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(path))


def refused(folder, kind):
    with pytest.raises(WebbodyError) as caught:
        READERS[kind][0](folder)[0]
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_depth_is_read_where_the_person_is(tmp_path):
    sample = DepthData(surface_folder(tmp_path, "depth", depth_map()))[0]
    np.testing.assert_array_equal(sample.image, picture())
    np.testing.assert_array_equal(sample.mask, INSIDE)
    np.testing.assert_array_equal(sample.depth, np.where(INSIDE, depth_map(), 0))
    assert sample.depth.dtype == np.float32


def test_normals_are_read_where_the_person_is_and_made_unit(tmp_path):
    sample = NormalData(surface_folder(tmp_path, "normals", normal_map() * 1.01))[0]
    np.testing.assert_allclose(sample.normals[INSIDE], normal_map()[INSIDE], rtol=1e-6)
    assert (sample.normals[~INSIDE] == 0).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.uint16])
def test_numbers_of_any_real_type_are_read(tmp_path, dtype):
    folder = surface_folder(tmp_path, "depth", (depth_map() * 100).astype(dtype))
    expected = (depth_map() * 100).astype(dtype)[INSIDE]
    np.testing.assert_allclose(DepthData(folder)[0].depth[INSIDE], expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_openexr_files_are_read(tmp_path, dtype):
    folder = surface_folder(tmp_path, "depth", depth_map())
    (folder / "depth" / "one.npz").unlink()
    write_exr(folder / "depth" / "one.exr", {"Z": depth_map().astype(dtype)})
    depth = DepthData(folder)[0].depth
    np.testing.assert_array_equal(depth[INSIDE], depth_map().astype(dtype)[INSIDE])


@pytest.mark.parametrize("names", ["RGB", "XYZ"])
def test_openexr_normals_have_three_channels(tmp_path, names):
    folder = surface_folder(tmp_path, "normals", normal_map())
    (folder / "normals" / "one.npz").unlink()
    layers = {name: normal_map()[..., at].copy() for at, name in enumerate(names)}
    write_exr(folder / "normals" / "one.exr", layers)
    np.testing.assert_allclose(NormalData(folder)[0].normals[INSIDE], normal_map()[INSIDE])
    layers.pop(names[0])
    write_exr(folder / "normals" / "one.exr", layers)
    assert "has the channels" in refused(folder, "normals")


def test_an_openexr_file_of_another_size_or_broken_is_told(tmp_path):
    folder = surface_folder(tmp_path, "depth", depth_map())
    (folder / "depth" / "one.npz").unlink()
    path = folder / "depth" / "one.exr"
    write_exr(path, {"Z": depth_map().T.copy()})
    assert "holds an array of 40 x 30, its picture needs 30 x 40" in refused(folder, "depth")
    write_exr(path, {"Z": np.random.default_rng(0).random((HEIGHT, WIDTH), np.float32)})
    whole = path.read_bytes()
    for content in (b"", b"no picture", whole[:200], whole[:-2000]):
        path.write_bytes(content)
        assert "is broken or no OpenEXR file" in refused(folder, "depth")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_finite_is_told_where_the_person_is(tmp_path, kind):
    values = READERS[kind][1]()
    values[~INSIDE] = np.nan
    folder = surface_folder(tmp_path, kind, values)
    assert len(READERS[kind][0](folder)) == 1
    assert np.isfinite(getattr(READERS[kind][0](folder)[0], kind)).all()
    values[10, 12:15] = np.nan
    values[10, 20] = np.inf
    text = refused(surface_folder(tmp_path, kind, values), kind)
    assert "one.npz: is NaN or infinite at 4 pixels of the person" in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_without_a_person_is_told(tmp_path, kind):
    folder = surface_folder(tmp_path, kind, READERS[kind][1](), mask=person_mask() * 0)
    assert "marks no pixel as a person" in refused(folder, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH + 1), (HEIGHT, WIDTH, 2), (HEIGHT,), ()])
def test_wrong_shapes_are_told(tmp_path, kind, shape):
    assert "holds an array of" in refused(surface_folder(tmp_path, kind, np.zeros(shape)), kind)


def test_maps_of_one_kind_are_not_taken_for_the_other(tmp_path):
    assert "needs 30 x 40." in refused(surface_folder(tmp_path, "depth", normal_map()), "depth")
    folder = surface_folder(tmp_path, "normals", depth_map())
    assert "needs 30 x 40 x 3." in refused(folder, "normals")


def test_the_array_may_have_its_name_among_others(tmp_path):
    folder = surface_folder(tmp_path, "depth", depth_map())
    path = folder / "depth" / "one.npz"
    np.savez_compressed(path, depth=depth_map(), camera=np.eye(3))
    assert DepthData(folder)[0].depth.any()
    np.savez(path, camera=np.eye(3), other=depth_map())
    assert "(there are: camera, other)" in refused(folder, "depth")


def test_broken_npz_files_are_told(tmp_path):
    folder = surface_folder(tmp_path, "depth", depth_map())
    path = folder / "depth" / "one.npz"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    for content in (b"", b"no file", whole[:100], whole[:-30], bytes(flipped)):
        path.write_bytes(content)
        assert "one.npz: is broken or no .npz file" in refused(folder, "depth")


HEADERS = [b"{'descr': ", b"{'descr': '<f8', (", b"1 +", b"\xff\xfe", b"{}", b"'" * 9, b"{1: 2}"]


@pytest.mark.parametrize("header", HEADERS)
def test_headers_that_are_no_headers_are_told(tmp_path, header):
    folder = surface_folder(tmp_path, "depth", depth_map())
    length = len(header).to_bytes(2, "little")
    with zipfile.ZipFile(folder / "depth" / "one.npz", "w") as archive:
        archive.writestr("arr_0.npy", b"\x93NUMPY\x01\x00" + length + header)
    assert "one.npz: is broken or no .npz file" in refused(folder, "depth")


def test_objects_are_never_unpickled(tmp_path):
    folder = surface_folder(tmp_path, "depth", depth_map())
    values = np.full((HEIGHT, WIDTH), None, object)
    np.savez(folder / "depth" / "one.npz", values)
    assert "holds values of type object" in refused(folder, "depth")


def test_a_huge_array_is_refused_before_it_is_made(tmp_path):
    folder = surface_folder(tmp_path, "depth", depth_map())
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"shape": (10**6, 10**6), "fortran_order": False, "descr": "<f8"}
    )
    with zipfile.ZipFile(folder / "depth" / "one.npz", "w") as archive:
        archive.writestr("arr_0.npy", header.getvalue())
    assert "holds an array of 1000000 x 1000000" in refused(folder, "depth")


@pytest.mark.parametrize("values", [normal_map() / 2 + 0.5, normal_map() * 0, normal_map() * 127])
def test_normals_that_are_no_unit_vectors_are_told(tmp_path, values):
    text = refused(surface_folder(tmp_path, "normals", values), "normals")
    assert "does not hold vectors of length 1" in text


@pytest.mark.parametrize("kind", KINDS)
def test_masks_of_another_size_are_told(tmp_path, kind):
    folder = surface_folder(tmp_path, kind, READERS[kind][1]())
    save(folder / "masks" / "one.png", person_mask().T.copy())
    assert "its picture one.png 40 x 30" in refused(folder, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_workers_get_the_same_pictures(tmp_path, kind):
    data = READERS[kind][0](surface_folder(tmp_path, kind, READERS[kind][1]()))
    copy = pickle.loads(pickle.dumps(data))
    assert copy.digest == data.digest
    np.testing.assert_array_equal(getattr(copy[0], kind), getattr(data[0], kind))
