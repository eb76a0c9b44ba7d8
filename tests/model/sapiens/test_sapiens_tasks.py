"""The models of the four tasks and their losses against the reference's outputs."""

from typing import Any

import pytest
import torch

from model.sapiens.losses.depth import depth_loss
from model.sapiens.losses.keypoints import hardest_heatmap_loss, heatmap_loss
from model.sapiens.losses.normals import absolute_loss, angle_loss
from model.sapiens.losses.parts import part_loss, resized
from model.sapiens.task_model import SapiensModel
from model.sapiens.udp import decode, encode
from tests.model.sapiens.reference import SEEDS, close, golden, inputs, size_of, weights


def model_of(arrays: dict[str, Any], task: str, seed: int, suffix: str = "") -> SapiensModel:
    """The reference's model of a task."""
    state = weights(arrays, seed, suffix)
    model = SapiensModel(
        task,
        size_of(arrays),
        tuple(arrays["size"].tolist()),
        len(state["head.final.bias"]),
        channels=int(arrays["head_channels"]),
    )
    model.load_state_dict(state)
    return model.eval()


def tensor(arrays: dict[str, Any], name: str) -> torch.Tensor:
    return torch.from_numpy(arrays[name])


@pytest.mark.parametrize("seed", SEEDS)
def test_keypoints(seed: int) -> None:
    arrays = golden("pose", seed)
    model = model_of(arrays, "pose", seed)
    images = inputs(arrays["image"])
    height, width = arrays["size"].tolist()
    with torch.no_grad():
        maps = model(images)
        mirrored = model(images.flip(-1)).flip(-1)[:, tensor(arrays, "flip_indices")]
        close(maps, arrays["heatmaps"], 2e-5)
        average = (maps + mirrored) / 2
        close(average, arrays["heatmaps_flip_average"], 2e-5)
        assert model.map_size == tuple(maps.shape[2:])
    points, scores = decode(average, (width, height))
    close(scores, arrays["keypoint_scores"], 2e-5)
    # A peak at the border stays there with us; the reference moves it out of the picture.
    place = average.flatten(2).argmax(2)
    rows, columns = place // average.shape[3], place % average.shape[3]
    inside = (rows > 0) & (rows < average.shape[2] - 1)
    inside &= (columns > 0) & (columns < average.shape[3] - 1)
    good = inside & tensor(arrays, "keypoints_stable")
    assert good.sum() >= 15
    close(points[good], arrays["keypoints_input"][good.numpy()], 0.02)
    target, weight = encode(
        tensor(arrays, "gt_keypoints_input"),
        tensor(arrays, "gt_visible"),
        (width, height),
        (width // 4, height // 4),
        float(arrays["sigma"]),
    )
    close(weight, arrays["gt_weights"], 0)
    loss = heatmap_loss(maps, target, weight)
    assert loss.item() == pytest.approx(float(arrays["loss_mse"]), rel=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes, padding", [(28, 0), (20, 2)])
def test_parts(seed: int, classes: int, padding: int) -> None:
    arrays = golden("seg", seed)
    model = model_of(arrays, "segmentation", seed, f"_{classes}")
    assert model.encoder.patch_padding == padding
    with torch.no_grad():
        logits = model(inputs(arrays["image"]))
    close(logits, arrays[f"logits_{classes}"], 2e-5)
    weight = tensor(arrays, f"class_weight_{classes}")
    loss = part_loss(logits, tensor(arrays, f"label_{classes}"), weight)
    assert loss.item() == pytest.approx(float(arrays[f"loss_{classes}"]), rel=1e-5)
    theirs = tensor(arrays, f"pred_{classes}")
    in_photo = resized(resized(logits, tuple(arrays["size"])), theirs.shape[1:])
    assert (in_photo.argmax(1) != theirs).float().mean() <= 0.001


@pytest.mark.parametrize("seed", SEEDS)
def test_depth(seed: int) -> None:
    arrays = golden("depth", seed)
    model = model_of(arrays, "depth", seed)
    with torch.no_grad():
        output = model(inputs(arrays["image"]))
    close(output, arrays["output"], 2e-5)
    close(resized(output, arrays["pred_resized"].shape[2:]), arrays["pred_resized"], 2e-5)
    loss = depth_loss(output[:, 0], tensor(arrays, "target"))
    assert loss.item() == pytest.approx(float(arrays["loss"]), rel=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
def test_normals(seed: int) -> None:
    arrays = golden("normal", seed)
    model = model_of(arrays, "normal", seed)
    assert model.encoder.patch_padding == 2
    with torch.no_grad():
        output = model(inputs(arrays["image"]))
    close(output, arrays["output"], 2e-5)
    large = resized(output, tuple(arrays["size"]))
    in_photo = resized(large[:1], arrays["pred_resized"].shape[2:])
    close(in_photo, arrays["pred_resized"], 2e-5)
    target = tensor(arrays, "target_normal").permute(0, 3, 1, 2)
    mask = tensor(arrays, "target_mask")
    for loss, name in ((absolute_loss, "loss_l1"), (angle_loss, "loss_cosine_sim")):
        found = loss(large, target, mask).item()
        assert found == pytest.approx(float(arrays[name]), rel=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["binary", "fractional", "zero"])
def test_losses_of_heatmaps(seed: int, kind: str) -> None:
    arrays = golden("poseloss", seed)
    predicted, target = tensor(arrays, "pred"), tensor(arrays, "target")
    is_zero = kind == "zero"
    weight = tensor(arrays, "weights_binary" if is_zero else f"weights_{kind}") * (not is_zero)
    predicted.requires_grad_()
    hardest = hardest_heatmap_loss(predicted, target, weight, int(arrays["topk"]))
    plain = heatmap_loss(predicted, target, weight)
    assert plain.item() == pytest.approx(float(arrays[f"mse_{kind}"]), rel=1e-5)
    assert hardest.item() == pytest.approx(float(arrays[f"ohkm_{kind}"]), rel=1e-5)
    if not is_zero:
        hardest.backward()
        close(predicted.grad, arrays[f"ohkm_{kind}_grad"], 1e-6)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [28, 20])
def test_loss_of_parts(seed: int, classes: int) -> None:
    arrays = golden("segloss", seed)
    logits = tensor(arrays, f"logits_{classes}").requires_grad_()
    labels, weight = tensor(arrays, f"label_{classes}"), None
    weight = tensor(arrays, f"class_weight_{classes}")
    loss = part_loss(logits, labels, weight)
    assert loss.item() == pytest.approx(float(arrays[f"loss_{classes}"]), rel=1e-5)
    loss.backward()
    close(logits.grad, arrays[f"grad_{classes}"], 1e-6)
    assert part_loss(logits, torch.full_like(labels, 255), weight) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_loss_of_depth(seed: int) -> None:
    arrays = golden("depthloss", seed)
    target = tensor(arrays, "target")
    for kind in ("positive", "signed"):
        predicted = tensor(arrays, f"pred_{kind}").requires_grad_()
        loss = depth_loss(predicted, target)
        assert loss.item() == pytest.approx(float(arrays[f"loss_{kind}"]), rel=1e-5)
        loss.backward()
        ours, theirs = predicted.grad, torch.from_numpy(arrays[f"grad_{kind}"])
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-6)
    for predicted, its_target, name in (
        (2 * target, target, "loss_scaled_x2"),
        (tensor(arrays, "pred_positive"), tensor(arrays, "target_one_empty"), "loss_one_empty"),
    ):
        found = depth_loss(predicted, its_target).item()
        assert found == pytest.approx(float(arrays[name]), rel=1e-5)


def test_an_exact_depth_has_no_loss_and_finite_gradients() -> None:
    target = torch.rand(2, 8, 8)
    predicted = target.clone().requires_grad_()
    loss = depth_loss(predicted, target)
    loss.backward()
    assert loss == 0 and torch.isfinite(predicted.grad).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_losses_of_normals(seed: int) -> None:
    arrays = golden("normalloss", seed)
    target, mask = tensor(arrays, "target"), tensor(arrays, "mask")
    for loss, name in ((absolute_loss, "l1"), (angle_loss, "cosine")):
        predicted = tensor(arrays, "pred").requires_grad_()
        found = loss(predicted, target, mask)
        assert found.item() == pytest.approx(float(arrays[f"loss_{name}"]), rel=1e-5)
        found.backward()
        ours, theirs = predicted.grad, torch.from_numpy(arrays[f"grad_{name}"])
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-6)
        assert loss(predicted, target, torch.zeros_like(mask)) == 0
