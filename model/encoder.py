"""The transformer block shared by the face embedder and SapiensID.

Pre-norm, no bias on q, k and v, ReLU6 in the MLP, stochastic depth, and an additive bias on the
attention logits. State-dict names are those of the published checkpoints: norm1, norm2, attn.qkv,
attn.proj, mlp.fc1, mlp.fc2.

Shape suffixes: B batch, N tokens, H heads, D width, E width of one head.
"""

from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.flex_attention import flex_attention

from model.kprpe import RelativeBias


class DropPath(nn.Module):
    """Stochastic depth: in training a sample's branch is zeroed with probability `rate`.

    The branches that stay are scaled up, so that the mean is kept.
    """

    keep: Tensor

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"drop path rate must be in [0, 1), not {rate}")
        # A tensor, so that compiled code serves every block: a number would be a constant of it.
        # The device is named so that a model built on the meta device still holds a real one.
        keep = torch.tensor(1.0 - rate, device="cpu")
        self.register_buffer("keep", keep, persistent=False)
        self.rate = rate

    def forward(self, x_BND: Tensor, noise_B: Tensor | None = None) -> Tensor:
        """`noise_B`: the uniform numbers that decide; torch's own where there are none."""
        if not self.training:
            return x_BND
        if noise_B is None:
            noise_B = torch.rand(x_BND.shape[0], device=x_BND.device)
        scale_B = (noise_B < self.keep) / self.keep
        return x_BND * scale_B.to(x_BND.dtype)[:, None, None]

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


class Attention(nn.Module):
    """Multi-head self-attention; `bias` is added to the scaled logits.

    In training on CUDA the bias of a query and a key is looked up inside the attention kernel,
    and its gradient added up there; elsewhere it is written out, for one block at a time.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if heads < 1 or width < 1 or width % heads:
            raise ValueError(f"width {width} is not divisible by {heads} heads")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x_BND: Tensor, bias: RelativeBias | Tensor | None = None) -> Tensor:
        qkv_BN3HE = self.qkv(x_BND).unflatten(-1, (3, self.heads, -1))
        q_BHNE, k_BHNE, v_BHNE = qkv_BN3HE.permute(2, 0, 3, 1, 4)
        if not isinstance(bias, RelativeBias):
            out_BHNE = attend(q_BHNE, k_BHNE, v_BHNE, bias)
        elif x_BND.is_cuda and torch.is_grad_enabled():
            out_BHNE = attend_in_kernel(q_BHNE, k_BHNE, v_BHNE, bias)
        else:
            out_BHNE = attend(q_BHNE, k_BHNE, v_BHNE, bias.dense())
        out_BND: Tensor = self.proj(out_BHNE.transpose(1, 2).flatten(2))
        return out_BND


def attend(
    q_BHNE: Tensor, k_BHNE: Tensor, v_BHNE: Tensor, bias_BHNN: Tensor | None = None
) -> Tensor:
    """Attention with a bias that is written out and may broadcast: the reference on any device."""
    if bias_BHNN is not None:
        # Under autocast the two may differ in type, which the kernels refuse.
        bias_BHNN = bias_BHNN.to(q_BHNE.dtype)
    if bias_BHNN is not None and bias_BHNN.requires_grad and bias_BHNN.device.type == "cpu":
        # No CPU kernel differentiates the bias, and torch's fallback takes 1.6 times as long.
        q_BHNE = q_BHNE * q_BHNE.shape[-1] ** -0.5
        weights_BHNN = (q_BHNE @ k_BHNE.transpose(-1, -2) + bias_BHNN).softmax(-1)
        return weights_BHNN.to(v_BHNE.dtype) @ v_BHNE
    return F.scaled_dot_product_attention(q_BHNE, k_BHNE, v_BHNE, attn_mask=bias_BHNN)


def attend_in_kernel(q_BHNE: Tensor, k_BHNE: Tensor, v_BHNE: Tensor, bias: RelativeBias) -> Tensor:
    """The same without writing the bias out: FlexAttention looks it up score by score."""
    flex = flex_attention if torch.compiler.is_compiling() else _compiled_flex_attention()
    out_BHNE: Tensor = flex(q_BHNE, k_BHNE, v_BHNE, score_mod=bias.add_to)
    return out_BHNE


@cache
def _compiled_flex_attention() -> Any:
    # Uncompiled, flex_attention writes all scores out.
    return torch.compile(flex_attention, dynamic=True)


class Mlp(nn.Module):
    """Two linear layers with ReLU6 between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x_BND: Tensor) -> Tensor:
        out_BND: Tensor = self.fc2(F.relu6(self.fc1(x_BND)))
        return out_BND


class EncoderBlock(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)); the MLP has mlp_ratio * width hidden units."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, round(width * mlp_ratio))
        self.drop_path = DropPath(drop_path)
        self.apply(_init_linear)

    def forward(
        self,
        x_BND: Tensor,
        bias: RelativeBias | Tensor | None = None,
        noise: tuple[Tensor | None, Tensor | None] = (None, None),
    ) -> Tensor:
        """`noise`: numbers (B,) for the drop path of either branch, as DropPath takes them."""
        first_B, second_B = noise
        x_BND = x_BND + self.drop_path(self.attn(self.norm1(x_BND), bias), first_B)
        out_BND: Tensor = x_BND + self.drop_path(self.mlp(self.norm2(x_BND)), second_B)
        return out_BND


def norm_in_float(norm: nn.LayerNorm, x_BND: Tensor) -> Tensor:
    """The last norm, in full precision always: the residual stream grows with depth."""
    weight_D, bias_D = norm.weight.float(), norm.bias.float()
    return F.layer_norm(x_BND.float(), weight_D.shape, weight_D, bias_D, norm.eps)


def drop_path_rates(last: float, depth: int) -> list[float]:
    """One rate per block, rising linearly from 0 in the first to `last` in the last.

    ValueError without any block.
    """
    if depth < 1:
        raise ValueError(f"depth must be at least 1, not {depth}")
    return torch.linspace(0.0, last, depth, device="cpu").tolist()


def _init_linear(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
