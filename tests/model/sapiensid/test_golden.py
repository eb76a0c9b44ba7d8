"""Our SapiensID against outputs of the reference, whose weights follow a rule."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model import SapiensID
from model.sapiensid.authors import POSITIONS, to_authors
from model.sapiensid.retina_patch import cover
from tests.model.golden_weights import rule_weights
from webbody.skeleton import from_authors22

DATA = Path(__file__).parents[1] / "data" / "sapiensid"


class Golden:
    """One file of reference outputs for six images, and the model they belong to."""

    def __init__(self, name: str, folder: Path) -> None:
        arrays = np.load(DATA / f"{name}.npz")
        self.arrays = {key: arrays[key] for key in arrays}
        with Image.open(DATA / f"{name}.webp") as strip:
            pixels = np.asarray(strip.convert("RGB")).reshape(6, 384, 384, 3)
        self.images = torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2).float() / 255 * 2 - 1
        self.keypoints = torch.from_numpy(from_authors22(self.arrays["keypoints22"]))
        width, feature_dim = int(self.arrays["emb_dim"]), int(self.arrays["output_dim"])
        model = SapiensID(24, width, 16, feature_dim)
        shapes = to_authors(model.state_dict(), model.positions.table_SSD)
        state = rule_weights(shapes, int(self.arrays["weight_seed"]))
        path = folder / f"{name}.pt"
        torch.save(state | {POSITIONS: shapes[POSITIONS]}, path)
        self.model = SapiensID.from_pretrained(path)


@pytest.fixture(scope="module", params=["sapiensid_tiny_seed0", "sapiensid_tiny_seed1"])
def golden(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Golden:
    return Golden(request.param, tmp_path_factory.mktemp("golden"))


def relative(ours: torch.Tensor, theirs: np.ndarray) -> float:
    """Largest error of a row in units of that row's length."""
    difference = np.linalg.norm(ours.numpy() - theirs, axis=1)
    return float((difference / np.linalg.norm(theirs, axis=1)).max())


@torch.inference_mode()
def test_boxes_and_selected_patches_are_the_references(golden: Golden) -> None:
    encoded = golden.model.encode(golden.images, golden.keypoints)
    boxes = encoded.boxes_BR4.numpy()
    for region, name in ((1, "body_bbox"), (2, "face_bbox")):
        theirs = golden.arrays[name]
        # A box without area is none, wherever it lies.
        some = (theirs[:, 2:] > theirs[:, :2]).all(1)
        np.testing.assert_allclose(boxes[some, region], theirs[some], atol=1e-6)
        assert not boxes[~some, region].any()
    selected = cover(encoded.boxes_BR4, golden.model.grid).numpy()
    np.testing.assert_array_equal(selected, golden.arrays["selected"])
    np.testing.assert_array_equal(selected.sum(1), golden.arrays["n_tokens"])


@torch.inference_mode()
def test_features_of_single_images(golden: Golden) -> None:
    means, features = [], []
    for image, keypoints in zip(golden.images, golden.keypoints, strict=True):
        encoded = golden.model.encode(image[None], keypoints[None])
        means.append(encoded.tokens_BND[0].mean(0))
        features.append(golden.model(image[None], keypoints[None])[0])
    assert relative(torch.stack(means), golden.arrays["mean_token"]) < 1e-4
    assert relative(torch.stack(features), golden.arrays["feature"]) < 1e-4


@torch.inference_mode()
@pytest.mark.parametrize("seed", [0, 1])
def test_features_do_not_depend_on_the_batch(golden: Golden, seed: int) -> None:
    random = np.random.default_rng(seed)
    for size in (2, 3, 6):
        chosen = random.permutation(6)[:size]
        features = golden.model(golden.images[chosen], golden.keypoints[chosen])
        assert relative(features, golden.arrays["feature"][chosen]) < 1e-4
    padded = golden.model(golden.images[chosen], golden.keypoints[chosen], tokens=432)
    assert relative(padded, golden.arrays["feature"][chosen]) < 1e-4
