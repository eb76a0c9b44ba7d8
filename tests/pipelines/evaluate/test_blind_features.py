"""Features of pictures without keypoints: a SapiensID gives all of them the same."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from model import SapiensID
from model.features.extract import Features
from model.features.feature_file import schema, to_table, with_info
from model.features.samples import Sample
from model.sapiensid.sapiensid import PRESETS
from pipelines.evaluate.models.features import read
from pipelines.evaluate.run import BLIND, with_blind
from pipelines.evaluate.tasks.figure import TaskResult
from tests.command_line import one_sentence, run
from tests.written_shards import write_shard
from webbody.errors import WebbodyError

SIZE, DIM = 384, 8


@pytest.fixture
def feature_file(tmp_path):
    """Writes a feature file with rows of a number of visible keypoints."""

    def write(visible, whole=(), info=()):
        rng = np.random.default_rng(0)
        samples = [Sample("here", f"k{n}", whole=n in whole) for n in range(len(visible))]
        block = Features(
            samples,
            rng.normal(size=(len(visible), DIM)).astype(np.float32),
            np.array(visible, np.int32),
        )
        about = {"checkpoint": "c", "sha256": "12", "flip": False, **dict(info)}
        columns = with_info(schema(DIM, "float32"), about)
        path = tmp_path / "f.parquet"
        pq.write_table(to_table(block, columns, "float32"), path)
        return path

    return write


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_there_is_no_cosine_without_keypoints(feature_file, options):
    path = feature_file([0, 0, 19])
    for a, b, blind in (("k0", "k1", 2), ("k0", "k2", 1), ("k2", "k0", 1), ("k0", "k0", 1)):
        code, out, error = run("compare", f"{path}:{a}", f"{path}:{b}", *options)
        assert code == 2 and out == ""
        assert one_sentence(error) and "no keypoint is visible" in error
        assert error.count(".parquet:") == blind


def test_few_keypoints_and_whole_pictures_are_warned_of(feature_file):
    path = feature_file([1, 2, 3, 19], whole={3})
    code, out, error = run("compare", f"{path}:k0", f"{path}:k1")
    assert code == 0 and "cosine" in out
    assert "only 1 of 19 keypoints" in error and "only 2 of 19 keypoints" in error
    code, out, error = run("compare", f"{path}:k2", f"{path}:k3", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["warnings"] == [f"no person was found in {path}:k3: the whole picture was taken"]
    assert found["a"]["person_found"] and not found["b"]["person_found"]
    assert run("compare", f"{path}:k2", f"{path}:k2")[2] == ""


def sample(key, keypoints):
    from io import BytesIO

    from PIL import Image

    rng = np.random.default_rng(len(key) + keypoints)
    file = BytesIO()
    pixels = rng.integers(0, 255, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).resize((SIZE, SIZE)).save(file, "JPEG")
    points = np.zeros((19, 3))
    points[:keypoints] = (*rng.uniform(100, 280, 2), 1)
    text = json.dumps({"keypoints": points.tolist()})
    return {f"{key}.jpg": file.getvalue(), f"{key}.json": text.encode()}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    SapiensID(**PRESETS["tiny"]).save_pretrained(folder)
    return folder


def test_embed_counts_and_marks_them(checkpoint, tmp_path):
    out = tmp_path / "f.parquet"
    shard = write_shard(tmp_path / "a.tar", sample("a", 0), sample("bb", 5), sample("ccc", 0))
    code, text, _ = run("embed", shard, "-k", checkpoint, "-o", out)
    assert code == 0
    assert "3 features" in text and "2 features are of pictures without any visible" in text
    assert pq.read_table(out)["visible"].to_pylist() == [0, 5, 0]

    code, _, error = run("compare", f"{out}:a", f"{out}:ccc")
    assert code == 2 and "no keypoint is visible" in error


def test_embedding_nothing_that_differs_is_no_success(checkpoint, tmp_path):
    out = tmp_path / "f.parquet"
    shard = write_shard(tmp_path / "a.tar", sample("a", 0), sample("bb", 0))
    for _ in range(2):  # the second time everything is there already
        code, text, error = run("embed", shard, "-k", checkpoint, "-o", out)
        assert code == 3 and text == ""
        assert one_sentence(error) and "none of the 2 pictures shows a keypoint" in error
    rows = pq.read_table(out)["feature"].to_pylist()
    assert rows[0] == rows[1]  # this is why


def test_an_evaluation_counts_them(feature_file):
    keys = ["k0", "k1", "k2"]
    image_features = read(str(feature_file([0, 4, 0])), keys, "lfw")
    assert image_features.blind == 2 and len(image_features.features_MF) == 3
    figure = with_blind(TaskResult("general", {"top1": 1.0}, {"queries": 3}), image_features)
    assert figure.counts == {"queries": 3, BLIND: 2}
    assert read(str(feature_file([0, 4, 0])), ["k1"], "lfw").blind == 0
    with pytest.raises(WebbodyError, match="no keypoint is visible in any of 3 images"):
        read(str(feature_file([0, 0, 0])), keys, "lfw")


def test_a_model_that_uses_no_keypoints_is_not_told_of_them(feature_file):
    path = feature_file([0, 0], info={"without keypoints": True})
    assert read(str(path), ["k0", "k1"], "lfw").blind == 0
