"""Calibration on features whose distribution is known."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from made_stages import with_settings

from pipelines.calibration.calibrate import calibrate, copy_of, drawn_people, size_of_build
from pipelines.calibration.clean_names import f1
from pipelines.calibration.cosines import all_pairs
from pipelines.identity.features import unit
from pipelines.stages.clusters import Clusters
from webbody.errors import WebbodyError


def made(spread: float, people=25, images=12, dim=128, seed=0):
    """Features around random anchors; two faces of a person have a cosine of 1 / (1 + spread^2)."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), images)
    anchors = rng.normal(size=(people, dim))
    features = anchors[labels] + spread * rng.normal(size=(len(labels), dim))
    copies = features + 0.1 * rng.normal(size=features.shape)
    return features.astype(np.float32), labels, copies.astype(np.float32)


def centres(people: int, images: int, spread=0.8, dim=128, seed=9):
    """Unit centres (people, dim) of `images` faces, twice: the truth that is to be foretold."""
    rng = np.random.default_rng(seed)
    anchors = rng.normal(size=(people, dim))
    noise = spread / np.sqrt(images)
    return [unit(anchors + noise * rng.normal(size=anchors.shape)) for _ in range(2)]


def test_a_good_embedder():
    features, labels, copies = made(0.8, people=60)
    found = calibrate(features, labels, copies)
    assert found.warnings == []
    assert 0.45 < found.eps < 0.75  # genuine pairs lie at a cosine of 0.6, strangers below 0.3
    assert 0.3 < found.leak < found.ambiguous < found.similar < 0.9
    assert 0.7 < found.duplicate < 0.99
    assert found.figures["cleaned_names_f1"] > 0.98
    assert found.figures["merged_share"] > 0.98
    assert found.settings()["clusters"] == {"eps": found.eps}
    assert calibrate(features, labels, copies) == found  # the seed decides


def test_more_people_need_a_stricter_threshold():
    features, labels, _ = made(0.8)
    few, many = (calibrate(features, labels, people=n) for n in (100, 1_000_000))
    assert many.ambiguous > few.ambiguous + 0.05
    assert many.leak > few.leak + 0.05
    among_many = calibrate(features, labels, people=100, gallery=1_000_000)
    assert (among_many.leak, among_many.ambiguous) == (many.leak, few.ambiguous)


def test_an_embedder_that_tells_nobody_apart():
    features, labels, copies = made(6)
    found = calibrate(features, labels, copies, images=5)
    assert any("merges will be missed" in warning for warning in found.warnings)
    assert found.similar >= found.ambiguous


@pytest.mark.parametrize("images", [4, 20])
def test_the_same_embedder_gives_the_same_thresholds_at_any_number_of_people(images):
    found = [calibrate(*made(0.8, n, 4, seed=n)[:2], images=images) for n in (200, 600, 2000)]
    for name, within in (("similar", 0.02), ("ambiguous", 0.02), ("leak", 0.03), ("eps", 0.1)):
        values = [getattr(one, name) for one in found]
        assert max(values) - min(values) <= within, (name, values)


@pytest.mark.slow
def test_twenty_thousand_people():
    few, many = (calibrate(*made(0.8, n, 4, seed=n)[:2]) for n in (200, 20_000))
    assert many.figures["people"] == 20_000
    assert many.figures["faces"] == 80_000  # all faces of each
    assert abs(many.similar - few.similar) < 0.02
    assert abs(many.ambiguous - few.ambiguous) < 0.02


@pytest.mark.parametrize(("have", "want"), [(4, 20), (3, 50), (20, 4), (8, 8)])
def test_centres_of_other_sizes_are_foretold(have, want):
    features, labels, _ = made(0.8, 300, have)
    found = calibrate(features, labels, people=1000, images=want)
    one, two = centres(3000, want)
    genuine = np.quantile((one * two).sum(1), 0.05)
    assert found.figures["genuine_centres_5_percent"] == pytest.approx(genuine, abs=0.02)
    strangers = all_pairs(one)  # 4.5 million pairs: the rates below are measured
    assert found.leak == pytest.approx(strangers.quantile(1 - 1e-5), abs=0.03)
    top = found.figures["impostor_centres_expected_highest"]
    assert top == pytest.approx(strangers.quantile(1 - 2e-6), abs=0.03)
    # The build that follows: nobody wrongly merged, all that should be are.
    assert strangers.highest < found.similar < genuine


def test_few_images_here_do_not_lower_the_thresholds_of_a_build_with_many():
    """Relatives: pairs of people whose anchors have a cosine of a half."""
    rng = np.random.default_rng(4)
    anchors = rng.normal(size=(160, 256))
    anchors[:80:2] = anchors[1:80:2] + anchors[:80:2] * np.sqrt(3)  # 40 pairs at a cosine of 1/2

    def faces(images):
        labels = np.repeat(np.arange(len(anchors)), images)
        return anchors[labels] + 0.9 * rng.normal(size=(len(labels), 256)), labels

    features, labels = faces(4)
    found = calibrate(features.astype(np.float32), labels, people=160, images=20)
    built, owners = faces(20)
    ofpeople = unit(np.stack([built[owners == one].sum(0) for one in range(len(anchors))]))
    highest = all_pairs(ofpeople).highest
    assert highest > 0.5  # plainer than among centres of four
    assert highest > found.figures["impostor_centres_highest"]
    assert found.ambiguous > highest
    assert found.warnings == []


@settings(max_examples=8, phases=[Phase.explicit, Phase.generate])
@given(
    spread=st.floats(0.2, 4),
    people=st.integers(12, 60),
    images=st.integers(2, 9),
    dim=st.sampled_from([8, 64, 256]),
    want=st.integers(1, 60),
    seed=st.integers(0, 99),
)
def test_never_below_what_strangers_reach(spread, people, images, dim, want, seed):
    features, labels, _ = made(spread, people, images, dim, seed)
    found = calibrate(features, labels, people=2000, images=want)
    highest = found.figures["impostor_centres_highest"]
    assert min(found.similar, 0.99) >= min(highest, 0.98) - 0.001
    assert found.leak >= min(highest, 0.98) - 0.001
    assert found.leak <= found.ambiguous + 0.001 <= found.similar + 0.002
    assert all(np.isfinite(value) for value in found.figures.values())


def test_one_person_under_two_labels_is_told_and_not_counted():
    features, labels, _ = made(0.6, people=80, images=6)
    clean = calibrate(features, labels)
    twice = np.where((labels == 3) & (np.arange(len(labels)) % 2 == 0), 999, labels)
    found = calibrate(features, [f"n{label}" for label in twice])
    assert any("n3 and n999 look like" in warning for warning in found.warnings)
    assert abs(found.similar - clean.similar) < 0.02
    assert found.figures["impostor_centres_highest"] < 0.5


def test_expected_mistakes_are_told_in_words():
    features, labels, _ = made(0.8, people=60)
    merged, missed = calibrate(features, labels, people=40, images=8).expected
    assert "40 people with 8 images" in merged
    assert "less than 0.01 pairs of strangers would be merged" in merged
    assert "would not be merged" in missed
    poor = calibrate(*made(3, people=60, dim=32)[:2], people=100_000, images=4)
    assert "less than 0.01 pairs" not in poor.expected[0]


def test_names_as_labels_and_missing_copies():
    features, labels, copies = made(0.8)
    copies[::2] = np.nan
    named = [f"person {label}" for label in labels]
    assert calibrate(features, named, copies).duplicate > 0.7


def test_bad_input_is_told_in_a_sentence():
    features, labels, _ = made(0.8)
    with pytest.raises(WebbodyError, match="at least 10 people"):
        calibrate(*made(0.8, people=3))
    with pytest.raises(WebbodyError, match="0 of them have more than one"):
        calibrate(features, np.arange(len(labels)))
    with pytest.raises(WebbodyError, match="same feature"):
        calibrate(np.ones_like(features), labels)
    broken = features.copy()
    broken[5:7, 3] = np.nan
    with pytest.raises(WebbodyError, match=r"^2 of 300 features hold values that are no numbers"):
        calibrate(broken, labels)
    for wrong in ({"people": 1}, {"images": 0}):
        with pytest.raises(WebbodyError, match="at least 2 people"):
            calibrate(features, labels, **wrong)
    with pytest.raises(WebbodyError, match="at least 10 people"):
        calibrate(np.zeros((0, 128), np.float32), [])


def test_a_manifest_tells_the_size_of_a_build(tmp_path):
    rows = [f"http://a/{n}-{i}.jpg,name {n}" for n in range(5) for i in range(10 * (n + 1))]
    file = tmp_path / "list.csv"
    file.write_text("url,name\n" + "\n".join(rows))
    assert size_of_build(str(file)) == (5, 21)  # 30 rows in the middle, seven of ten
    file.write_text("url,name\nhttp://a/1.jpg,alone\n")
    with pytest.raises(WebbodyError, match="at least two"):
        size_of_build(str(file))


def test_a_name_is_cleaned_as_the_stage_does():
    rng = np.random.default_rng(3)
    stage_of = {
        eps: with_settings(Clusters, eps=eps, min_samples=2, min_images=2)
        for eps in (0.3, 0.5, 0.7)
    }
    for own, strangers, spread in ((3, 2, 0.5), (12, 9, 1.2), (40, 30, 1.4), (2, 0, 9)):
        anchor = rng.normal(size=64)
        mine = anchor + spread * rng.normal(size=(own, 64))
        faces = np.concatenate([mine, 1.5 * rng.normal(size=(strangers, 64))]).astype(np.float32)
        keys = np.array([f"{number:03d}" for number in range(len(faces))])
        for eps, stage in stage_of.items():
            kept = [outcome is None for outcome in stage.person_of(faces, keys, keys).outcome]
            expected = 2 * sum(kept[:own]) / (own + sum(kept))
            assert f1(unit(faces) @ unit(faces).T, own, eps) == pytest.approx(expected)


def test_pictures():
    pictures = list(drawn_people(2, 2, seed=0))
    assert [label for label, _ in pictures] == [9_000_000] * 2 + [9_000_001] * 2
    (_, one), (_, again) = pictures[0], next(drawn_people(1, 1, seed=0))
    np.testing.assert_array_equal(one, again)
    assert one.shape == (256, 256, 3)
    assert pictures[1][1].shape == (448, 448, 3)
    assert copy_of(one).shape == (192, 192, 3)
