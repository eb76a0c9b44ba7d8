import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from model import FaceEmbedder
from model.face_embedder import LandmarkBias, grid_centres
from tests.model.golden_weights import rule_weights

DATA = Path(__file__).parent / "data"


def small() -> FaceEmbedder:
    """A model of two blocks with the golden outputs' weight rule."""
    model = FaceEmbedder(depth=2, width=32, heads=4, output_dim=16, drop_path=0.0)
    model.load_state_dict(rule_weights(model.state_dict(), seed=1))
    return model.eval()


def faces(count: int) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    images = torch.rand(count, 3, 112, 112, generator=random) * 2 - 1
    return images, torch.rand(count, 5, 2, generator=random)


@pytest.mark.parametrize("name", ["kprpe_tiny_seed0", "kprpe_tiny_seed3"])
def test_equals_the_reference(name: str, tmp_path: Path) -> None:
    golden = np.load(DATA / "kprpe" / f"{name}.npz")
    sizes = {name: int(golden[name]) for name in ("depth", "mlp_ratio", "output_dim")}
    model = FaceEmbedder(width=int(golden["embed_dim"]), heads=int(golden["num_heads"]), **sizes)
    path = tmp_path / "model.pt"
    torch.save(rule_weights(model.state_dict(), int(golden["weight_seed"])), path)

    images = torch.from_numpy(golden["images"]).permute(0, 3, 1, 2).float() / 255 * 2 - 1
    with torch.inference_mode():
        feature = FaceEmbedder.from_pretrained(path)(images, torch.from_numpy(golden["landmarks5"]))
    np.testing.assert_allclose(feature.numpy(), golden["feature"], atol=1e-4, rtol=0)


def test_vit_base_has_exactly_the_published_entries() -> None:
    with open(DATA / "keys_cvlface_vit_base_kprpe.tsv") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    published = {row["name"]: (row["shape"], row["dtype"]) for row in rows}
    with torch.device("meta"):
        model = FaceEmbedder()
    own = {key: (str(list(v.shape)), str(v.dtype)[6:]) for key, v in model.state_dict().items()}
    assert own == published and len(own) == 283


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_loads_what_was_saved(suffix: str, dtype: torch.dtype, tmp_path: Path) -> None:
    model = small()
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in model.state_dict().items()}
    path = tmp_path / f"model{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    loaded = FaceEmbedder.from_pretrained(path)
    assert not loaded.training
    assert all(p.dtype == torch.float32 and p.requires_grad for p in loaded.parameters())
    tolerance = 1e-6 if dtype == torch.float32 else 2e-2
    with torch.inference_mode():
        one, other = loaded(*faces(2)), model(*faces(2))
    torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance)


def test_every_mismatch_is_told_at_once(tmp_path: Path) -> None:
    state = small().state_dict()
    del state["net.norm.bias"], state["net.blocks.1.attn.proj.weight"]
    state["net.head.weight"] = torch.zeros(2)
    state["net.feature.1.weight"] = torch.zeros(3)
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(ValueError) as error:
        FaceEmbedder.from_pretrained(tmp_path / "model.pt")
    for part in (
        "missing net.norm.bias",
        "missing net.blocks.1.attn.proj.weight",
        "unexpected net.head.weight",
        "net.feature.1.weight is (3,), expected (32,)",
    ):
        assert part in str(error.value)


def test_other_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with pytest.raises(FileNotFoundError, match=r"model\.pt"):
        FaceEmbedder.from_pretrained(path)
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="no readable weights"):
        FaceEmbedder.from_pretrained(path)
    torch.save([torch.zeros(1)], path)
    with pytest.raises(ValueError, match="no state dict"):
        FaceEmbedder.from_pretrained(path)
    torch.save({"fc.weight": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"no CVLFace ViT.*net\.pos_embed"):
        FaceEmbedder.from_pretrained(path)
    (tmp_path / "model.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(ValueError, match="no readable weights"):
        FaceEmbedder.from_pretrained(tmp_path / "model.safetensors")


def test_a_face_does_not_depend_on_its_batch() -> None:
    model = small()
    images, landmarks = faces(3)
    with torch.inference_mode():
        together = model(images, landmarks)
        alone = torch.cat([model(images[i : i + 1], landmarks[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_landmarks_matter() -> None:
    model = small()
    images, landmarks = faces(1)
    with torch.inference_mode():
        one, other = model(images, landmarks), model(images, landmarks.flip(1))
    assert not torch.allclose(one, other, atol=1e-3)


def test_gradient_reaches_every_parameter() -> None:
    model = small().train()
    model(*faces(2)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    linear = model.net.keypoint_linear.weight.grad
    assert linear is not None and linear.any()


def test_wrong_inputs_are_refused() -> None:
    model = small()
    images, landmarks = faces(2)
    with pytest.raises(ValueError, match="images must be"):
        model(images[..., :96], landmarks)
    with pytest.raises(ValueError, match="landmarks must be"):
        model(images, landmarks[:1])


def test_grid_runs_row_by_row() -> None:
    assert grid_centres(2).tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]


def test_landmark_bias_starts_at_zero_and_then_follows_the_landmarks() -> None:
    torch.manual_seed(0)
    bias = LandmarkBias(side=4, landmarks=5, depth=3, heads=2)
    context = bias.context(torch.rand(2, 5, 2))
    assert context.shape == (2, 16, 10)
    assert not any(block.dense().any() for block in bias.biases(context))
    torch.nn.init.normal_(bias.weight)
    blocks = [block.dense() for block in bias.biases(context)]
    assert [block.shape for block in blocks] == [(2, 2, 16, 16)] * 3
    assert not torch.allclose(blocks[1][0], blocks[1][1])
    assert not torch.allclose(blocks[1], blocks[2])


def test_gradient_reaches_only_the_blocks_own_rows() -> None:
    bias = LandmarkBias(side=4, landmarks=5, depth=3, heads=2)
    torch.manual_seed(0)
    out = list(bias.biases(bias.context(torch.rand(2, 5, 2))))[1].dense()
    (out * torch.randn_like(out)).sum().backward()
    touched = bias.weight.grad.unflatten(0, (3, -1)).flatten(1).any(1)
    assert touched.tolist() == [False, True, False]
