"""SapiensID: one feature for any image of a person (Kim et al., CVPR 2025).

Retina patches, few of them kept in training, go through a ViT whose attention knows where the
keypoints are; the semantic head pools the tokens around the keypoints. The feature of an image
depends on nothing else in its batch.

Shape suffixes: B batch, C channels, K keypoints, R regions, T candidate patches, N tokens that
are used, D width, F feature size.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.encoder import EncoderBlock, drop_path_rates, norm_in_float
from model.kprpe import RelativeBias
from model.random_numbers import uniform
from model.sapiensid import pretrained
from model.sapiensid.heads.choice import make_head
from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.keypoint_bias import KeypointBias
from model.sapiensid.masking import first_tokens, mask_bias, random_tokens
from model.sapiensid.part_dropout import dropped
from model.sapiensid.positions import Positions
from model.sapiensid.regions import REGIONS, Region, region_boxes
from model.sapiensid.retina_patch import RetinaPatch, cover, foreground

#: The paper's model, and smaller ones of the same kind.
PRESETS: dict[str, dict[str, Any]] = {
    "base": {"depth": 24, "width": 512, "heads": 16, "feature_dim": 4096},
    "small": {"depth": 12, "width": 256, "heads": 8, "feature_dim": 1024},
    "tiny": {"depth": 4, "width": 128, "heads": 4, "feature_dim": 256},
}


class SapiensID(nn.Module):
    """Images and keypoints to features.

    The defaults are the paper's model with the published weights' behaviour. The ablations of the
    paper's Table 5 are: `regions=()` without Retina Patch, `head="pooled"` without the semantic
    head, `learned_mask=False` to drop tokens instead of masking them, and a constant `tokens` in
    the calls without variable counts.

    Args:
        depth: Transformer blocks.
        width: Size of a token.
        heads: Attention heads of a block.
        feature_dim: Size of a feature.
        mlp_ratio: Hidden units of a block's MLP, in widths.
        drop_path: Stochastic depth of the last block.
        image_size: Side of an image in pixels.
        grid: Patches along a side of a region.
        keypoints: Keypoints of an image.
        regions: Regions of Retina Patch after the whole image.
        level_embedding: Whether regions have a learned embedding.
        keypoint_bias: Hidden size of KP-RPE's network; 0 for no KP-RPE.
        padding: When patches of white padding are no candidates: in "training" (the published
            recipe), "always", or "never".
        learned_mask: Whether a learned mask token stands for dropped tokens.
        mask_counts: Tokens that the mask token stands for: "slots", all unused ones of R x grid x
            grid (the published weights), or "patches", those of the image's own patches (the
            paper).
        coarse_first: Share of images with most of their keypoints that lose their finest patches
            first in training.
        head: "semantic", "pooled", "mapped", "shared", "factored", "part-tokens" or "residual"
            (model/sapiensid/heads).
        offsets: Parts of a head per keypoint.
        datasets: Data sets with part weights of their own.
        peak: Value at a part's peak: "top1" (the published weights) or "softmax" (Eq. 13).
        mean_datasets: Without a data set, use the mean of all part weights (the paper) instead of
            the first ones.
        part_dropout: Share of images whose head misses keypoints in training that are there:
            every second of them all below the head, as in a close-up, the others each by chance.
    """

    def __init__(
        self,
        depth: int = 24,
        width: int = 512,
        heads: int = 16,
        feature_dim: int = 4096,
        *,
        mlp_ratio: float = 3.0,
        drop_path: float = 0.1,
        image_size: int = 384,
        grid: int = 12,
        keypoints: int = 19,
        regions: tuple[Region, ...] = REGIONS,
        level_embedding: bool = False,
        keypoint_bias: int = 512,
        padding: str = "training",
        learned_mask: bool = True,
        mask_counts: str = "slots",
        coarse_first: float = 0.3,
        head: str = "semantic",
        offsets: int = 4,
        datasets: int = 1,
        peak: str = "top1",
        mean_datasets: bool = False,
        part_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.config = {k: v for k, v in locals().items() if k not in ("self", "__class__")}
        if image_size % grid:
            raise ValueError(f"an image of {image_size} pixels has no grid of {grid} patches")
        if mask_counts not in ("slots", "patches"):
            raise ValueError(f"mask_counts must be slots or patches, not {mask_counts!r}")
        if padding not in ("training", "always", "never"):
            raise ValueError(f"padding must be training, always or never, not {padding!r}")
        self.image_size, self.grid, self.keypoints, self.regions = (
            image_size, grid, keypoints, regions,
        )  # fmt: skip
        self.mask_counts, self.coarse_first, self.padding = mask_counts, coarse_first, padding
        self.feature_dim, self.part_dropout = feature_dim, part_dropout
        levels = 1 + len(regions)
        self.slots = levels * grid * grid
        self.positions = Positions(grid, width)
        self.patch_embed = RetinaPatch(width, levels, grid, image_size // grid, level_embedding)
        self.cls_token_D = nn.Parameter(torch.zeros(width))
        self.mask_token_D = (
            nn.Parameter(torch.empty(width).normal_(std=0.02)) if learned_mask else None
        )
        self.keypoint_bias = (
            KeypointBias(width, keypoints, grid, depth, heads, keypoint_bias)
            if keypoint_bias
            else None
        )
        self.blocks = nn.ModuleList(
            EncoderBlock(width, heads, mlp_ratio, rate)
            for rate in drop_path_rates(drop_path, depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = make_head(
            head, width, keypoints, feature_dim, offsets, datasets, peak, mean_datasets
        )

    def forward(
        self,
        images_BCHW: Tensor,
        keypoints_BK3: Tensor,
        tokens: int | None = None,
        datasets_B: Tensor | None = None,
        seeds_B: Tensor | None = None,
    ) -> Tensor:
        """Compute features; their cosine tells how alike two people are.

        Args:
            images_BCHW: RGB in [-1, 1], padded with white to a square of `image_size` pixels.
            keypoints_BK3: x and y as fractions of the image, and visibility; a point that is
                invisible, outside the image or not finite counts as missing.
            tokens: In training the number of tokens kept, by chance, all by default; in evaluation
                the length to pad to (tokens beyond it would be lost), by default that of the
                batch's longest image, for which the host waits.
            datasets_B: Each image's data set, for the part weights; training with several sets.
            seeds_B: int64 seeds of each image's chances in training (its tokens, its drop path),
                which then do not depend on its batch; torch's own random state by default.

        Returns:
            Features (B, F), not normalised.

        Raises:
            ValueError: Images or keypoints of another shape.
        """
        encoded = self.encode(images_BCHW, keypoints_BK3, tokens, seeds_B)
        if self.training and self.part_dropout:
            noise_BX = uniform_numbers(images_BCHW, self.keypoints + 2, seeds_B, stream=2)
            seen_BK = dropped(encoded.visible_BK, noise_BX, self.part_dropout)
            encoded = encoded._replace(visible_BK=seen_BK)
        feature_BF: Tensor = self.head(encoded, datasets_B)
        return feature_BF

    def clip(
        self,
        images_BTCHW: Tensor,
        keypoints_BTK3: Tensor,
        frames_BT: Tensor | None = None,
        tokens: int | None = None,
        datasets_B: Tensor | None = None,
    ) -> Tensor:
        """Compute one feature for the frames of each clip.

        Every frame goes through the encoder by itself; the head sees the tokens of all frames, and
        each part in the frames that show it. With one frame it is what `forward` gives.

        Args:
            images_BTCHW: Frames as the images of `forward`.
            keypoints_BTK3: As in `forward`, of each frame.
            frames_BT: bool, which frames are there, by default all; the others, of any finite
                content, make clips of different lengths one batch.
            tokens: As in `forward`, of each frame.
            datasets_B: As in `forward`, of each clip.

        Returns:
            Features (B, F), not normalised.

        Raises:
            ValueError: Frames or keypoints of another shape, or a clip without any frame.
        """
        if images_BTCHW.ndim != 5 or keypoints_BTK3.shape[:2] != images_BTCHW.shape[:2]:
            shapes = f"{tuple(images_BTCHW.shape)} and {tuple(keypoints_BTK3.shape)}"
            raise ValueError(
                f"clips must be (B, T, 3, S, S) with keypoints (B, T, K, 3), not {shapes}"
            )
        if frames_BT is None:
            frames_BT = torch.ones(
                images_BTCHW.shape[:2], dtype=torch.bool, device=images_BTCHW.device
            )
        if not frames_BT.any(1).all():
            raise ValueError("every clip must have a frame")
        encoded = self.encode(images_BTCHW.flatten(0, 1), keypoints_BTK3.flatten(0, 1), tokens)
        feature_BF: Tensor = self.head(encoded._replace(frames_BT=frames_BT), datasets_B)
        return feature_BF

    def encode(
        self,
        images_BCHW: Tensor,
        keypoints_BK3: Tensor,
        tokens: int | None = None,
        seeds_B: Tensor | None = None,
        choose: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None,
    ) -> Encoded:
        """Compute what `forward` gives to the head.

        Args:
            images_BCHW: As in `forward`.
            keypoints_BK3: As in `forward`.
            tokens: As in `forward`.
            seeds_B: As in `forward`.
            choose: Another choice of tokens: given the candidates (B, T), it returns the tokens as
                first_tokens does, and `tokens` is not looked at.

        Returns:
            Tokens, their positions and boxes, and the keypoints.
        """
        self._check(images_BCHW, keypoints_BK3)
        keypoints_BK3 = visible_inside(keypoints_BK3.float())
        visible_BK = keypoints_BK3[..., 2] > 0
        boxes_BR4 = region_boxes(keypoints_BK3, self.regions, self.grid)
        kept_BT = self._candidates(images_BCHW, boxes_BR4)
        if choose is not None:
            ids_BN, mask_BN = choose(kept_BT)
        else:
            ids_BN, mask_BN = self._choose(kept_BT, visible_BK, tokens, seeds_B)
        positions_BND = self.patch_embed.positions(self.positions, boxes_BR4, ids_BN)
        keypoint_positions_BKD = self.positions.at_keypoints(keypoints_BK3[..., :2])
        x_BND = self.patch_embed(images_BCHW, boxes_BR4, ids_BN) + positions_BND
        biases = self._biases(
            positions_BND, ids_BN, mask_BN, kept_BT, keypoint_positions_BKD, visible_BK
        )
        x_BND = self._transform(x_BND, biases, seeds_B)
        return Encoded(
            x_BND, positions_BND, ids_BN, mask_BN, boxes_BR4, keypoint_positions_BKD, visible_BK
        )

    def _candidates(self, images_BCHW: Tensor, boxes_BR4: Tensor) -> Tensor:
        kept_BT = cover(boxes_BR4, self.grid)
        if self.padding == "never" or (self.padding == "training" and not self.training):
            return kept_BT
        shown_BT = foreground(images_BCHW, self.grid)
        others = kept_BT.shape[1] - shown_BT.shape[1]
        return kept_BT & F.pad(shown_BT, (0, others), value=True)

    def _check(self, images_BCHW: Tensor, keypoints_BK3: Tensor) -> None:
        batch = len(images_BCHW)
        size = self.image_size
        if images_BCHW.shape != (batch, 3, size, size):
            raise ValueError(
                f"images must be (B, 3, {size}, {size}), not {tuple(images_BCHW.shape)}"
            )
        if keypoints_BK3.shape != (batch, self.keypoints, 3):
            shape = tuple(keypoints_BK3.shape)
            raise ValueError(f"keypoints must be ({batch}, {self.keypoints}, 3), not {shape}")

    def _choose(
        self, kept_BT: Tensor, visible_BK: Tensor, tokens: int | None, seeds_B: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if not self.training:
            return first_tokens(kept_BT, int(kept_BT.sum(1).max()) if tokens is None else tokens)
        noise_BX = uniform_numbers(kept_BT, self.slots + 1, seeds_B, stream=0)
        # Two thirds of the keypoints: 13 of 19.
        eligible_B = visible_BK.float().mean(1) > 2 / 3
        coarse_first_B = eligible_B & (noise_BX[:, -1] < self.coarse_first)
        levels = 1 + len(self.regions)
        return random_tokens(
            kept_BT, tokens or self.slots, levels, noise_BX[:, :-1], coarse_first_B
        )

    def _biases(
        self,
        positions_BND: Tensor,
        ids_BN: Tensor,
        mask_BN: Tensor,
        kept_BT: Tensor,
        keypoint_positions_BKD: Tensor,
        visible_BK: Tensor,
    ) -> Iterator[RelativeBias | Tensor]:
        """Every block's attention bias, for CLS, the N tokens and the mask token (if there is one).

        One after the other: those of all blocks at once would dominate the memory.
        """
        extra = (1, 0 if self.mask_token_D is None else 1)
        keys_BM = F.pad(torch.zeros_like(mask_BN, dtype=torch.float32), extra)
        keys_BM = keys_BM.masked_fill(~F.pad(mask_BN, extra, value=True), -torch.inf)
        if self.mask_token_D is not None:
            total_B = kept_BT.sum(1) if self.mask_counts == "patches" else self.slots
            keys_BM[:, -1] = mask_bias(total_B - mask_BN.sum(1))
        if self.keypoint_bias is None:
            yield from repeat(keys_BM[:, None, None], len(self.blocks))
            return
        context_BMC = self.keypoint_bias.context(
            F.pad(positions_BND, (0, 0, *extra)),
            F.pad(mask_BN, extra),
            keypoint_positions_BKD,
            visible_BK,
        )
        cells_BM = F.pad(ids_BN % self.grid**2, extra, value=self.keypoint_bias.cells)
        yield from self.keypoint_bias.biases(context_BMC, cells_BM, keys_BM)

    def _transform(
        self, x_BND: Tensor, biases: Iterable[RelativeBias | Tensor], seeds_B: Tensor | None
    ) -> Tensor:
        """The ViT, on CLS, the tokens and the mask token; gives back the tokens."""
        batch, tokens, _ = x_BND.shape
        x_BMD = torch.cat([self.cls_token_D.to(x_BND.dtype).expand(batch, 1, -1), x_BND], 1)
        if self.mask_token_D is not None:
            mask_B1D = self.mask_token_D.to(x_BND.dtype).expand(batch, 1, -1)
            x_BMD = torch.cat([x_BMD, mask_B1D], 1)
        noises: Sequence[Tensor | None] = [None] * (2 * len(self.blocks))
        if self.training:
            noises = uniform_numbers(x_BND, len(noises), seeds_B, stream=1).unbind(1)
        pairs = zip(noises[::2], noises[1::2], strict=True)
        for block, bias, noise in zip(self.blocks, biases, pairs, strict=True):
            x_BMD = block(x_BMD, bias, noise)
        return norm_in_float(self.norm, x_BMD)[:, 1 : 1 + tokens].to(x_BMD.dtype)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write model.safetensors and model.json, which `from_pretrained` reads.

        Args:
            folder: Where to; it is made where there is none.
        """
        pretrained.save(self, Path(folder))

    @classmethod
    def from_pretrained(cls, path: str | Path) -> "SapiensID":
        """Read a model in float32, ready for inference.

        Args:
            path: A folder of `save_pretrained`, or a file with a state dict of the authors
                (.safetensors or torch), whose sizes come from the shapes in it.

        Returns:
            The model in evaluation mode.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It names every key that is missing, unexpected or of the wrong shape.
        """
        return pretrained.load(cls, Path(path))


def uniform_numbers(like_BX: Tensor, count: int, seeds_B: Tensor | None, stream: int) -> Tensor:
    """Uniform numbers (B, count) from the samples' seeds, or from torch's random state."""
    if seeds_B is None:
        return torch.rand(len(like_BX), count, device=like_BX.device)
    return uniform(seeds_B, count, stream)


def visible_inside(keypoints_BK3: Tensor) -> Tensor:
    """The keypoints with zeros for those that are invisible, outside the image or not finite."""
    inside_BK = ((keypoints_BK3[..., :2] >= 0) & (keypoints_BK3[..., :2] <= 1)).all(-1)
    seen_BK1 = (inside_BK & (keypoints_BK3[..., 2] > 0))[..., None]
    return keypoints_BK3.where(seen_BK1, 0)
