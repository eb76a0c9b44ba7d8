"""The host never waits for the device within a step: found without one, on tensors of no memory."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from model import SapiensID, encoder
from model.losses import AdaFace, PartialFC
from model.sapiensid.sapiensid import PRESETS
from model.training.steps.augment import Augment


class NoCopies(TorchDispatchMode):
    """Refuses what brings something from the host to the device: it waits for all that is queued.

    A look at a value on the device is an error with tensors that have no memory anyway.
    """

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = operation(*args, **(kwargs or {}))
        before, after = (
            {leaf.device.type for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)}
            for tree in ((args, kwargs), result)
        )
        assert not ("cpu" in before and "cuda" in after), f"{operation} copies to the device"
        return result


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> tuple[Callable[..., Tensor], FakeTensorMode]:
    """A training step's forward, and the mode that its tensors belong to."""
    # Nothing compiles for a device that is not there.
    monkeypatch.setattr(
        encoder, "attend_in_kernel", lambda q, k, v, bias: encoder.attend(q, k, v, bias.dense())
    )
    with torch.device("meta"):
        one = SapiensID(**PRESETS["tiny"]).train()

    def forward(*arguments: Any) -> Tensor:
        return functional_call(one, state, arguments)

    named = [*one.named_parameters(), *one.named_buffers()]
    with FakeTensorMode(allow_non_fake_inputs=True) as fake:
        state = {name: torch.empty_like(value, device="cuda") for name, value in named}
    return forward, fake


def test_a_list_of_indices_is_noticed() -> None:
    with FakeTensorMode(), torch.device("cuda"):
        numbers = torch.zeros(3)
        with NoCopies(), pytest.raises(AssertionError, match="copies to the device"):
            numbers[[0, 2]]


def test_augmentation_model_and_loss_do_not_wait(
    model: tuple[Callable[..., Tensor], FakeTensorMode],
) -> None:
    forward, fake = model
    with fake, torch.device("cuda"):
        images_BCHW, keypoints_BK3 = torch.randn(2, 3, 384, 384), torch.rand(2, 19, 3)
        places_B = torch.arange(2)
        classifier = PartialFC(256, 30, AdaFace(), 0.3)
        with NoCopies():
            augment = Augment(colour=0.5, blur=0.5)
            images_BCHW, keypoints_BK3 = augment(images_BCHW, keypoints_BK3, places_B)
            features_BF = forward(images_BCHW, keypoints_BK3, 120, places_B, places_B)
            loss = classifier(features_BF, places_B, 5)
        assert loss.device.type == "cuda"
