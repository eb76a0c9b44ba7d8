"""AdamW for the encoder and the classifier."""

import torch
from torch import nn


def adamw(model: nn.Module, classifier: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """One optimizer for both; the learning rate is set before each step.

    Not decayed are norms, biases, the CLS and mask tokens, and the offsets of parts, which are
    positions; everything else is, the classifier too (CVLface's rules).
    """
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        is_place = name.endswith("offsets_PD")
        (kept if parameter.ndim <= 1 or is_place else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": kept, "weight_decay": 0.0},
        {"params": list(classifier.parameters()), "weight_decay": weight_decay},
    ]
    # In one pass over the memory, which is what the classifier's millions of rows cost.
    return torch.optim.AdamW(groups, lr=0.0, fused=True)
