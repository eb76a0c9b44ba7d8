"""`webbody evaluate` with models of ONNX and timm: figures, what is kept, and what is told."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import timm
import torch
from evaluated_trees import MARKET
from PIL import Image
from tiny_onnx import write_region_means

from pipelines.evaluate.models.embedder import open_embedder
from pipelines.evaluate.models.network import Network, feature_dim
from tests import command_line
from tests.command_line import one_sentence
from webbody.errors import WebbodyError

#: What everybody wears, whatever the camera.
WEARS = {1: (210, 40, 50), 2: (30, 160, 60), 3: (60, 70, 220), 9: (30, 30, 30), 0: (128, 128, 40)}
#: Libraries that finding people needs, and these models do not.
BUILD_LIBRARIES = ("ray", "ultralytics", "insightface", "rtmlib", "img2dataset", "cv2")

run = partial(command_line.run, "evaluate")


def wears(image: str) -> tuple[int, int, int]:
    return WEARS[int(Path(image).name.split("_")[0])]


@pytest.fixture
def market(tmp_path):
    """A tiny Market-1501 of JPEGs, each of one colour; one of them is cut off."""
    for folder, names in MARKET.items():
        for number, name in enumerate(names):
            path = tmp_path / "market" / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            size = (40 + 3 * number, 90 - number)
            Image.new("RGB", size, wears(name)).save(path, quality=95)
    broken = tmp_path / "market/bounding_box_test/0003_c2s1_1_00.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    return f"market1501={tmp_path / 'market'}"


def kept(out: Path) -> dict[str, list[float] | None]:
    """The features of the one file that is kept, by image."""
    (file,) = (out / "features").glob("*.parquet")
    return {row["key"]: row["feature"] for row in pq.read_table(file).to_pylist()}


def test_figures_without_any_library_of_a_build(market, tmp_path):
    file, out = write_region_means(tmp_path / "m.onnx", (24, 12), (2, 1)), tmp_path / "out"
    code = f"import sys\nfor name in {BUILD_LIBRARIES!r}: sys.modules[name] = None\n"
    code += "from webbody.cli import main\nmain()"
    words = ["evaluate", "-d", market, "-k", str(file), "-o", str(out)]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "1 images without a feature" in done.stdout
    (figure,) = json.loads((out / "evaluation.json").read_text())["data_sets"][0]["figures"]
    assert figure["metrics"]["mAP"] == 1 and figure["counts"]["queries"] == 2
    found = kept(out)
    assert found.pop("bounding_box_test/0003_c2s1_1_00.jpg") is None and len(found) == 8
    for image, feature in found.items():
        # Of the image and of the mirrored one; white padding would show.
        expected = 2 * (np.repeat(wears(image), 2) / 127.5 - 1)
        assert feature == pytest.approx(expected, abs=0.05)


def test_other_settings_do_not_take_kept_features(market, tmp_path):
    file, out = write_region_means(tmp_path / "m.onnx", (12, 12), (1, 1)), tmp_path / "out"
    (tmp_path / "bgr.yaml").write_text("onnx: m.onnx\nchannels: bgr\n")
    plain, swapped = (["-d", market, "-o", out, "-k", x] for x in (file, tmp_path / "bgr.yaml"))
    image = "query/0001_c1s1_1_00.jpg"
    assert run(*plain)[0] == 0
    first = kept(out)[image]
    assert run(*swapped)[0] == 0
    assert kept(out)[image] == pytest.approx(first[::-1], abs=1e-6) and first[0] != first[2]
    (path,) = (out / "features").glob("*.parquet")
    made = path.stat().st_mtime_ns
    assert run(*swapped)[0] == 0 and path.stat().st_mtime_ns == made
    assert run(*plain)[0] == 0 and kept(out)[image] == first


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "name one model: `onnx: FILE`, or `timm: NAME`"),
        ("onnx: m.onnx\ntimm: test_vit", "name one model"),
        ("onnx: m.onnx\nweights: m.onnx", "name one model"),
        ("onnx: none.onnx", "there is no such file"),
        ("onnx: m.yaml", "is no model that onnxruntime reads"),
        ("onnx: m.onnx\nsise: [8, 8]", "sise: there is no such setting"),
        ("onnx: m.onnx\nmean: [0, 1]", "mean.2: Field required"),
        ("onnx: m.onnx\nstd: [0, 1, 1]", "std.0: Input should be greater than 0"),
        ("onnx: m.onnx\nfit: crop", "fit: Input should be 'pad' or 'stretch'"),
        ("onnx: m.onnx\nsize: [16, 16]", "takes images of 16 x 8, not of 16 x 16"),
        ("onnx: m.onnx\nfit: pad", "padding makes squares, and the model takes 16 x 8"),
        ("onnx: open.onnx", "leaves the size of its images open; give it in a YAML file"),
        ("timm: nonesuch", "has no such model"),
        ("timm: test_resnet\nweights: m.onnx", "has no weights of test_resnet"),
        ("timm: test_resnet\nweights: vit.pth", "it lacks 75 tensors, the first is conv1.0.weight"),
        ("timm: test_vit\nweights: vit.pth", "size mismatch for pos_embed"),
        ("timm: test_vit\nsize: [130, 64]\nweights: vit.pth", "it takes no images of 130 x 64"),
        ("timm: test_vit\nsize: [128, 64]\nweights: more.pth", "it has besides 1 tensors"),
    ],
)
def test_what_is_wrong_with_a_model_is_told(tmp_path, text, sentence):
    write_region_means(tmp_path / "m.onnx", (16, 8), (1, 1))
    write_region_means(tmp_path / "open.onnx", ("h", "w"), (1, 1), cell=(8, 8))
    state = timm.create_model("test_vit", img_size=(128, 64)).state_dict()
    torch.save(state, tmp_path / "vit.pth")
    torch.save({**state, "neck.weight": torch.zeros(1)}, tmp_path / "more.pth")
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(WebbodyError) as caught:
        open_embedder(str(tmp_path / "m.yaml"))
    told = str(caught.value)
    assert sentence in told and len(told.splitlines()) == 1 and told.endswith(".")


def test_a_model_that_gives_no_features_is_told():
    network = Network(torch.nn.Identity(), "", {}, (4, 8))
    with pytest.raises(WebbodyError, match=r"^m: of two images it makes \[2, 3, 4, 8\], and not a"):
        feature_dim(network, "m")


def test_weights_that_cannot_be_fetched_are_told(monkeypatch, market, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    words = ["-d", market, "-o", tmp_path / "out"]
    code, _, error = run(*words, "-k", "timm:resnet10t")
    assert code == 2 and one_sentence(error)
    assert "timm:resnet10t: cannot be had (" in error and "timm:resnet10t@FILE" in error


def test_the_digest_is_of_the_tensors_whatever_file_holds_them(tmp_path):
    torch.manual_seed(0)
    state = timm.create_model("test_resnet").state_dict()
    safetensors.torch.save_file(state, tmp_path / "a.safetensors")
    torch.save(
        {"state_dict": {f"module.{name}": x for name, x in state.items()}}, tmp_path / "b.pth"
    )
    state["conv1.0.weight"] = state["conv1.0.weight"] + 1e-3
    torch.save(state, tmp_path / "c.pth")
    files = ("a.safetensors", "b.pth", "c.pth")
    one, same, other = (
        open_embedder(f"timm:test_resnet@{tmp_path / file}").sha256 for file in files
    )
    assert one == same != other
