"""The face embedder: CVLFace's ViT with KP-RPE, on aligned 112 x 112 crops (Kim et al., CVPR 2024).

Shape suffixes: B batch, N tokens (196), D width, O output size, L landmarks, H heads,
K buckets, C context size of KP-RPE.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model.checkpoint import check_state_dict, read_state_dict
from model.encoder import EncoderBlock, drop_path_rates, norm_in_float
from model.kprpe import BUCKETS, RelativeBias, bucket_map, tables_by_block
from model.random_numbers import uniform
from webbody.geometry import FACE_SIDE
from webbody.json_text import parse_json

PATCH = 8
GRID = FACE_SIDE // PATCH
TOKENS = GRID * GRID
LANDMARKS = 5
#: The files of a folder, and what its family is called in builds.
CONFIG, WEIGHTS, FAMILY = "model.json", "model.safetensors", "kprpe-vit"
#: Sizes by name; base is CVLFace's ViT-B, tiny the demo's.
PRESETS: dict[str, dict[str, Any]] = {
    "base": {},
    "small": {"depth": 12, "width": 384, "heads": 12},
    "tiny": {"depth": 4, "width": 80, "heads": 2, "drop_path": 0.0},
}


def grid_centres(side: int) -> Tensor:
    """Centres (x, y) in [0, 1] of a side x side grid, row by row: (side * side, 2)."""
    ticks = (torch.arange(side, device="cpu") + 0.5) / side
    y, x = torch.meshgrid(ticks, ticks, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


class LandmarkBias(nn.Linear):
    """Biases of all blocks of a face ViT from its landmarks; starts as no bias at all.

    The context of a token is its centre minus each landmark, 2 L numbers. Rows of the weight are
    ordered block, head, bucket. Nothing is shared between blocks or heads.
    """

    buckets_NN: Tensor
    centres_N2: Tensor

    def __init__(self, side: int, landmarks: int, depth: int, heads: int) -> None:
        super().__init__(2 * landmarks, depth * heads * BUCKETS)
        self.depth = depth
        rows, columns = zip(*((i // side, i % side) for i in range(side * side)), strict=True)
        self.register_buffer("buckets_NN", bucket_map(list(rows), list(columns)), persistent=False)
        self.register_buffer("centres_N2", grid_centres(side), persistent=False)

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def context(self, landmarks_BL2: Tensor) -> Tensor:
        """Token centres relative to the landmarks (x, y in [0, 1]): (B, N, C)."""
        return (self.centres_N2[:, None] - landmarks_BL2[:, None]).flatten(2)

    def biases(self, context_BNC: Tensor) -> Iterator[RelativeBias]:
        """Every block's attention bias in turn."""
        for tables_BNX in tables_by_block(self, context_BNC, self.depth):
            yield RelativeBias(tables_BNX.unflatten(-1, (-1, BUCKETS)), self.buckets_NN)


class PatchEmbed(nn.Module):
    """Non-overlapping 8 x 8 patches to tokens, row by row."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH)

    def forward(self, images_B3HW: Tensor) -> Tensor:
        tokens_BND: Tensor = self.proj(images_B3HW).flatten(2).transpose(1, 2)
        return tokens_BND


class FaceViT(nn.Module):
    """The network itself; `FaceEmbedder` holds it as `net`, as the published checkpoints do."""

    def __init__(
        self,
        depth: int,
        width: int,
        heads: int,
        mlp_ratio: float,
        output_dim: int,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.empty(1, TOKENS, width))
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.patch_embed = PatchEmbed(width)
        self.blocks = nn.ModuleList(
            EncoderBlock(width, heads, mlp_ratio, rate)
            for rate in drop_path_rates(drop_path, depth)
        )
        self.norm = nn.LayerNorm(width)
        self.feature = nn.Sequential(
            nn.Linear(TOKENS * width, width, bias=False),
            nn.BatchNorm1d(width, eps=2e-5),
            nn.Linear(width, output_dim, bias=False),
            nn.BatchNorm1d(output_dim, eps=2e-5),
        )
        self.keypoint_linear = LandmarkBias(GRID, LANDMARKS, depth, heads)

    def forward(
        self, images_B3HW: Tensor, landmarks_B52: Tensor, seeds_B: Tensor | None = None
    ) -> Tensor:
        x_BND = self.patch_embed(images_B3HW) + self.pos_embed
        context_BNC = self.keypoint_linear.context(landmarks_B52)
        biases = self.keypoint_linear.biases(context_BNC)
        noises: Sequence[Tensor | None] = [None] * (2 * len(self.blocks))
        if self.training and seeds_B is not None:
            noises = uniform(seeds_B, len(noises), stream=1).unbind(1)
        pairs = zip(noises[::2], noises[1::2], strict=True)
        for block, bias, noise in zip(self.blocks, biases, pairs, strict=True):
            x_BND = block(x_BND, bias, noise)
        x_BND = norm_in_float(self.norm, x_BND)
        feature_BF: Tensor = self.feature(x_BND.flatten(1).to(self.norm.weight.dtype))
        return feature_BF


class FaceEmbedder(nn.Module):
    """Face feature of an aligned crop and its five landmarks; the defaults are CVLFace's ViT-B.

    State-dict names and shapes are those of the published CVLFace checkpoints (283 for ViT-B).

    Args:
        depth: Transformer blocks.
        width: Size of a token.
        heads: Attention heads of a block.
        mlp_ratio: Hidden units of a block's MLP, in widths.
        output_dim: Size of a feature.
        drop_path: Stochastic depth of the last block.
    """

    def __init__(
        self,
        depth: int = 24,
        width: int = 512,
        heads: int = 16,
        mlp_ratio: float = 3.0,
        output_dim: int = 512,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        self.config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        self.output_dim = output_dim
        self.net = FaceViT(depth, width, heads, mlp_ratio, output_dim, drop_path)

    def forward(
        self, images_B3HW: Tensor, landmarks_B52: Tensor, seeds_B: Tensor | None = None
    ) -> Tensor:
        """Compute features; their norm tells the face's quality.

        Args:
            images_B3HW: RGB, 112 x 112, in [-1, 1].
            landmarks_B52: x, y as fractions of the crop (a little outside [0, 1] is fine), in the
                order eye, eye, nose, mouth corner, mouth corner, image-left ones first.
            seeds_B: int64 seeds of each face's drop path in training; torch's own random state by
                default.

        Returns:
            Features (B, output_dim), not normalised.

        Raises:
            ValueError: Images or landmarks of another shape.
        """
        batch = len(images_B3HW)
        if images_B3HW.shape != (batch, 3, FACE_SIDE, FACE_SIDE):
            shape = tuple(images_B3HW.shape)
            raise ValueError(f"images must be (B, 3, {FACE_SIDE}, {FACE_SIDE}), not {shape}")
        if landmarks_B52.shape != (batch, LANDMARKS, 2):
            shape = tuple(landmarks_B52.shape)
            raise ValueError(f"landmarks must be ({batch}, {LANDMARKS}, 2), not {shape}")
        feature_BF: Tensor = self.net(images_B3HW, landmarks_B52, seeds_B)
        return feature_BF

    def save_pretrained(self, folder: str | Path) -> None:
        """Write model.safetensors and model.json; a build takes the folder as `faces.embedder`.

        Args:
            folder: Where to; it is made where there is none.
        """
        from safetensors.torch import save_file

        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        about = {"family": FAMILY, "arguments": self.config}
        (place / CONFIG).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        state = {key: value.contiguous() for key, value in self.state_dict().items()}
        save_file(state, place / WEIGHTS)

    @classmethod
    def from_pretrained(cls, path: str | Path) -> "FaceEmbedder":
        """Read a CVLFace checkpoint, or a folder of `save_pretrained`, ready for inference.

        Args:
            path: A folder, a .safetensors or a torch file; depth, width, heads and output size
                come from the shapes in it.

        Returns:
            The model in float32, in evaluation mode.

        Raises:
            ValueError: It names every key that is missing, unexpected or of the wrong shape.
        """
        path = Path(path)
        state = read_state_dict(path / WEIGHTS if path.is_dir() else path)
        sizes = _sizes(state, path)
        if path.is_dir():
            _check_arguments(path / CONFIG, sizes)
        # Built on the meta device first: a wrong file is refused before memory is allocated.
        with torch.device("meta"):
            model = cls(**sizes, drop_path=0.0)
        check_state_dict(state, model.state_dict(), path)
        model.load_state_dict(state, assign=True)
        return model.float().eval()


def _check_arguments(config: Path, sizes: Mapping[str, Any]) -> None:
    """ValueError where a folder's model.json says another model than its weights are."""
    if not config.is_file():
        return
    about = parse_json(config.read_bytes())
    said = about.get("arguments", {}) if isinstance(about, dict) else None
    if not isinstance(said, dict):
        raise ValueError(f"{config} describes no model")
    for name, value in said.items():
        if name not in (*sizes, "drop_path"):
            raise ValueError(f"{config}: {name[:40]!r} is no argument of a face embedder")
        if name in sizes and not _is_near(value, sizes[name]):
            raise ValueError(
                f"{config} says {name} {str(value)[:40]}, and the weights have {sizes[name]:g}"
            )


def _is_near(value: object, size: float) -> bool:
    return isinstance(value, int | float) and math.isclose(value, size, rel_tol=1e-3)


def _sizes(state: Mapping[str, Tensor], path: str | Path) -> dict[str, Any]:
    """Constructor arguments, from the shapes of the tensors."""
    needed = {
        "net.pos_embed": 3,
        "net.blocks.0.mlp.fc1.weight": 2,
        "net.feature.2.weight": 2,
        "net.keypoint_linear.weight": 2,
    }
    wrong = [key for key, ndim in needed.items() if key not in state or state[key].ndim != ndim]
    if wrong:
        names = ", ".join(wrong)
        raise ValueError(f"{path} is no CVLFace ViT with KP-RPE: missing or misshapen {names}")
    width = state["net.pos_embed"].shape[-1]
    blocks = {key.split(".")[2] for key in state if key.startswith("net.blocks.")}
    depth = len(blocks)
    if blocks != {str(number) for number in range(depth)}:
        raise ValueError(f"{path} is no CVLFace ViT with KP-RPE: its blocks are not numbered")
    heads = max(1, state["net.keypoint_linear.weight"].shape[0] // (BUCKETS * depth))
    if width % heads:
        raise ValueError(f"{path}: net.keypoint_linear.weight does not fit the width {width}")
    return {
        "depth": depth,
        "width": width,
        "heads": heads,
        "mlp_ratio": state["net.blocks.0.mlp.fc1.weight"].shape[0] / width,
        "output_dim": state["net.feature.2.weight"].shape[0],
    }
