"""What holds for all studies: shapes, independence of batch mates, and extraction with flip."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from model import SapiensID
from model.evaluation.studies.keypoint_noise import KeypointNoise
from model.evaluation.studies.masks import TokenCounts
from model.evaluation.studies.parts import PartErasing
from model.evaluation.studies.seeds import image_seeds
from model.evaluation.studies.strips import StripErasing
from model.evaluation.studies.study import Study
from model.evaluation.studies.zoom import Zoom
from model.features.extract import Extractor
from model.features.samples import Sample
from tests.model.evaluation.studies.captured import people, small

STUDIES = pytest.mark.parametrize(
    ("study", "plain", "exact"),
    [
        (PartErasing, "all", False),
        (StripErasing, "full", True),
        (KeypointNoise, "detected", True),
        (Zoom, "original", True),
        (TokenCounts, "100%", True),
    ],
)
Make = Callable[[SapiensID], Study]


@STUDIES
@torch.inference_mode()
def test_the_variant_without_change_is_the_plain_model(
    study: Make, plain: str, exact: bool
) -> None:
    model = small()
    studied, given = study(model).eval(), people(5)
    assert len(set(studied.variants)) == len(studied.variants)
    assert (studied.image_size, studied.feature_dim) == (96, 16 * len(studied.variants))
    features = studied(*given)
    assert features.shape == (5, studied.feature_dim)
    found = features.unflatten(1, (-1, 16))
    same = found[:, studied.variants.index(plain)]
    if exact:
        assert torch.equal(same, model(*given))
    else:
        torch.testing.assert_close(same, model(*given), atol=1e-5, rtol=1e-5)
    # And no variant is a copy of another.
    spread = (found[:, :, None] - found[:, None]).abs().amax((0, 3))
    assert spread[~torch.eye(len(spread), dtype=torch.bool)].min() > 1e-4


@STUDIES
@torch.inference_mode()
def test_a_feature_does_not_depend_on_its_batch(study: Make, plain: str, exact: bool) -> None:
    studied, (images, keypoints) = study(small()).eval(), people(6)
    together = studied(images, keypoints)
    order = torch.tensor([3, 0, 5])
    torch.testing.assert_close(
        studied(images[order], keypoints[order]), together[order], atol=2e-5, rtol=1e-4
    )


@STUDIES
def test_extraction_adds_the_mirrored_image(study: Make, plain: str, exact: bool) -> None:
    model, (images, keypoints) = small(), people(3)
    pixels = ((images.permute(0, 2, 3, 1) + 1) * 127.5).to(torch.uint8).numpy()
    samples = [
        Sample("", str(number), image, points)
        for number, (image, points) in enumerate(zip(pixels, keypoints.numpy(), strict=True))
    ]
    studied = study(model)
    (block,) = Extractor(studied, flip=True)(samples)
    (expected,) = Extractor(model, flip=True)(samples)
    found = block.features_BF.reshape(3, -1, 16)[:, studied.variants.index(plain)]
    np.testing.assert_allclose(found, expected.features_BF, atol=2e-5)
    assert block.visible_B.tolist() == expected.visible_B.tolist()


def test_seeds_depend_on_every_visible_number_and_on_no_other() -> None:
    _, keypoints = people(8)
    keypoints[:, :, :2] = keypoints[:, :, :2].clamp(0.1, 0.9)
    seeds = image_seeds(keypoints)
    assert seeds.dtype == torch.int64 and len(seeds.unique()) == 8
    moved = keypoints[:1].repeat(38, 1, 1)
    for number in range(38):
        moved[number, number // 2, number % 2] += 2.0**-20
    changed = image_seeds(moved) != seeds[0]
    visible = (keypoints[0, :, 2] > 0).repeat_interleave(2)
    assert torch.equal(changed, visible) and 0 < visible.sum() < 38
    swapped = keypoints[:1].flip(1)
    assert image_seeds(swapped) != seeds[0]
    absent = keypoints[:1].clone()
    absent[0, keypoints[0, :, 2] == 0, :2] = torch.nan
    assert image_seeds(absent) == seeds[0]


@pytest.mark.gpu
@STUDIES
@torch.inference_mode()
def test_the_gpu_gives_the_same(study: Make, plain: str, exact: bool) -> None:
    studied, given = study(small()).eval(), people(5)
    here = studied(*given)
    there = studied.cuda()(*(x.cuda() for x in given)).cpu()
    torch.testing.assert_close(there, here, atol=1e-3, rtol=1e-3)
