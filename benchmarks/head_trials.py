"""Heads with one thing changed: what makes the paper's lose, and what makes the mapped one win?

They are rows of benchmarks.ablation, not heads of the package.

Shape suffixes: B batch, N tokens, P parts, D width, W mapped width, F feature size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.encoder import norm_in_float
from model.sapiensid.heads.encoded import Encoded
from model.sapiensid.heads.parts import PartFeatures
from model.sapiensid.heads.pooled import pooled_tokens
from model.sapiensid.heads.present_parts import PresentParts, most
from model.sapiensid.heads.projection import affine, projection

_CELLS = 64  # of a region in the `demo` preset
_FACE = 2  # its number
_TOP = 4
_DECAY = 3e-4 * 0.05  # of a weight in a step of the `demo` preset: rate, on average, times decay


def mean(values_BNW: Tensor, real_BN: Tensor) -> Tensor:
    return values_BNW.where(real_BN[..., None], 0).sum(1) / real_BN.sum(1, keepdim=True)


def top(values_BNW: Tensor, real_BN: Tensor) -> Tensor:
    lowest = torch.finfo(values_BNW.dtype).min
    return values_BNW.masked_fill(~real_BN[..., None], lowest).topk(_TOP, 1).values.mean(1)


def maximum_and_minimum(values_BNW: Tensor, real_BN: Tensor) -> Tensor:
    return torch.cat([most(values_BNW, real_BN), most(-values_BNW, real_BN)], -1)


def mean_and_maximum(values_BNW: Tensor, real_BN: Tensor) -> Tensor:
    return torch.cat([mean(values_BNW, real_BN), most(values_BNW, real_BN)], -1)


@dataclass(frozen=True)
class OfTokens:
    """How tokens become a feature.

    widths: outputs of their map, in widths; 0 for none. maps: affine maps of what was pooled.
    parts: part features are further tokens. face: only tokens of the face's region count, if any.
    regions: those of each region are pooled by themselves, beside all.
    """

    pool: Callable[[Tensor, Tensor], Tensor] = most
    widths: int = 0
    activation: type[nn.Module] = nn.GELU
    maps: int = 2
    parts: bool = False
    tokens: bool = True
    face: bool = False
    regions: bool = False


class TokenHead(nn.Module):
    """A head of tokens with one thing changed."""

    def __init__(
        self, kind: OfTokens, width: int, keypoints: int, feature: int, offsets: int, peak: str
    ) -> None:
        super().__init__()
        self.kind = kind
        wide = width * (kind.widths or 1)
        self.map = nn.Sequential(nn.Linear(width, wide), kind.activation())
        if not kind.widths:
            self.map = nn.Sequential()
        two = kind.pool in (mean_and_maximum, maximum_and_minimum)
        inputs = wide * (2 if two else 1) * (4 if kind.regions else 1)
        self.project = affine(inputs, feature) if kind.maps == 1 else projection(inputs, feature)
        if kind.parts:
            self.set = PresentParts(width, keypoints, offsets, peak)

    def forward(self, encoded: Encoded, datasets_B: Tensor | None = None) -> Tensor:
        kind, real_BN = self.kind, encoded.mask_BN
        values_BNW = self.map(encoded.tokens_BND)
        region_BN = encoded.ids_BN // _CELLS
        if kind.face:
            face_BN = real_BN & (region_BN == _FACE)
            real_BN = torch.where(face_BN.any(1, keepdim=True), face_BN, real_BN)
        if kind.parts:
            members_BSD, there_BS = self.set(encoded)
            members_BSW = self.map(members_BSD)
            if not kind.tokens:
                values_BNW, real_BN = members_BSW, there_BS
            else:
                values_BNW = torch.cat([values_BNW, members_BSW], 1)
                real_BN = torch.cat([real_BN, there_BS], 1)
        pooled = [kind.pool(values_BNW, real_BN)]
        for region in range(_FACE + 1) if kind.regions else ():
            here_BN = real_BN & (region_BN == region)
            any_B1 = here_BN.any(1, keepdim=True)
            pooled.append(kind.pool(values_BNW, here_BN | ~any_B1).where(any_B1, 0))
        feature_BF: Tensor = self.project(torch.cat(pooled, -1))
        return feature_BF


@dataclass(frozen=True)
class OfParts:
    """The paper's head, changed.

    sources: of "attention" and "peaks". maps: "two" with a norm after each, "one", or "bare", two
    without norms. rank: numbers of each part that a shared map leaves; 0 for all. slower: how many
    times less its first map moves in a step. decay: how many times more that map decays. token: a
    learned one where a part is missing.
    """

    sources: tuple[str, ...] = ("attention", "peaks")
    maps: str = "two"
    rank: int = 0
    slower: float = 1.0
    decay: float = 1.0
    token: bool = False


class PartHead(nn.Module):
    """The paper's head with one thing changed."""

    def __init__(
        self, kind: OfParts, width: int, keypoints: int, feature: int, offsets: int, peak: str
    ) -> None:
        super().__init__()
        self.kind = kind
        self.features = PartFeatures(width, keypoints, offsets, peak)
        count = len(kind.sources) * keypoints * offsets
        self.token_PD = nn.Parameter(torch.zeros(count, width)) if kind.token else None
        self.shrink = nn.Linear(width, kind.rank, bias=False) if kind.rank else nn.Identity()
        inputs = count * (kind.rank or width)
        self.project = {
            "two": lambda: projection(inputs, feature),
            "one": lambda: affine(inputs, feature),
            "bare": lambda: nn.Sequential(
                nn.Linear(inputs, feature, bias=False), nn.Linear(feature, feature, bias=False)
            ),
        }[kind.maps]()
        with torch.no_grad():  # Adam moves every weight alike: larger ones move less
            self.project[0].weight.mul_(kind.slower)

    def forward(self, encoded: Encoded, datasets_B: Tensor | None = None) -> Tensor:
        parts_BPD, seen_BP = self.features.parts(encoded), self.features.seen(encoded)
        half = parts_BPD.shape[1] // 2
        rows = slice(0 if "attention" in self.kind.sources else half,
                     None if "peaks" in self.kind.sources else half)  # fmt: skip
        parts_BPD, seen_BP1 = parts_BPD[:, rows], seen_BP[:, rows, None]
        if self.token_PD is not None:
            parts_BPD = parts_BPD.where(seen_BP1, self.token_PD)
        if self.training and self.kind.decay != 1:
            with torch.no_grad():  # beside what the optimizer takes
                self.project[0].weight.mul_(1 - (self.kind.decay - 1) * _DECAY)
        inputs_BX = self.shrink(parts_BPD).flatten(1) / self.kind.slower
        feature_BF: Tensor = self.project(inputs_BX)
        return feature_BF


class CommonParts(nn.Module):
    """Half of the feature is a piece for each keypoint, zero where it is missing; half is pooled.

    The product of two features is then that of the pieces whose keypoints both images show, beside
    that of the pooled halves.
    """

    #: Whether the pieces of all keypoints come from one map.
    one_map = False

    def __init__(self, width: int, keypoints: int, feature: int, offsets: int, peak: str) -> None:
        super().__init__()
        self.features = PartFeatures(width, keypoints, offsets, peak)
        size = feature // 2 // keypoints
        self.pooled = affine(2 * width, feature - keypoints * size)
        self.norm = nn.LayerNorm(2 * offsets * width)
        self.piece = nn.ModuleList(
            nn.Linear(2 * offsets * width, size, bias=False)
            for _ in range(1 if self.one_map else keypoints)
        )
        self.gain = nn.Parameter(torch.tensor(size**0.5))

    def forward(self, encoded: Encoded, datasets_B: Tensor | None = None) -> Tensor:
        parts_BPD = self.features.parts(encoded)
        repeats = self.features.repeats
        parts_BKX = parts_BPD.unflatten(1, (2, -1, repeats)).transpose(1, 2).flatten(2)
        seen_BK = self.features.seen(encoded)[:, : parts_BKX.shape[1] * repeats : repeats]
        normed_BKX = norm_in_float(self.norm, parts_BKX)
        count = len(self.piece)
        pieces = [self.piece[k % count](normed_BKX[:, k]) for k in range(normed_BKX.shape[1])]
        pieces_BKS = F.normalize(torch.stack(pieces, 1), dim=-1) * self.gain
        pieces_BKS = pieces_BKS.where(seen_BK[..., None], 0)
        return torch.cat([self.pooled(pooled_tokens(encoded)), pieces_BKS.flatten(1)], 1)


class SharedCommonParts(CommonParts):
    """The same with one map for the pieces of all keypoints."""

    one_map = True


def trial(kind: OfTokens | OfParts) -> Callable[..., nn.Module]:
    return partial(TokenHead, kind) if isinstance(kind, OfTokens) else partial(PartHead, kind)


_KINDS: dict[str, OfTokens | OfParts] = {
    "pooled, one map": OfTokens(mean_and_maximum, maps=1),
    "maximum": OfTokens(),
    "mean of the four greatest": OfTokens(top),
    "maximum and minimum": OfTokens(maximum_and_minimum),
    "pooled by region, one map": OfTokens(mean_and_maximum, regions=True, maps=1),
    "pooled over the face": OfTokens(mean_and_maximum, face=True),
    "map of 2 widths, mean": OfTokens(mean, widths=2),
    "map of 2 widths, mean and maximum": OfTokens(mean_and_maximum, widths=2),
    "map of 4 widths, maximum": OfTokens(widths=4),
    "map of 4 widths, one map": OfTokens(widths=4, maps=1),
    "map of 4 widths, linear": OfTokens(widths=4, activation=nn.Identity),
    "map of 4 widths, parts among the tokens": OfTokens(widths=4, parts=True),
    "map of 4 widths, of parts alone": OfTokens(widths=4, parts=True, tokens=False),
    "map of 8 widths, two maps": OfTokens(widths=8),
    "SAH, one map": OfParts(maps="one"),
    "SAH, no norms": OfParts(maps="bare"),
    "SAH, no peaks": OfParts(sources=("attention",)),
    "SAH, no attention": OfParts(sources=("peaks",)),
    "SAH, factored": OfParts(rank=8),
    "SAH, first map 9 times slower": OfParts(slower=76**0.5),
    "SAH, first map 76 times slower": OfParts(slower=76.0),
    "SAH, first map decays 76 times as much": OfParts(decay=76.0),
    "SAH, first map does not decay": OfParts(decay=0.0),
    "SAH, learned token": OfParts(token=True),
}
#: By row: heads as `model.sapiensid.heads.choice` makes those of parts.
TRIALS: dict[str, Callable[..., nn.Module]] = {
    "parts that both show beside pooled": CommonParts,
    "parts that both show beside pooled, one map": SharedCommonParts,
    **{name: trial(kind) for name, kind in _KINDS.items()},
}
