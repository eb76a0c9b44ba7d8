"""Batched extraction against direct calls of the model."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_samples import members, tiny_model

from model.features.extract import Extractor
from model.features.samples import Sample, read_shard
from tests.written_shards import write_shard
from webbody import skeleton


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    path = tmp_path_factory.mktemp("shard") / "s.tar"
    write_shard(path, *[members(f"k{i}", i) for i in range(7)])
    with path.open("rb") as file:
        read = list(read_shard(file, "s.tar", 384))
    bad = Sample("s.tar", "bad", outcome="image:truncated")
    return [*read[:2], bad, *read[2:]]


def direct(model, image, keypoints):
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        return model(pixels / 127.5 - 1, torch.from_numpy(keypoints)[None])[0].numpy()


def extracted(extractor, samples):
    blocks = list(extractor(samples))
    assert [s.key for block in blocks for s in block.samples] == [s.key for s in samples]
    return (
        np.concatenate([block.features_BF for block in blocks]),
        np.concatenate([block.visible_B for block in blocks]),
    )


@pytest.mark.parametrize("batch", [1, 3, 32])
def test_features_are_those_of_direct_calls_in_any_batch(model, samples, batch):
    features, visible = extracted(Extractor(model, batch=batch), samples)
    assert features.dtype == np.float32 and features.shape == (8, 256)
    for sample, feature, count in zip(samples, features, visible, strict=True):
        if sample.outcome is not None:
            assert not feature.any() and count == 0
            continue
        np.testing.assert_allclose(
            feature, direct(model, sample.image, sample.keypoints), atol=1e-4
        )
        assert count == (sample.keypoints[:, 2] > 0).sum()


def test_flip_adds_the_mirrored_image_with_mirrored_keypoints(model, samples):
    features, _ = extracted(Extractor(model, batch=4, flip=True), samples)
    sample = samples[0]
    mirrored = direct(model, sample.image[:, ::-1], skeleton.flip(sample.keypoints, 1))
    expected = direct(model, sample.image, sample.keypoints) + mirrored
    np.testing.assert_allclose(features[0], expected, atol=2e-4)


def test_flip_takes_keypoints_that_were_found_in_the_mirrored_image(model, samples):
    found = skeleton.flip(samples[0].keypoints, 1) * np.float32([1, 0.9, 1])
    mixed = [replace(samples[0], mirrored=found), samples[1]]
    features, _ = extracted(Extractor(model, batch=2, flip=True), mixed)
    plain, _ = extracted(Extractor(model, batch=2, flip=True), samples[:2])
    first = samples[0]
    expected = direct(model, first.image, first.keypoints)
    expected = expected + direct(model, first.image[:, ::-1], found)
    np.testing.assert_allclose(features[0], expected, atol=2e-4)
    np.testing.assert_allclose(features[1], plain[1], atol=2e-4)
    assert not np.allclose(features[0], plain[0], atol=1e-2)


def test_nothing_and_nothing_readable(model, samples):
    assert list(Extractor(model)([])) == []
    features, visible = extracted(Extractor(model), [samples[2]])
    assert features.shape == (1, 256) and not features.any() and not visible.any()


def test_samples_are_not_all_read_at_once(model, samples):
    """The reader is at most two batches ahead of who takes the features."""
    taken = []

    def slow():
        for sample in samples * 3:
            taken.append(sample)
            yield sample

    blocks = Extractor(model, batch=2)(slow())
    next(blocks)
    assert len(taken) <= 4
