"""The encoder against the reference's outputs, timm, and the published keys and sizes."""

import csv
import gzip
from collections import defaultdict
from functools import partial

import pytest
import timm
import torch

from model.sapiens.arithmetic import encoder_macs, head_macs, norm_operations
from model.sapiens.encoder import EPSILON, SapiensEncoder, parameter_count
from model.sapiens.masked_autoencoder import MaskedAutoencoder
from model.sapiens.positions import grid_of, resampled, sine_cosine
from model.sapiens.published import config_of, from_published, to_published, without_head
from model.sapiens.saved import _built
from model.sapiens.sizes import SIZES, EncoderSize
from model.sapiens.task_model import SapiensModel
from tests.model.sapiens.reference import DATA, SEEDS, close, golden, inputs, size_of, weights


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("padding, name", [(0, "default"), (2, "pad2")])
@pytest.mark.parametrize("kind", ["cls", "nocls"])
def test_features_are_those_of_the_reference(seed: int, padding: int, name: str, kind: str) -> None:
    arrays = golden("encoder", seed)
    model = SapiensEncoder(
        size_of(arrays),
        tuple(arrays["size"].tolist()),
        class_token=kind == "cls",
        patch_padding=padding,
    )
    model.load_state_dict(without_head(weights(arrays, seed, f"_{kind}")))
    model.eval()
    with torch.no_grad():
        close(model(inputs(arrays["image"])), arrays[f"map_{name}_{kind}"], 2e-5)
        if kind == "cls":
            found = model.summary(inputs(arrays["image"]))
            close(found["class"], arrays[f"cls_{name}_cls"], 2e-5)
            close(found["map"], arrays[f"map_{name}_cls"], 2e-5)
            close(found["mean"], arrays[f"map_{name}_cls"].mean((2, 3)), 2e-5)
        else:
            for other in ("odd", "tall"):
                theirs = arrays[f"{other}_{name}_nocls"]
                close(model(inputs(arrays[f"image_{other}"])), theirs, 2e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_positions_are_those_of_the_reference(seed: int) -> None:
    arrays = golden("posembed", seed)
    source, target = tuple(arrays["src_grid"].tolist()), tuple(arrays["grid"].tolist())
    table = torch.from_numpy(arrays["src_cls"])
    ours = resampled(table, source, target, class_token=True)
    close(ours, arrays["dst_cls"], 1e-6)
    close(ours[:, 1:], arrays["dst_nocls"], 1e-6)
    alone = resampled(table[:, 1:], source, target, class_token=False)
    close(alone, arrays["dst_from_nocls"], 1e-6)
    fixed = sine_cosine(source, table.shape[2], class_token=True)
    close(fixed, arrays["sincos_square"], 1e-6)


@pytest.mark.parametrize("class_token", [False, True])
def test_timm_computes_the_same_to_the_last_bit(class_token: bool) -> None:
    size = EncoderSize(64, 3, 4)
    ours = SapiensEncoder(size, (64, 48), class_token=class_token).eval()
    theirs = timm.models.VisionTransformer(
        img_size=(64, 48),
        patch_size=16,
        embed_dim=64,
        depth=3,
        num_heads=4,
        num_classes=0,
        global_pool="",
        class_token=class_token,
        norm_layer=partial(torch.nn.LayerNorm, eps=EPSILON),
    ).eval()
    state = {
        key.replace("patch_embed.", "patch_embed.proj."): value
        for key, value in ours.state_dict().items()
    }
    theirs.load_state_dict(state)
    images = torch.randn(2, 3, 64, 48)
    with torch.no_grad():
        assert torch.equal(ours.tokens(images)[0], theirs.forward_features(images))


def _published_shapes() -> dict[str, dict[str, tuple[int, ...]]]:
    found: dict[str, dict[str, tuple[int, ...]]] = defaultdict(dict)
    with gzip.open(DATA / "keys_0.3b.tsv.gz", "rt") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            shape = tuple(int(side) for side in row["shape"].split("x"))
            found[row["checkpoint"]][row["name"]] = shape
    return found


def test_the_six_published_layouts_load_strictly() -> None:
    layouts = _published_shapes()
    assert sum(map(len, layouts.values())) == 1904 and len(layouts) == 6
    tasks = {}
    for name, shapes in layouts.items():
        with torch.device("meta"):
            state = {key: torch.empty(shape) for key, shape in shapes.items()}
            own = from_published(state)
            config = config_of(own)
            tasks[name] = (config["task"], config.get("patch_padding"), config.get("image_size"))
            if config["task"] == "encoder":
                size = EncoderSize(**config["size"])
                model = SapiensEncoder(size, (1024, 1024), class_token=True)
                expected = {f"encoder.{key}": v for key, v in model.state_dict().items()}
            else:
                expected = _built(config).state_dict()
        assert {k: v.shape for k, v in own.items()} == {k: v.shape for k, v in expected.items()}
        back = to_published(own, backbone=name != "pretrain_clean")
        assert set(back) == set(shapes)
    assert tasks == {
        "pretrain_full": ("pretraining", None, None),
        "pretrain_clean": ("encoder", 0, [1024, 1024]),
        "pose308": ("pose", 2, [1024, 768]),
        "seg28": ("segmentation", 0, [1024, 768]),
        "depth": ("depth", 0, [1024, 768]),
        "normal": ("normal", 2, [1024, 768]),
    }


#: By name: encoder at 1024 x 1024 with class token, at 1024 x 768 without, decoder.
PARAMETERS = {
    "0.3b": (307_295_232, 306_244_608, 28_237_056),
    "0.6b": (635_910_400, 634_597_120, 28_368_128),
    "1b": (1_140_739_584, 1_139_163_648, 28_499_200),
    "2b": (2_133_912_960, 2_131_943_040, 28_695_808),
}
#: In 10^12: linear layers and patches with 4,097 tokens; with the norms; attention's products;
#: all products at 1024 x 768.
MACS = {
    "0.3b": (1.2405, 1.2415, 0.825, 1.394),
    "0.6b": (2.5816, 2.5833, 1.375, 2.709),
    "1b": (4.6445, 4.6471, 2.063, 4.642),
    "2b": (8.7055, 8.7093, 3.094, 8.267),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_and_multiplications_are_those_of_the_paper(name: str) -> None:
    size = SIZES[name]
    with torch.device("meta"):
        whole = MaskedAutoencoder(size, 1024)
        tall = SapiensEncoder(size, (1024, 768))
    square = parameter_count(whole.encoder)
    assert (square, parameter_count(tall), parameter_count(whole) - square) == PARAMETERS[name]
    linear = encoder_macs(size, 4096, class_token=True, attention=False)
    attention = encoder_macs(size, 4096, class_token=True) - linear
    true = encoder_macs(size, 3072)
    found = (linear, linear + norm_operations(size, 4097))
    assert tuple(round(value / 1e12, 4) for value in found) == MACS[name][:2]
    assert tuple(round(value / 1e12, 3) for value in (attention, true)) == MACS[name][2:]


@pytest.mark.parametrize(
    "task, outputs, parameters, macs",
    [
        ("pose", 308, 23.4, 0.22),
        ("segmentation", 28, 33.25, 0.97),
        ("depth", 1, 13.67, 0.86),
        ("normal", 3, 33.23, 0.97),
    ],
)
def test_heads_cost_what_the_published_ones_do(
    task: str, outputs: int, parameters: float, macs: float
) -> None:
    with torch.device("meta"):
        model = SapiensModel(task, SIZES["0.3b"], (1024, 768), outputs)
    digits = 1 if task == "pose" else 2
    assert round(parameter_count(model.head) / 1e6, digits) == parameters
    assert round(head_macs(model.head, (64, 48)) / 1e12, 2) == macs
    assert not any("norm" in key or "running" in key for key in model.head.state_dict())


def test_recomputing_layers_changes_no_gradient() -> None:
    size, found = EncoderSize(32, 2, 2), []
    images = torch.randn(1, 3, 32, 32)
    for recompute in (False, True):
        torch.manual_seed(0)
        model = SapiensEncoder(size, (32, 32), recompute=recompute)
        model(images).square().sum().backward()
        found.append([parameter.grad for parameter in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("rows, grid", [(3072, (64, 48)), (4097, (64, 64)), (12, (4, 3))])
def test_a_table_tells_its_grid(rows: int, grid: tuple[int, int]) -> None:
    assert grid_of(rows) == (grid, rows == 4097)


def test_a_table_of_no_grid_is_told() -> None:
    with pytest.raises(ValueError, match="3000 rows"):
        grid_of(3000)


def test_images_of_broken_patches_and_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 16"):
        SapiensEncoder(EncoderSize(32, 1, 2), (40, 32))
    with pytest.raises(ValueError, match="must be 0 or 2"):
        SapiensEncoder(EncoderSize(32, 1, 2), (32, 32), patch_padding=1)
    with pytest.raises(ValueError, match="does not divide among 3"):
        SapiensEncoder(EncoderSize(32, 1, 3), (32, 32))
