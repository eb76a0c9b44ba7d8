"""`webbody show` on a drawn photo and on a shard, found with the demo's models."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from model import SapiensID
from model.sapiensid.sapiensid import PRESETS
from tests.command_line import one_sentence, run
from tests.written_shards import write_shard
from webbody.demo.drawing.identity import Identity
from webbody.demo.drawing.scene import photo
from webbody.images import encode_jpeg

ALONE = ["kept.png", "positions.png", "regions.png"]
LEARNED = ["attention.png", "similarity.png"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A photo of a drawn person, a shard with a sample, checkpoints, files that are none."""
    folder = tmp_path_factory.mktemp("show")
    taken = photo(
        np.random.default_rng(5), [Identity.sample(5)], (640, 480), heads=(0.25, 0.3),
        occluders=0, frontal=1,
    )  # fmt: skip
    Image.fromarray(taken.image[..., ::-1].copy()).save(folder / "photo.png")
    square = np.full((384, 384, 3), 180, np.uint8)
    points = np.random.default_rng(0).uniform(40, 340, (19, 3))
    points[:, 2] = np.arange(19) % 3 > 0
    described = json.dumps({"keypoints": points.tolist()}).encode()
    write_shard(folder / "s.tar", {"abc-0.jpg": encode_jpeg(square, 90), "abc-0.json": described})
    torch.manual_seed(0)
    SapiensID(**PRESETS["tiny"]).save_pretrained(folder / "model")
    SapiensID(**PRESETS["tiny"], head="pooled").save_pretrained(folder / "pooled")
    (folder / "text.jpg").write_text("no image")
    return folder


def written(out):
    return sorted(path.name for path in out.iterdir())


def test_without_a_checkpoint_the_learned_pictures_are_left_out(folder, tmp_path):
    code, out, _ = run("show", folder / "photo.png", "--demo", "--out", tmp_path)
    assert code == 0
    assert written(tmp_path) == ALONE
    assert all(str(tmp_path / name) in out for name in ALONE)
    assert "--checkpoint" in out.splitlines()[-1]
    for name in ALONE:
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 700


def test_a_checkpoint_and_a_second_image_draw_all(folder, tmp_path):
    given = ("--key", "abc-0", "--demo", "--checkpoint", folder / "model", "--out", tmp_path)
    code, out, error = run("show", folder / "photo.png", folder / "s.tar", *given)
    assert (code, error) == (0, "")
    assert written(tmp_path) == sorted(ALONE + LEARNED)
    assert "no keypoints" not in out


def test_a_sample_of_a_shard_keeps_its_keypoints(folder, tmp_path):
    given = ("--key", "abc-0", "--checkpoint", folder / "model", "--out", tmp_path)
    assert run("show", folder / "s.tar", *given)[0] == 0
    assert written(tmp_path) == sorted([*ALONE, "attention.png"])
    with Image.open(tmp_path / "attention.png") as picture:
        black = (np.asarray(picture) == 0).all(-1).sum()
    assert black == 7 * 4 * 168 * 168  # slots 0, 3, ... 18 of the sample are missing


def test_without_keypoints_the_whole_image_is_shown(folder, tmp_path):
    # No score is high enough.
    given = ("--demo", "--set", "keypoints.min_score=1", "--set", "faces.min_score=1")
    code, out, _ = run("show", folder / "photo.png", *given, "--out", tmp_path)
    assert code == 0
    assert "no keypoints were found" in out
    assert written(tmp_path) == ALONE


def test_the_number_of_kept_tokens_and_the_seed_are_obeyed(folder, tmp_path):
    given = ("show", folder / "s.tar", "--key", "abc-0", "--preset", "tiny")
    drawn = []
    for name, more in (("a", ()), ("b", ()), ("c", ("--seed", "1")), ("d", ("--kept", "20,40"))):
        assert run(*given, *more, "--out", tmp_path / name)[0] == 0
        drawn.append((tmp_path / name / "kept.png").read_bytes())
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


def test_errors_are_one_sentence_and_write_nothing(folder, tmp_path):
    image, shard = folder / "photo.png", folder / "s.tar"
    cases = [
        ((folder / "none.jpg",), "none.jpg"),
        ((folder / "text.jpg",), "text.jpg"),
        ((image, "--checkpoint", folder / "none"), "none"),
        ((image, "--checkpoint", folder / "text.jpg"), "text.jpg"),
        ((image, "--checkpoint", folder / "pooled"), "pooled head"),
        ((image, "--preset", "huge"), "tiny"),
        ((image, "--kept", "12,x"), "--kept"),
        ((image, "--kept", "0"), "--kept"),
        ((image, "--key", "abc-0"), "--key"),
        ((shard,), "--key"),
        ((shard, "--key", "abc-1"), "abc-1"),
        ((folder / "none.tar", "--key", "a"), "none.tar"),
    ]
    for arguments, expected in cases:
        code, _, error = run("show", *arguments, "--demo", "--out", tmp_path / "out")
        assert code == 2, arguments
        assert one_sentence(error), (arguments, error)
        assert expected in error, (arguments, error)
    assert not (tmp_path / "out").exists()
    code, _, error = run("show", shard, "--key", "abc-0", "--out", folder / "text.jpg")
    assert code == 2 and one_sentence(error) and "--out" in error
