"""Predictions against the reference's outputs, against known places, and against one another."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.sapiens.prediction import Predictor
from model.sapiens.prediction.fitting import PhotoPlace
from model.sapiens.prediction.network import MapNetwork
from model.sapiens.prediction.part_maps import largest
from model.sapiens.vocabulary import keypoint_vocabulary, part_vocabulary
from tests.model.sapiens.prediction.small_models import OUTPUTS, SIZE, photos, small_model
from tests.model.sapiens.reference import SEEDS, close, golden
from tests.model.sapiens.test_sapiens_tasks import model_of
from webbody.errors import WebbodyError

MIXED = ((90, 70), (41, 133), (64, 48), (200, 31), (1, 1))


def predict(task, predictor, pictures, **options):
    method = {
        "pose": predictor.poses, "segmentation": predictor.parts,
        "depth": predictor.depths, "normal": predictor.normals,
    }[task]  # fmt: skip
    return list(method(pictures, **options))


@pytest.mark.parametrize("seed", SEEDS)
def test_poses_with_a_flip_test_are_the_references(seed):
    arrays = golden("pose", seed)
    model = model_of(arrays, "pose", seed)
    maps = MapNetwork(model, "cpu", torch.float32, flip=True)(list(arrays["image"]))
    close(maps, arrays["heatmaps_flip_average"], 2e-5)
    close(MapNetwork(model, "cpu", torch.float32, False)(arrays["image"]), arrays["heatmaps"], 2e-5)
    predictor = Predictor(model, flip=True)
    predictor.network = lambda inputs: maps[: len(inputs)]
    room = np.zeros((4000, 4000, 3), np.uint8)
    (points,) = predictor.poses([room], [arrays["boxes_xyxy"]])
    np.testing.assert_allclose(points[..., 2], arrays["keypoint_scores"], atol=2e-5)
    flat = maps.flatten(2).argmax(2).numpy()
    rows, columns = flat // maps.shape[3], flat % maps.shape[3]
    inside = (rows > 0) & (rows < maps.shape[2] - 1) & (columns > 0) & (columns < maps.shape[3] - 1)
    good = inside & arrays["keypoints_stable"]  # peaks at the border stay with us
    assert good.sum() >= 15
    stretch = arrays["box_scale"].max() / max(arrays["size"])
    np.testing.assert_allclose(
        points[good][:, :2], arrays["keypoints_image"][good], atol=0.02 * max(1, stretch)
    )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [28, 20])
def test_parts_are_resized_in_two_steps(seed, classes):
    arrays = golden("seg", seed)
    model = model_of(arrays, "segmentation", seed, f"_{classes}")
    maps = MapNetwork(model, "cpu", torch.float32, False)(arrays["image"])
    theirs = arrays[f"pred_{classes}"]
    for map_, label in zip(maps, theirs, strict=True):
        place = PhotoPlace.of(label.shape, tuple(arrays["size"].tolist()), "squeeze")
        ours = largest(place.layers(map_))[1].numpy()
        assert (ours != label).mean() <= 0.001


@pytest.mark.parametrize("task", ["depth", "normal"])
def test_surfaces_are_resized_in_two_steps(task):
    arrays = golden(task, 0)
    model = model_of(arrays, task, 0)
    maps = MapNetwork(model, "cpu", torch.float32, False)(arrays["image"])
    theirs = arrays["pred_resized"]
    photo, size = theirs.shape[2:], tuple(arrays["size"].tolist())
    if task == "depth":  # its map is as large as the input
        close(
            torch.stack(list(PhotoPlace.of(photo, size, "squeeze").layers(maps[0]))),
            theirs[0],
            2e-5,
        )
    predictor = Predictor(model)
    predictor.network = lambda inputs: maps[:1]
    (ours,) = predict(task, predictor, [np.zeros((*photo, 3), np.uint8)])
    if task == "normal":
        close(
            torch.stack(list(PhotoPlace.of(photo, size, "squeeze").layers(maps[0]))),
            theirs[0],
            2e-5,
        )
        unit = theirs[0] / (np.linalg.norm(theirs[0], axis=0) + 1e-5)
        np.testing.assert_allclose(ours.transpose(2, 0, 1), unit, atol=1e-3)
    else:
        np.testing.assert_allclose(ours, theirs[0, 0], atol=2e-5)


def brightness(scale):
    """In place of a network: each keypoint is the brightest place of the red channel."""

    def maps(inputs):
        pixels = torch.from_numpy(np.stack(inputs)).permute(0, 3, 1, 2).float() / 255
        red = torch.nn.functional.interpolate(
            pixels[:, :1], scale_factor=1 / scale, mode="bilinear", align_corners=True
        )
        return red.expand(-1, 17, -1, -1)

    return maps


def spot(height, width, x, y, spread):
    """A photo of a bright spot."""
    down, right = np.mgrid[:height, :width]
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = 255 * np.exp(-((right - x) ** 2 + (down - y) ** 2) / (2 * spread**2))
    return image


@settings(max_examples=25, deadline=None)
@given(
    st.integers(150, 500), st.integers(150, 500), st.floats(0.2, 0.8), st.floats(0.2, 0.8),
    st.booleans(),
)  # fmt: skip
def test_a_point_is_found_where_it_is(height, width, right, down, whole):
    """Also in photos without boxes, which are one person each, whatever their proportions."""
    x, y = right * (width - 1), down * (height - 1)
    predictor = Predictor(small_model("pose", size=(256, 192)))
    predictor.network = brightness(4)
    reach = max(height, width)
    box = None if whole else [[x - reach / 5, y - reach / 7, x + reach / 6, y + reach / 4]]
    (points,) = predictor.poses([spot(height, width, x, y, reach / 25)], [box])
    assert points.shape == (1, 17, 3)
    pixel = reach * 1.25 / 48  # of a heatmap, at least
    np.testing.assert_allclose(points[0, :, :2], np.tile([x, y], (17, 1)), atol=pixel / 4)
    assert (points[..., 2] > 0.8).all()


@pytest.mark.parametrize("task", OUTPUTS)
@pytest.mark.parametrize("fit", ["squeeze", "letterbox"])
def test_a_batch_of_mixed_sizes_gives_what_single_photos_give(task, fit):
    model = small_model(task)
    pictures = photos(*MIXED)
    together = predict(task, Predictor(model, batch=3, fit=fit), pictures)
    alone = [predict(task, Predictor(model, batch=1, fit=fit), [photo])[0] for photo in pictures]
    assert len(together) == len(pictures)
    for a, b, photo in zip(together, alone, pictures, strict=True):
        assert a.shape == b.shape
        if task != "pose":
            assert a.shape[:2] == photo.shape[:2]
        if task == "segmentation":
            assert a.dtype == np.uint8 and (a != b).mean() <= 0.001
        elif task == "pose":
            np.testing.assert_allclose(a[..., 2], b[..., 2], atol=1e-4)
        else:
            np.testing.assert_allclose(a, b, atol=1e-4)


def test_people_of_several_photos_share_batches_and_stay_in_order():
    pictures = [spot(200, 200, 40 + 30 * i, 100, 8) for i in range(5)]
    counts = (2, 0, 3, 1, 0)
    boxes = [
        np.array([[20 + 5 * n, 20, 190, 190] for n in range(count)], float).reshape(-1, 4)
        for count in counts
    ]
    predictor = Predictor(small_model("pose", size=(256, 192)), batch=4)
    seen = []

    def network(inputs):
        seen.append(len(inputs))
        return brightness(4)(inputs)

    predictor.network = network
    found = list(predictor.poses(iter(pictures), iter(boxes)))
    assert seen == [4, 2]
    assert [len(people) for people in found] == list(counts)
    for i, people in enumerate(found):
        np.testing.assert_allclose(people[..., 0], 40 + 30 * i, atol=1)
    assert list(predictor.poses([], [])) == []
    with pytest.raises(ValueError, match="shorter"):
        list(predictor.poses(pictures, boxes[:2]))


@pytest.mark.parametrize("task", OUTPUTS)
@pytest.mark.parametrize("fit", ["squeeze", "letterbox"])
def test_with_a_flip_test_a_mirrored_photo_gives_the_mirrored_result(task, fit):
    """Whatever the weights are: they see a photo and its mirror image alike."""
    predictor = Predictor(small_model(task), flip=True, fit=fit)
    (photo,) = photos((96, 72))
    width = photo.shape[1]
    mirror = np.ascontiguousarray(photo[:, ::-1])
    if task == "pose":
        box = np.array([[8, 10, 60, 80.0]])
        other = np.array([[width - 1 - 60, 10, width - 1 - 8, 80.0]])
        a, b = predictor.poses([photo, mirror], [box, other])
        maps = predictor.network
        assert maps.flip
        back = b[:, keypoint_vocabulary(17).flip]
        np.testing.assert_allclose(back[..., 2], a[..., 2], rtol=0.05, atol=0.02)
        return
    a, b = predict(task, predictor, [photo, mirror])
    back = b[:, ::-1]
    if task == "segmentation":
        assert (part_vocabulary(28).flip[back] != a).mean() < 0.01
        assert len(np.unique(a)) > 2
        return
    if task == "normal":
        back = back * [-1, 1, 1]
    np.testing.assert_allclose(back, a, atol=0.01)
    (plain,) = predict(task, Predictor(small_model(task), fit=fit), [photo])
    assert np.abs(plain - a).max() > 0.05  # the weights alone do not


@pytest.mark.parametrize("task", OUTPUTS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_close_and_leaves_the_model_as_it_is(task, dtype):
    model = small_model(task)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    pictures = photos((80, 60), (50, 90))
    exact = predict(task, Predictor(model), pictures)
    half = predict(task, Predictor(model, dtype=dtype), pictures)
    for a, b in zip(exact, half, strict=True):
        if task == "segmentation":
            assert (a != b).mean() < 0.1
        else:
            assert b.dtype == np.float32
            a, b = (a[..., 2], b[..., 2]) if task == "pose" else (a, b)
            assert np.abs(a - b).mean() < 0.1 * np.abs(a).mean()
    for key, value in model.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, before[key])


@pytest.mark.parametrize("task", OUTPUTS)
@pytest.mark.parametrize("size", [(32, 32), (96, 64), (48, 112)])
def test_inputs_of_other_sizes(task, size):
    predictor = Predictor(small_model(task), size=size)
    photo = photos((70, 110))[0]
    (found,) = predict(task, predictor, [photo])
    assert np.isfinite(found).all()
    assert found.shape[:2] == ((1, 17) if task == "pose" else (70, 110))


def test_a_model_in_training_goes_on_training():
    model = small_model("depth").train()
    a, b = (next(Predictor(model).depths(photos((64, 48)))) for _ in range(2))
    assert model.training and model.head.training
    np.testing.assert_array_equal(a, b)  # no channel was dropped by chance


def test_outside_of_a_mask_depth_and_normals_are_nan():
    photo = photos((60, 50))[0]
    mask = np.zeros((60, 50), bool)
    mask[10:30, 5:20] = True
    for task in ("depth", "normal"):
        predictor = Predictor(small_model(task))
        a, b = predict(task, predictor, [photo, photo], masks=[mask, None])
        assert np.isnan(a[~mask]).all()
        np.testing.assert_array_equal(a[mask], b[mask])
        with pytest.raises(ValueError, match="mask"):
            predict(task, predictor, [photo], masks=[mask[:-1]])
    empty = next(predictor.normals([photo], [np.zeros_like(mask)]))
    assert np.isnan(empty).all()


def test_normals_are_of_length_one():
    (found,) = Predictor(small_model("normal")).normals(photos((60, 50)))
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, atol=1e-3)


def test_parts_of_people_are_put_where_their_boxes_are():
    """In place of a network: a pixel's class is 1 more than whether it is red; black is none."""

    def network(inputs):
        pixels = torch.from_numpy(np.stack(inputs)).permute(0, 3, 1, 2).float() / 255
        logits = torch.zeros(len(inputs), 28, *pixels.shape[2:])
        logits[:, 0] = 0.5
        logits[:, 22], logits[:, 12] = pixels[:, 0], pixels[:, 1]
        return logits

    photo = np.zeros((120, 150, 3), np.uint8)
    photo[20:60, 30:50, 0] = 255
    photo[60:90, 30:50, 1] = 255
    photo[40:100, 100:130, 1] = 255
    photo[5:9, 140:148, 0] = 255  # in no box
    truth = np.where(photo[..., 0] > 0, 22, np.where(photo[..., 1] > 0, 12, 0))
    truth[5:9, 140:148] = 0
    predictor = Predictor(small_model("segmentation", size=(256, 192)), batch=2)
    predictor.network = network
    boxes = np.array([[28, 18, 52, 92], [98, 38, 132, 102], [26, 16, 60, 95.0]])
    found, none, again = predictor.parts([photo] * 3, [boxes, boxes[:0], boxes[::-1]])
    assert (found != truth).mean() < 0.02 and set(np.unique(found)) == {0, 12, 22}
    edges = np.abs(np.diff(truth.astype(int), axis=1, prepend=0)) + np.abs(
        np.diff(truth.astype(int), axis=0, prepend=0)
    )
    far = np.argwhere(found != truth)
    near = np.argwhere(edges > 0)
    assert all(np.abs(near - place).max(1).min() <= 1 for place in far)
    assert (none == 0).all()
    assert (again != truth).mean() < 0.02


def test_absent_points_are_zero():
    predictor = Predictor(small_model("pose"))
    predictor.network = lambda inputs: -torch.ones(len(inputs), 17, 16, 12)
    (points,) = predictor.poses(photos((50, 50)), [[[10, 10, 40, 40]]])
    assert (points == 0).all()


@pytest.mark.parametrize(
    "box, words",
    [
        ([5, 5, 5, 20], "empty"),
        ([20, 5, 10, 20], "empty"),
        ([float("nan"), 0, 10, 10], "finite"),
        ([60, 0, 70, 10], "outside"),
        ([-20, 0, -1, 10], "outside"),
    ],
)
def test_broken_boxes_are_told(box, words):
    with pytest.raises(ValueError, match=words):
        list(Predictor(small_model("pose")).poses(photos((50, 50)), [[box]]))


def test_wrong_tasks_sizes_and_weights_are_told():
    model = small_model("pose")
    with pytest.raises(WebbodyError, match="for pose, not for depth"):
        list(Predictor(model).depths(photos((50, 50))))
    with pytest.raises(WebbodyError, match="multiples of 16"):
        Predictor(model, size=(60, 48))
    with pytest.raises(WebbodyError, match="weights are broken"):
        broken = small_model("depth")
        torch.nn.init.constant_(broken.head.final.bias, float("nan"))
        list(Predictor(broken).depths(photos((50, 50))))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([SIZE, (32, 96), (64, 64)]))
def test_a_letterboxed_photo_keeps_its_proportions_and_comes_back(height, width, size):
    place = PhotoPlace.of((height, width), size, "letterbox")
    assert place.top >= 0 and place.top + place.height <= size[0]
    assert place.left >= 0 and place.left + place.width <= size[1]
    assert place.height == size[0] or place.width == size[1]
    scale = min(size[0] / height, size[1] / width)
    assert abs(place.height - max(1, height * scale)) <= 0.5
    assert abs(place.width - max(1, width * scale)) <= 0.5
    photo = np.full((height, width, 3), (10, 200, 30), np.uint8)
    shown = place.input_of(photo)
    assert shown.shape == (*size, 3)
    inside = (shown == (10, 200, 30)).all(-1)
    assert inside.sum() == place.height * place.width
    maps = torch.from_numpy(np.where(inside, 5.0, -1.0)).float()[None]
    (back,) = place.layers(maps)
    assert back.shape == (height, width) and (back - 5).abs().max() < 1e-4


@pytest.mark.gpu
@pytest.mark.parametrize("task", OUTPUTS)
def test_a_gpu_gives_what_the_cpu_gives(task):
    model = small_model(task)
    pictures = photos(*MIXED)
    boxes = [[[1, 1, photo.shape[1], photo.shape[0]]] for photo in pictures]
    boxes[-1] = [[0, 0, 1, 1]]
    options = {"boxes": boxes} if task in ("pose", "segmentation") else {}
    on_cpu = predict(task, Predictor(model, flip=True), pictures, **options)
    on_gpu = predict(task, Predictor(model, "cuda", flip=True), pictures, **options)
    assert next(model.parameters()).device.type == "cpu"
    for a, b in zip(on_cpu, on_gpu, strict=True):
        if task == "segmentation":
            assert (a != b).mean() < 0.02
        elif task == "pose":
            np.testing.assert_allclose(a[..., 2], b[..., 2], atol=1e-2)
        else:
            np.testing.assert_allclose(a, b, atol=2e-2)
    half = predict(task, Predictor(model, "cuda", torch.bfloat16), pictures, **options)
    assert all(np.isfinite(found).all() for found in half)
