"""What torch counts, on tensors that hold no memory."""

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from model import SapiensID


def counted_flops(model: SapiensID, tokens: int, backward: bool = False) -> int:
    """Operations of one image's forward, or of its forward and backward."""
    size, keypoints = model.image_size, model.keypoints
    buffers = dict(model.named_buffers())
    # Two images: batch norm in training wants them.
    with FakeTensorMode(allow_non_fake_inputs=True), torch.device("cpu"):
        state = {
            name: torch.empty_like(p, device="cpu", requires_grad=backward)
            for name, p in model.named_parameters()
        }
        state |= {name: torch.empty_like(value, device="cpu") for name, value in buffers.items()}
        inputs = (torch.empty(2, 3, size, size), torch.empty(2, keypoints, 3), tokens)
        # Not every attention kernel is counted by every version of torch; products are.
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            features_BF = functional_call(model.train(backward), state, inputs)
            if backward:
                features_BF.sum().backward()
    return counter.get_total_flops() // 2
