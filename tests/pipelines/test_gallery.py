"""Galleries: labelled pictures in, one nameless row for each identity out."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from photo_shards import demo_model

from pipelines.known.calibrate import drawn
from pipelines.known.gallery import Made, make_gallery, opaque, read_gallery
from pipelines.known.identity_sources import read_sources
from pipelines.vision import picture_faces
from pipelines.vision.picture_faces import PictureFaces
from webbody.errors import WebbodyError
from webbody.images import encode_jpeg


def picture(path, value=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_jpeg(np.full((20, 20, 3), value, np.uint8), 95))


@pytest.fixture
def stub(monkeypatch):
    """Faces whose feature is the picture's brightness; black pictures show none."""

    class Stub:
        digest = "abc123"

        def __init__(self, **_):
            pass

        def __call__(self, pictures):
            for label, rgb in pictures:
                value = float(rgb.mean())
                yield label, (np.full(512, value, np.float32) if value > 5 else None)

    monkeypatch.setattr(picture_faces, "PictureFaces", Stub)
    return {"detector": "-", "embedder": "-"}


def test_folders_and_flat_folders(tmp_path):
    picture(tmp_path / "lfw" / "Ann Lee" / "Ann_Lee_0001.jpg")
    picture(tmp_path / "lfw" / "Bob" / "deeper" / "x.png")
    picture(tmp_path / "lfw" / "Cid_Ray_0003.jpg")
    (tmp_path / "lfw" / "readme.md").write_text("no picture")
    found = read_sources([tmp_path / "lfw"])
    assert [(p.identity, p.path.name) for p in found] == [
        ("Ann Lee", "Ann_Lee_0001.jpg"),
        ("Bob", "x.png"),
        ("Cid_Ray", "Cid_Ray_0003.jpg"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.txt", "a b.jpg 7\nsub/c.jpg\t8\n\n"),
        ("list.tsv", "a b.jpg\t7\nsub/c.jpg\t8\n"),
        ("list.csv", "path,identity\na b.jpg,7\nsub/c.jpg, 8\n"),
    ],
)
def test_lists(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = read_sources([tmp_path / name])
    assert [(str(p.path.relative_to(tmp_path)), p.identity) for p in found] == [
        ("a b.jpg", "7"),
        ("sub/c.jpg", "8"),
    ]


def test_what_is_no_source_is_told(tmp_path):
    with pytest.raises(WebbodyError, match="neither a folder"):
        read_sources([tmp_path / "nothing"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(WebbodyError, match="holds no pictures"):
        read_sources([tmp_path / "empty"])
    (tmp_path / "list.txt").write_text("one_word\n")
    with pytest.raises(WebbodyError, match="line 1"):
        read_sources([tmp_path / "list.txt"])


def test_sums_and_counts(tmp_path, stub):
    picture(tmp_path / "in" / "Ann" / "1.jpg", 100)
    picture(tmp_path / "in" / "Ann" / "2.jpg", 50)
    picture(tmp_path / "in" / "Ann" / "3.jpg", 0)
    picture(tmp_path / "in" / "Bob" / "1.jpg", 200)
    picture(tmp_path / "in" / "Eve" / "1.jpg", 0)
    (tmp_path / "in" / "Bob" / "2.jpg").write_bytes(b"broken")
    out = tmp_path / "lfw.parquet"
    assert make_gallery([tmp_path / "in"], out, "lfw", **stub) == Made(2, 3, 3)
    gallery = read_gallery(out)
    assert (gallery.name, gallery.embedder) == ("lfw", "abc123")
    assert gallery.identities == sorted([opaque("Ann"), opaque("Bob")])
    sums = dict(zip(gallery.identities, gallery.features[:, 0].tolist(), strict=True))
    assert sums == {opaque("Ann"): 150, opaque("Bob"): 200}
    assert pq.read_table(out)["images"].to_pylist() == [
        {opaque("Ann"): 2, opaque("Bob"): 1}[identity] for identity in gallery.identities
    ]
    raw = out.read_bytes()
    assert b"Ann" not in raw
    assert b"Bob" not in raw


def test_large_sums_fit_into_half_precision(tmp_path, stub):
    for number in range(400):
        picture(tmp_path / "in" / "Ann" / f"{number}.jpg", 250)
    make_gallery([tmp_path / "in"], tmp_path / "g.parquet", "g", **stub)
    assert np.isfinite(read_gallery(tmp_path / "g.parquet").features).all()
    assert read_gallery(tmp_path / "g.parquet").features.min() > 1000


def test_nothing_usable_is_told(tmp_path, stub):
    picture(tmp_path / "in" / "Ann" / "1.jpg", 0)
    with pytest.raises(WebbodyError, match="shows a face"):
        make_gallery([tmp_path / "in"], tmp_path / "g.parquet", "g", **stub)
    with pytest.raises(WebbodyError, match="name consists of"):
        make_gallery([tmp_path / "in"], tmp_path / "g.parquet", "a gallery", **stub)
    assert not (tmp_path / "g.parquet").exists()


def test_real_models_on_drawn_people():
    faces = PictureFaces(
        detector=demo_model("faces.onnx"),
        embedder=demo_model("embedder.pt"),
        detector_size=320,
        min_score=0.4,
        device="cpu",
    )
    pictures = list(drawn(3, 4, seed=0))
    blank = np.full((64, 48, 3), 255, np.uint8)
    found = list(faces([*pictures, (None, blank)]))
    assert [label for label, _ in found] == [label for label, _ in pictures] + [None]
    features = [feature for _, feature in found[:-1] if feature is not None]
    assert len(features) >= 6
    assert features[0].shape == (512,)
    assert found[-1][1] is None
