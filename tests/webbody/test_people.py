"""`webbody gallery` and `webbody calibrate` on folders as users have them."""

import numpy as np
import pytest

from pipelines.galleries import picture_faces
from tests.command_line import one_sentence, run
from webbody.images import encode_jpeg

RNG = np.random.default_rng(0)


@pytest.fixture
def faces(monkeypatch):
    """Faces whose feature is the picture's colour; black pictures show none."""

    class Stub:
        digest = "abc123"

        def __init__(self, *_):
            pass

        def __call__(self, pictures):
            for label, rgb in pictures:
                colour = rgb.reshape(-1, 3).mean(0)
                feature = np.repeat(colour, 171)[:512].astype(np.float32)
                yield label, (feature if colour.max() > 5 else None)

    monkeypatch.setattr(picture_faces, "PictureFaces", Stub)


def people(folder, names, each):
    for number, name in enumerate(names):
        base = np.array([40 + 15 * (number % 12), 200 - 14 * (number % 9), 60 + 30 * (number % 5)])
        for index in range(each):
            rgb = np.full((16, 16, 3), base + RNG.integers(-5, 6, 3), np.uint8)
            path = folder / name / f"{name}_{index:04}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode_jpeg(rgb, 95))
    return folder


def test_a_gallery_of_lfw_as_unpacked(tmp_path, faces):
    root = people(tmp_path / "lfw_home/lfw_funneled", ["Ann", "Bob", "Cid", "Dora"], 3).parent
    people(root / "lfw_funneled/.ipynb_checkpoints", ["Ann"], 1)
    (root / "lfw_funneled/Dora/Dora_0000.jpg").write_bytes(b"no picture")
    out = tmp_path / "g.parquet"
    code, printed, _ = run("gallery", root, "--out", out, "--name", "g")
    assert code == 0
    assert printed.splitlines() == [
        f"{root}: layout LFW, 4 people, 12 pictures; left out: 1 hidden, 1 image:not-an-image",
        f"{out}: 4 people from 11 images; 0 images show no clear face.",
    ]


def test_one_person_from_hundreds_of_pictures(tmp_path, faces):
    root = people(tmp_path / "photos", ["Ann"], 120)
    command = ("gallery", root, "--out", tmp_path / "g.parquet", "--name", "g")
    code, _, error = run(*command)
    assert code == 2 and one_sentence(error) and "--layout plain" in error
    code, printed, _ = run(*command, "--layout", "plain")
    assert code == 0
    assert "warning: " in printed and "120 of 120 pictures are of one person (Ann)" in printed
    code, _, error = run(*command, "--layout", "agedb")
    assert code == 2 and one_sentence(error)
    code, _, error = run(*command, "--layout", "vgg")
    assert code == 2 and one_sentence(error)


def test_calibrate_tells_of_its_sources_in_comments(tmp_path, faces):
    names = [f"n{number:06}" for number in range(12)]
    root = people(tmp_path / "set", names, 8)
    (root / "empty").mkdir()
    code, printed, _ = run("calibrate", root, "--people", 20)
    assert code == 0
    assert f"# {root}: layout LFW, 12 people, 96 pictures\n" in printed
    assert f"# warning: {root}: 1 folders hold no pictures (such as empty)" in printed
    code, printed, error = run("calibrate", people(tmp_path / "few", ["Ann"], 3))
    assert code == 2 and one_sentence(error)
    assert printed.startswith(f"# {tmp_path / 'few'}: layout LFW, 1 people, 3 pictures")
