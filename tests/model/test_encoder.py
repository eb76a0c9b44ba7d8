import pytest
import torch

from model.encoder import Attention, DropPath, EncoderBlock, drop_path_rates


@pytest.mark.parametrize("learned", [False, True])
def test_attention_adds_the_bias_to_scaled_logits(learned: bool) -> None:
    torch.manual_seed(0)
    attention = Attention(width=12, heads=3)
    x_BND, bias_BHNN = torch.randn(2, 5, 12), torch.randn(2, 3, 5, 5, requires_grad=learned)
    q, k, v = attention.qkv(x_BND).reshape(2, 5, 3, 3, 4).permute(2, 0, 3, 1, 4)
    weights = (q @ k.transpose(-1, -2) / 4**0.5 + bias_BHNN).softmax(-1)
    expected = attention.proj((weights @ v).transpose(1, 2).reshape(2, 5, 12))
    torch.testing.assert_close(attention(x_BND, bias_BHNN), expected)


def test_a_forbidden_key_has_no_influence() -> None:
    torch.manual_seed(0)
    block = EncoderBlock(width=8, heads=2, mlp_ratio=3).eval()
    x_BND = torch.randn(1, 4, 8)
    bias = torch.zeros(1, 1, 4, 4)
    bias[..., 3] = float("-inf")
    changed = x_BND.clone()
    changed[:, 3] += 1
    torch.testing.assert_close(block(x_BND, bias)[:, :3], block(changed, bias)[:, :3])


def test_block_has_the_published_state_dict() -> None:
    state = EncoderBlock(512, 16, mlp_ratio=3).state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == {
        "norm1.weight": (512,),
        "norm1.bias": (512,),
        "attn.qkv.weight": (1536, 512),
        "attn.proj.weight": (512, 512),
        "attn.proj.bias": (512,),
        "norm2.weight": (512,),
        "norm2.bias": (512,),
        "mlp.fc1.weight": (1536, 512),
        "mlp.fc1.bias": (1536,),
        "mlp.fc2.weight": (512, 1536),
        "mlp.fc2.bias": (512,),
    }


def test_drop_path_keeps_the_mean_and_whole_samples() -> None:
    torch.manual_seed(0)
    drop = DropPath(0.25)
    out = drop(torch.ones(4000, 2, 3))
    per_sample = out[:, 0, 0]
    assert torch.equal(out, per_sample[:, None, None].expand_as(out))
    assert per_sample.unique().tolist() == pytest.approx([0, 4 / 3])
    assert per_sample.mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(drop.eval()(torch.ones(2, 2, 3)), torch.ones(2, 2, 3))


def test_drop_path_rates_rise_linearly() -> None:
    assert drop_path_rates(0.1, 3) == pytest.approx([0.0, 0.05, 0.1])
    assert drop_path_rates(0.1, 1) == [0.0]


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="not divisible"):
        Attention(width=10, heads=3)
    with pytest.raises(ValueError, match="drop path"):
        DropPath(1.0)
