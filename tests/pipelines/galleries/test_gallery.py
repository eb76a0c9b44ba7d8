"""Galleries: labelled pictures in, one nameless row for each identity out."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from photo_shards import demo_model

from pipelines.calibration.calibrate import drawn_people
from pipelines.galleries import picture_faces
from pipelines.galleries.gallery import make_gallery
from pipelines.galleries.picture_faces import PictureFaces
from pipelines.identity.gallery_file import read_gallery
from pipelines.identity.perceptual_hash import perceptual_hash
from webbody.config import FacesSettings, WorkerResources
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

        def __init__(self, *_):
            pass

        def __call__(self, pictures):
            for label, rgb in pictures:
                value = float(rgb.mean())
                yield label, (np.full(512, value, np.float32) if value > 5 else None)

    monkeypatch.setattr(picture_faces, "PictureFaces", Stub)
    return FacesSettings(detector="-", embedder="-")


def test_sums_and_counts(tmp_path, stub):
    picture(tmp_path / "in" / "Ann" / "1.jpg", 100)
    picture(tmp_path / "in" / "Ann" / "2.jpg", 50)
    picture(tmp_path / "in" / "Ann" / "3.jpg", 0)
    picture(tmp_path / "in" / "Bob" / "1.jpg", 200)
    picture(tmp_path / "in" / "Eve" / "1.jpg", 0)
    (tmp_path / "in" / "Bob" / "2.jpg").write_bytes(b"broken")
    out = tmp_path / "lfw.parquet"
    made = make_gallery([tmp_path / "in"], out, "lfw", stub)
    assert (made.identities, made.images, made.without_face, made.lost) == (2, 3, 2, ["Eve"])
    told = list(made.report_lines())
    assert told[0] == (
        f"{tmp_path / 'in'}: layout plain, 3 people, 6 pictures, 1 of the people with one; left "
        "out: 1 image:not-an-image"
    )
    assert told[1].startswith("warning: 1 people (such as Eve) are not in the gallery")
    gallery = read_gallery(out)
    assert (gallery.name, gallery.embedder) == ("lfw", "abc123")
    ids = made.ids
    assert gallery.identities == sorted([ids["Ann"], ids["Bob"]])
    sums = dict(zip(gallery.identities, gallery.features[:, 0].tolist(), strict=True))
    assert sums == {ids["Ann"]: 150, ids["Bob"]: 200}
    assert pq.read_table(out)["images"].to_pylist() == [
        {ids["Ann"]: 2, ids["Bob"]: 1}[identity] for identity in gallery.identities
    ]


def test_names_play_no_part_in_what_the_file_holds(tmp_path, stub):
    for name, people in {"one": ("Ann", "Bob"), "two": ("Zoe", "Max")}.items():
        for person, value in zip(people, (100, 200), strict=True):
            picture(tmp_path / name / person / "1.jpg", value)
        make_gallery([tmp_path / name], tmp_path / f"{name}.parquet", "g", stub)
    one, two = ((tmp_path / f"{name}.parquet").read_bytes() for name in ("one", "two"))
    assert one == two


def test_people_with_the_same_features_have_ids_of_their_own(tmp_path, stub):
    for person in ("Ann", "Bob", "Eve"):
        picture(tmp_path / "in" / person / "1.jpg", 100)
    made = make_gallery([tmp_path / "in"], tmp_path / "g.parquet", "g", stub)
    assert len(set(read_gallery(tmp_path / "g.parquet").identities)) == made.identities == 3


def test_large_sums_fit_into_half_precision(tmp_path, stub):
    for number in range(400):
        picture(tmp_path / "in" / "Ann" / f"{number}.jpg", 250)
    make_gallery([tmp_path / "in"], tmp_path / "g.parquet", "g", stub, layout="plain")
    assert np.isfinite(read_gallery(tmp_path / "g.parquet").features).all()
    assert read_gallery(tmp_path / "g.parquet").features.min() > 1000


def test_nothing_usable_is_told(tmp_path, stub):
    picture(tmp_path / "in" / "Ann" / "1.jpg", 0)
    (tmp_path / "in" / "Ann" / "2.jpg").write_bytes(b"broken")
    with pytest.raises(WebbodyError, match=r"shows a face .* \(1 cannot be read\)"):
        make_gallery([tmp_path / "in"], tmp_path / "g.parquet", "g", stub)
    with pytest.raises(WebbodyError, match="name consists of"):
        make_gallery([tmp_path / "in"], tmp_path / "g.parquet", "a gallery", stub)
    assert not (tmp_path / "g.parquet").exists()


def test_real_models_on_drawn_people():
    settings = FacesSettings(
        detector=demo_model("faces.onnx"),
        embedder=demo_model("embedder.pt"),
        detector_size=320,
        min_score=0.4,
    )
    faces = PictureFaces(settings, WorkerResources("cpu"))
    pictures = list(drawn_people(3, 4, seed=0))
    blank = np.full((64, 48, 3), 255, np.uint8)
    found = list(faces([*pictures, (None, blank)]))
    assert [label for label, _ in found] == [label for label, _ in pictures] + [None]
    features = [feature for _, feature in found[:-1] if feature is not None]
    assert len(features) >= 6
    assert features[0].shape == (512,)
    assert found[-1][1] is None


def test_a_gallery_knows_its_pictures_by_their_hashes(tmp_path, stub):
    picture(tmp_path / "in" / "Ann" / "1.jpg", 100)
    picture(tmp_path / "in" / "Ann" / "2.jpg", 100)  # the same hash
    shades = np.linspace(0, 255, 60).astype(np.uint8)
    sloped = np.broadcast_to(shades[:, None, None], (60, 60, 3))
    (tmp_path / "in" / "Ann" / "3.jpg").write_bytes(encode_jpeg(sloped, 95))
    picture(tmp_path / "in" / "Bob" / "1.jpg", 200)
    picture(tmp_path / "in" / "Bob" / "2.jpg", 0)  # shows no face, and is Bob's
    made = make_gallery([tmp_path / "in"], tmp_path / "g.parquet", "g", stub)
    gallery = read_gallery(tmp_path / "g.parquet")
    of = {name: gallery.hashes[gallery.hash_of == gallery.identities.index(made.ids[name])]
          for name in ("Ann", "Bob")}  # fmt: skip
    flat, slope = perceptual_hash(np.full((20, 20, 3), 100, np.uint8)), perceptual_hash(sloped)
    assert set(of["Ann"].tolist()) == {flat, slope}
    assert flat in of["Bob"].tolist()
