"""`webbody sapiens predict` with small random models on drawn people."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from model.sapiens.data import read_keypoint_file
from model.sapiens.prediction import Predictor
from model.sapiens.published import to_published
from model.sapiens.saved import load, save
from model.sapiens.sizes import SIZES
from model.sapiens.task_model import SapiensModel
from model.sapiens.vocabulary import keypoint_vocabulary
from tests.command_line import one_sentence, run
from webbody.demo.drawing.identity import Identity
from webbody.demo.drawing.scene import photo

OUTPUTS = {"pose": 17, "segmentation": 28, "depth": 1, "normal": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photos of three sizes, one in a subfolder, broken files, and a model of each task."""
    root = tmp_path_factory.mktemp("sapiens")
    (root / "photos/deep").mkdir(parents=True)
    for number, size in enumerate([(320, 240), (150, 260), (200, 200)]):
        taken = photo(
            np.random.default_rng(number), [Identity.sample(number)], size, heads=(0.2, 0.3),
            occluders=0, frontal=1,
        )  # fmt: skip
        place = root / "photos" / ("deep/a.png" if number == 1 else f"{number}.png")
        Image.fromarray(taken.image[..., ::-1].copy()).save(place)
    (root / "broken").mkdir()
    (root / "broken/cut.jpg").write_bytes(b"\xff\xd8\xff")
    (root / "broken/page.png").write_text("<html>")
    torch.manual_seed(0)
    for task, outputs in OUTPUTS.items():
        model = SapiensModel(task, SIZES["mini"], (64, 48), outputs, channels=8)
        torch.nn.init.normal_(model.head.final.weight, std=0.5)
        save(model, root / task)
        state = {"state_dict": to_published(model.state_dict()), "meta": {"epoch": 1}}
        torch.save(state, root / f"{task}.pth")
    return root


def predict(folder, task, *arguments):
    return run("sapiens", "predict", "--device", "cpu", "--model", folder / task, *arguments)


def results(out):
    return {str(p.relative_to(out).with_suffix("")): np.load(p) for p in out.rglob("*.npz")}


def pixels(path):
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


NAMES = ["0.png", "2.png", "deep/a.png"]


@pytest.mark.parametrize("task", OUTPUTS)
def test_results_are_those_of_the_predictor(folder, tmp_path, task):
    code, out, error = predict(folder, task, folder / "photos", "--out", tmp_path / "o", "--flip")
    assert code == 0
    assert "3 pictures" in out and f"{task}" in error and "patch padding" in error
    found = results(tmp_path / "o")
    assert sorted(found) == NAMES
    predictor = Predictor(load(folder / task), flip=True)
    method, key = {
        "pose": (predictor.poses, "keypoints"), "segmentation": (predictor.parts, "labels"),
        "depth": (predictor.depths, "depth"), "normal": (predictor.normals, "normals"),
    }[task]  # fmt: skip
    for name in NAMES:
        image = pixels(folder / "photos" / name)
        (expected,) = method([image])
        assert pixels(tmp_path / "o" / f"{name}.png").shape[0] >= image.shape[0]
        if task == "segmentation":
            assert (found[name][key] != expected).mean() < 0.01
            assert found[name]["names"][1] == "Apparel"
        else:
            # Random heatmaps have many peaks of almost one height.
            ours, theirs = found[name][key], expected
            if task == "pose":
                ours, theirs = ours[..., 2], theirs[..., 2]
            np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_keypoints_are_a_coco_file_that_our_reader_takes(folder, tmp_path):
    assert predict(folder, "pose", folder / "photos", "--out", tmp_path)[0] == 0
    file = read_keypoint_file(tmp_path / "keypoints.json", keypoint_vocabulary(17))
    assert sorted(picture.path for picture in file.pictures.values()) == NAMES
    arrays = results(tmp_path)
    for person in file.people:
        stored = arrays[file.pictures[person.pose.image].path]
        places, scores = stored["keypoints"][0, :, :2], stored["keypoints"][0, :, 2]
        seen = person.pose.keypoints[:, 2] > 0
        np.testing.assert_array_equal(seen, scores >= 0.3)
        np.testing.assert_allclose(person.pose.keypoints[seen, :2], places[seen], atol=1e-3)
        # Without boxes the whole picture is one.
        picture = file.pictures[person.pose.image]
        np.testing.assert_allclose(person.pose.box, [0, 0, picture.width, picture.height])


def boxes_file(path, **changes):
    content = {
        "images": [{"id": 5, "file_name": "0.png"}, {"id": 6, "file_name": "else/where/a.png"},
                   {"id": 7, "file_name": "2.png"}],
        "annotations": [
            {"image_id": 5, "bbox": [20, 30, 100, 150], "score": 0.5},
            {"image_id": 5, "bbox": [120, 30, 5000, 150]},
            {"image_id": 6, "bbox": [10, 10, 60, 90]},
            {"image_id": 6, "bbox": [1000, 10, 60, 90]},
        ],
    }  # fmt: skip
    path.write_text(json.dumps(content | changes))
    return path


def test_boxes_of_a_file(folder, tmp_path):
    file = boxes_file(tmp_path / "b.json")
    code, out, _ = predict(
        folder, "pose", folder / "photos", "--boxes", file, "--out", tmp_path / "o", "--batch", 2
    )
    assert code == 0 and "3 persons" in out
    found = results(tmp_path / "o")
    np.testing.assert_allclose(
        found["0.png"]["boxes"], [[20, 30, 120, 180], [120, 30, 320, 180]], atol=1e-4
    )
    assert found["0.png"]["box_scores"].tolist() == [0.5, 1]
    assert len(found["deep/a.png"]["boxes"]) == 1  # the other lies outside
    assert found["2.png"]["keypoints"].shape == (0, 17, 3)
    # Parts of people in crops; a picture without anybody is background.
    code, _, _ = predict(
        folder, "segmentation", folder / "photos", "--boxes", file, "--out", tmp_path / "p"
    )
    assert code == 0
    labels = results(tmp_path / "p")
    assert (labels["2.png"]["labels"] == 0).all() and labels["2.png"]["labels"].shape == (200, 200)
    assert len(np.unique(labels["0.png"]["labels"])) > 2


def test_people_are_found_by_a_detector(folder, tmp_path):
    code, out, error = predict(folder, "pose", folder / "photos", "--demo", "--out", tmp_path / "o")
    assert code == 0, error
    found = results(tmp_path / "o")
    whole = [
        bool((a["boxes"][0] == [0, 0, *pixels(folder / "photos" / n).shape[1::-1]]).all())
        for n, a in found.items()
    ]
    assert not all(whole)
    told = f"nobody was found in {sum(whole)}"
    assert (told in out) == any(whole)


def test_a_foreground_leaves_the_background_out(folder, tmp_path):
    options = ("--foreground", folder / "segmentation", "--out", tmp_path)
    assert predict(folder, "depth", folder / "photos", *options)[0] == 0
    parts = Predictor(load(folder / "segmentation"))
    for name, arrays in results(tmp_path).items():
        (label,) = parts.parts([pixels(folder / "photos" / name)])
        assert ((label > 0) != arrays["mask"]).mean() < 0.01
        np.testing.assert_array_equal(np.isfinite(arrays["depth"]), arrays["mask"])


def test_published_files_say_what_was_assumed(folder, tmp_path):
    for task in OUTPUTS:
        target = tmp_path / task
        code, _, error = run(
            "sapiens", "predict", folder / "photos/0.png", "--model", folder / f"{task}.pth",
            "--out", target, "--device", "cpu",
        )  # fmt: skip
        assert code == 0, error
        padding = 0 if task in ("segmentation", "depth") else 2
        assert f"patch padding {padding} (assumed, as the authors'" in error and "64 x 48" in error
        key = {"pose": "keypoints", "segmentation": "labels", "normal": "normals"}.get(task, task)
        own = tmp_path / f"own-{task}"
        assert predict(folder, task, folder / "photos/0.png", "--out", own)[0] == 0
        np.testing.assert_array_equal(results(own)["0.png"][key], results(target)["0.png"][key])
    code, _, error = run(
        "sapiens", "predict", folder / "photos/0.png", "--model", folder / "depth.pth", "--out",
        tmp_path / "two", "--patch-padding", 2, "--device", "cpu",
    )  # fmt: skip
    assert code == 0 and "patch padding 2 (as --patch-padding says)" in error
    other, assumed = (results(tmp_path / name)["0.png"]["depth"] for name in ("two", "depth"))
    assert not np.allclose(other, assumed)


def test_files_of_weights_say_whether_they_tell_what_they_are(folder, tmp_path):
    shutil.copy(folder / "depth/model.safetensors", tmp_path / "own.safetensors")
    state = to_published(load(folder / "depth").state_dict())
    save_file(
        {key: value.contiguous() for key, value in state.items()}, tmp_path / "hub.safetensors"
    )
    for name, words in (("own", "as stored"), ("hub", "assumed")):
        code, _, error = run(
            "sapiens", "predict", folder / "photos/0.png", "--model",
            tmp_path / f"{name}.safetensors", "--out", tmp_path / name, "--device", "cpu",
        )  # fmt: skip
        assert code == 0 and words in error


def test_pictures_that_cannot_be_read_are_told_and_left_out(folder, tmp_path):
    code, out, error = predict(
        folder, "depth", folder / "broken", folder / "photos", "--out", tmp_path / "o"
    )
    assert code == 1
    assert "3 pictures" in out and "2 pictures could not be read" in error
    assert "cut.jpg" in error and "page.png" in error and "Traceback" not in error
    assert sorted(results(tmp_path / "o")) == NAMES
    code, _, error = predict(folder, "pose", folder / "broken", "--out", tmp_path / "none")
    assert code == 3 and "nothing was predicted" in error
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("size", ["96x64", "32X32"])
def test_other_sizes_and_precisions(folder, tmp_path, size):
    options = ("--size", size, "--dtype", "bfloat16", "--fit", "letterbox", "--out", tmp_path)
    assert predict(folder, "normal", folder / "photos/0.png", *options)[0] == 0
    assert results(tmp_path)["0.png"]["normals"].shape == (240, 320, 3)


@pytest.mark.parametrize("task", OUTPUTS)
def test_tiny_and_long_pictures(folder, tmp_path, task):
    for name, (width, height) in {"dot": (1, 1), "row": (900, 1), "column": (2, 700)}.items():
        Image.new("RGB", (width, height), (200, 30, 90)).save(tmp_path / f"{name}.png")
    for fit in ("squeeze", "letterbox"):
        out = tmp_path / f"out-{fit}"
        sources = [tmp_path / f"{name}.png" for name in ("dot", "row", "column")]
        code, _, error = predict(folder, task, *sources, "--out", out, "--fit", fit)
        assert code == 0, error
        found = results(out)
        assert len(found) == 3
        if task == "segmentation":
            assert found["row.png"]["labels"].shape == (1, 900)


def test_errors_are_told_before_anything_is_written(folder, tmp_path):
    photos, out = folder / "photos", tmp_path / "o"
    (tmp_path / "empty").mkdir()
    (tmp_path / "twin").mkdir()
    (tmp_path / "twin/0.png").write_bytes((photos / "0.png").read_bytes())
    lists = boxes_file(tmp_path / "lists.json", images=[{"id": 5, "file_name": "0.png"}],
                       annotations=[])  # fmt: skip
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([{"image_id": 1, "bbox": [1, 2, 3, 4]}]))
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    cases = [
        ("pose", (tmp_path / "none.png",), "no such file"),
        ("pose", (tmp_path / "empty",), "no pictures"),
        ("pose", (folder / "pose.pth",), "neither a picture"),
        ("pose", (photos, tmp_path / "twin"), "results of one name"),
        ("none", (photos,), "no such model"),
        ("photos", (photos,), "model.json"),
        ("pose", (photos, "--task", "depth"), "for pose, not for depth"),
        ("pose", (photos, "--task", "poses"), "no Sapiens task"),
        ("pose", (photos, "--boxes", tmp_path / "no.json"), "no.json"),
        ("pose", (photos, "--boxes", broken), "no JSON"),
        ("pose", (photos, "--boxes", rows), "lists no pictures"),
        ("pose", (photos, "--boxes", lists), "does not list"),
        ("pose", (photos, "--boxes", lists, "--demo"), "not both"),
        ("depth", (photos, "--boxes", lists), "takes whole pictures"),
        ("pose", (photos, "--foreground", folder / "segmentation"), "for depth and normal"),
        ("depth", (photos, "--foreground", folder / "pose"), "not for segmentation"),
        ("pose", (photos, "--size", "100x100"), "multiples of 16"),
        ("pose", (photos, "--size", "64"), "multiples of 16"),
        ("pose", (photos, "--fit", "crop"), "letterbox"),
        ("pose", (photos, "--dtype", "int8"), "bfloat16"),
        ("pose", (photos, "--device", "tpu"), "cuda"),
        ("pose", (photos, "--detector", "nothing.pt"), "nothing.pt"),
    ]
    for model, arguments, words in cases:
        code, _, error = predict(folder, model, *arguments, "--out", out)
        assert code == 2, (arguments, error)
        assert one_sentence(error.splitlines()[-1]), error
        assert words in error, (arguments, error)
    assert not out.exists()
    code, _, error = predict(folder, "pose", photos, "--out", photos / "o")
    assert code == 2 and "choose another folder" in error
    code, _, error = run("sapiens", "predict", photos)
    assert code == 2 and "--model" in error
    (tmp_path / "file").write_text("")
    code, _, error = predict(folder, "depth", photos, "--out", tmp_path / "file/o")
    assert code == 2 and "cannot be written" in error


def test_it_needs_no_library_of_builds(folder, tmp_path):
    libraries = ("ray", "ultralytics", "insightface", "rtmlib", "onnxruntime", "cv2", "duckdb")
    code = (
        f"import sys\nfor name in {libraries!r}: sys.modules[name] = None\n"
        "from webbody.cli import main\nmain()"
    )
    command = [
        sys.executable, "-c", code, "sapiens", "predict", folder / "photos", "--model",
        folder / "pose", "--out", tmp_path / "o", "--device", "cpu",
    ]  # fmt: skip
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "o/keypoints.json").is_file()
