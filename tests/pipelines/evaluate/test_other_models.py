"""Models of ONNX and timm in the place of a SapiensID."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from onnx import TensorProto
from PIL import Image
from timm.data import create_transform, resolve_model_data_config
from tiny_onnx import write_region_means

from model.features.extract import Extractor
from model.features.samples import Sample
from pipelines.detection.subject import whole_pictures
from pipelines.evaluate.models.embedder import open_embedder

LEFT, RIGHT = (200, 100, 40), (10, 60, 250)


def picture(height: int, width: int) -> np.ndarray:
    """A left half of one colour, a right half of another."""
    out = np.empty((height, width, 3), np.uint8)
    out[:, : width // 2], out[:, width // 2 :] = LEFT, RIGHT
    return out


def features(name: object, pictures: list[np.ndarray], flip: bool = False) -> np.ndarray:
    """What the model that a user names makes of pictures of people."""
    embedder = open_embedder(str(name))
    assert not embedder.keypoints
    subjects = whole_pictures(embedder.model.image_size)()(pictures)
    samples = [Sample("test", "any", subject.image, subject.keypoints) for subject in subjects]
    extract = Extractor(embedder.model, batch=len(samples), flip=flip)
    return np.concatenate([block.features_BF for block in extract(samples)])


def spec(folder: Path, text: str, name: str = "model.yaml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_onnx_takes_a_padded_picture(tmp_path):
    file = write_region_means(tmp_path / "m.onnx", (32, 32), (1, 4))
    # Half as wide as high: the middle columns show it, the outer ones are white.
    (found,) = features(file, [picture(32, 16)])
    columns = np.array([(255, 255, 255), LEFT, RIGHT, (255, 255, 255)])
    assert found == pytest.approx((columns.T.ravel() - 127.5) / 127.5, abs=1e-6)
    (both,) = features(file, [picture(32, 16)], flip=True)
    mirrored = found.reshape(3, 4)[:, ::-1].ravel()
    assert both == pytest.approx(found + mirrored, abs=1e-6)


def test_onnx_takes_a_stretched_picture_as_a_file_says(tmp_path):
    write_region_means(tmp_path / "m.onnx", (32, 16), (1, 2))
    pictures = [picture(*sides) for sides in ((32, 16), (60, 20), (20, 60), (32, 32))]
    colours = np.array([LEFT, RIGHT]).T / 255
    plain = features(tmp_path / "m.onnx", pictures)
    expected = (colours.ravel() - 0.5) / 0.5
    assert plain[0] == pytest.approx(expected, abs=1e-6)
    # Resized pixels at the edge have a share of both colours.
    assert plain == pytest.approx(np.tile(expected, (4, 1)), abs=0.08)
    mean, std = [0.1, 0.2, 0.3], [0.5, 0.25, 2.0]
    file = spec(tmp_path, f"onnx: m.onnx\nmean: {mean}\nstd: {std}\nchannels: bgr\n")
    expected = (colours[::-1] - np.array(mean)[:, None]) / np.array(std)[:, None]
    assert features(file, pictures[:1])[0] == pytest.approx(expected.ravel(), abs=1e-5)


def test_a_fixed_batch_and_an_open_size_give_the_same(tmp_path):
    pictures = [picture(64, width) for width in (8, 24, 32, 48, 64)]
    expected = features(write_region_means(tmp_path / "a.onnx", (32, 32), (2, 2)), pictures)
    fixed = write_region_means(tmp_path / "b.onnx", (32, 32), (2, 2), batch=3)
    write_region_means(tmp_path / "c.onnx", ("h", "w"), (2, 2), cell=(16, 16))
    half = write_region_means(tmp_path / "d.onnx", (32, 32), (2, 2), dtype=TensorProto.FLOAT16)
    assert np.array_equal(features(fixed, pictures), expected)
    opened = spec(tmp_path, "onnx: c.onnx\nsize: [32, 32]\n")
    assert np.array_equal(features(opened, pictures), expected)
    assert features(half, pictures) == pytest.approx(expected, abs=2e-3)


def test_tensors_beside_an_onnx_file_are_part_of_its_digest(tmp_path):
    files = []
    for factor in (1.0, 2.0, 2.0):
        folder = tmp_path / str(len(files))
        folder.mkdir()
        how = {"factor": factor, "outside": "tensors.bin"}
        files.append(write_region_means(folder / "m.onnx", (8, 8), (1, 1), **how))
    assert len({file.read_bytes() for file in files}) == 1
    one, other, same = (open_embedder(file).sha256 for file in files)
    assert one != other == same


@pytest.fixture(scope="module")
def resnet(tmp_path_factory):
    """A small random model of timm for 160 x 160 pixels, and its weights with a classifier's."""
    torch.manual_seed(0)
    network = timm.create_model("test_resnet").eval()
    file = tmp_path_factory.mktemp("timm") / "w.safetensors"
    safetensors.torch.save_file(network.state_dict(), file)
    network.reset_classifier(0)
    return network, file


def test_timm_gives_what_it_gives_by_itself(resnet):
    network, file = resnet
    pixels = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
    transform = create_transform(**resolve_model_data_config(network) | {"crop_pct": 1.0})
    with torch.inference_mode():
        expected = network(transform(Image.fromarray(pixels))[None]).numpy()
    found = features(f"timm:test_resnet@{file}", [pixels])
    assert expected.std() > 0.01
    assert found == pytest.approx(expected, abs=1e-5)


def test_timm_takes_another_size(tmp_path):
    torch.manual_seed(0)
    network = timm.create_model("test_vit", img_size=(128, 64)).eval()
    torch.save({"state_dict": network.state_dict()}, tmp_path / "w.pth")
    network.reset_classifier(0)
    file = spec(tmp_path, "timm: test_vit\nweights: w.pth\nsize: [128, 64]\n")
    smooth = Image.fromarray(picture(8, 8)).resize((40, 128), Image.Resampling.BICUBIC)
    config = resolve_model_data_config(network) | {"crop_pct": 1.0, "crop_mode": "squash"}
    transform = create_transform(**config | {"input_size": (3, 128, 64)})
    with torch.inference_mode():
        expected = network(transform(smooth)[None]).numpy()
    found = features(file, [np.asarray(smooth)])
    assert expected.std() > 0.01
    assert np.abs(found - expected).max() < 0.02 * expected.std()
