from typing import Any

import pytest
import torch

from model import SapiensID
from model.flops import classifier_flops, forward_flops, peak_flops, training_flops
from model.sapiensid.sapiensid import PRESETS
from tests.model.count_flops import counted_flops

SMALL = {**PRESETS["tiny"], "depth": 2}


def model(**arguments: Any) -> SapiensID:
    with torch.device("meta"):
        return SapiensID(**arguments)


@pytest.mark.parametrize(
    ("preset", "tokens"),
    [("tiny", 60), ("tiny", 140), ("tiny", 500), ("base", 112), ("base", 166), ("base", 432)],
)
def test_counts_are_torchs(preset: str, tokens: int) -> None:
    one = model(**PRESETS[preset])
    assert forward_flops(one, tokens) == counted_flops(one, tokens)
    assert training_flops(one, tokens) == counted_flops(one, tokens, backward=True)


@pytest.mark.parametrize(
    "arguments",
    [
        {"level_embedding": True},
        {"head": "pooled"},
        {"head": "mapped"},
        {"head": "shared"},
        {"head": "shared", "offsets": 1, "peak": "softmax", "level_embedding": True},
        {"head": "factored"},
        {"head": "part-tokens"},
        {"head": "residual", "regions": ()},
        {"regions": ()},
        {"learned_mask": False},
        {"keypoint_bias": 0},
        {"keypoint_bias": 64, "offsets": 1, "grid": 8},
        {"peak": "softmax"},
        {"peak": "softmax", "level_embedding": True, "mlp_ratio": 2.0},
    ],
)
def test_every_variant_is_counted(arguments: dict[str, Any]) -> None:
    one = model(**{**SMALL, **arguments})
    assert forward_flops(one, 100) == counted_flops(one, 100)
    assert training_flops(one, 100) == counted_flops(one, 100, backward=True)


def test_the_papers_model_takes_what_the_facts_say() -> None:
    """81.9 GFLOP by the reference's formula, whose KP-RPE maps every pair of token and keypoint."""
    assert training_flops(model(), 166) == pytest.approx(81.9e9, rel=0.015)
    # PartialFC with a tenth of 263,920 people.
    assert classifier_flops(4096, 26_392) == pytest.approx(0.65e9, rel=0.01)


@pytest.mark.parametrize(
    ("name", "dtype", "peak"),
    [
        ("NVIDIA H200", torch.bfloat16, 989e12),
        ("NVIDIA H100 80GB HBM3", torch.bfloat16, 989e12),
        ("NVIDIA H100 PCIe", torch.bfloat16, 756e12),
        ("NVIDIA A100-SXM4-80GB", torch.float16, 312e12),
        ("NVIDIA A100-SXM4-80GB", torch.float32, 19.5e12),
        ("NVIDIA L40S", torch.bfloat16, 362e12),
        ("NVIDIA L4", torch.bfloat16, 121e12),
        ("NVIDIA RTX A4000", torch.bfloat16, None),
        ("NVIDIA A100-SXM4-80GB", torch.float64, None),
        ("Some GPU of tomorrow", torch.bfloat16, None),
    ],
)
def test_peaks_are_found_by_the_devices_name(
    name: str, dtype: torch.dtype, peak: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: name)
    assert peak_flops("cuda:0", dtype) == peak


def test_a_cpu_has_no_known_peak() -> None:
    assert peak_flops("cpu", torch.float32) is None
