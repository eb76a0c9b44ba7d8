"""Training where it is fast: no waiting for the device, one compiled graph, no written-out bias."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.nn.attention import flex_attention as flex

from model import SapiensID, encoder
from model.losses import AdaFace, PartialFC
from model.sapiensid.sapiensid import PRESETS

TINY = PRESETS["tiny"]
FEATURE = 256
#: For tests that compile, which takes time for every block: two blocks are enough to differ.
SHALLOW = {**TINY, "depth": 2}


def batch(size: int, device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Images, and keypoints of which every fifth is missing.

    Comparisons take 8 images: the head's batch norm over 3 magnifies rounding errors.
    """
    keypoints_BK3 = torch.rand(size, 19, 3, device=device)
    keypoints_BK3[..., 2] = (torch.arange(19, device=device) % 5 > 0).float()
    return torch.randn(size, 3, 384, 384, device=device), keypoints_BK3


def model_with_bias(seed: int = 0) -> SapiensID:
    """A tiny model in training mode whose KP-RPE, unlike a new one's, is not zero."""
    torch.manual_seed(seed)
    model = SapiensID(**TINY).train()
    torch.nn.init.normal_(model.keypoint_bias.table.weight, std=0.1)
    return model


def features_and_gradients(
    model: SapiensID,
    inputs: tuple[Tensor, Tensor],
    tokens: int,
    forward: Callable[..., Tensor] | None = None,
) -> dict[str, Tensor]:
    """Features of a training step and every parameter's gradient, with the same random choices."""
    torch.manual_seed(1)
    features_BF = (forward or model)(*inputs, tokens=tokens)
    upstream_BF = torch.linspace(-1, 1, features_BF.numel(), device=features_BF.device)
    model.zero_grad()
    (features_BF.float() * upstream_BF.view_as(features_BF)).sum().backward()
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"features": features_BF.detach(), **found}


def write_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attention on CUDA as on the CPU."""
    monkeypatch.setattr(
        encoder, "attend_in_kernel", lambda q, k, v, bias: encoder.attend(q, k, v, bias.dense())
    )


def assert_alike(ours: dict[str, Tensor], theirs: dict[str, Tensor], tolerance: float) -> None:
    assert ours.keys() == theirs.keys()
    largest = max(float(value.norm()) for name, value in theirs.items() if name != "features")
    for name, value in theirs.items():
        # A batch norm hides some gradients, which are then noise around zero.
        floor = 0 if name == "features" else 1e-3 * largest
        error = float((ours[name] - value).norm()) / max(float(value.norm()), floor)
        assert error < tolerance, f"{name}: {error:.1e}"


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_step_never_looks_at_values_on_the_device(
    device: str, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_out(monkeypatch)  # nothing compiles for a fake device
    with torch.device("meta"):
        model = SapiensID(**TINY).train(training)
    with FakeTensorMode(allow_non_fake_inputs=True), torch.device(device):
        buffers = {name: torch.empty_like(b, device=device) for name, b in model.named_buffers()}
        weights = {
            name: torch.empty_like(p, device=device, requires_grad=True)
            for name, p in model.named_parameters()
        }
        # Any look at a value is an error here; on a real device it would stall the step.
        features_BF = functional_call(model, weights | buffers, (*batch(2, device), 120))
        if device == "cuda":
            fc = PartialFC(FEATURE, 30, AdaFace(), 0.3)
            loss = fc(features_BF, torch.zeros(2, dtype=torch.int64), seed=1)
            assert loss.device.type == "cuda"
        else:  # torch has no backward for a device that is not there
            features_BF.sum().backward()
            assert all(weight.grad is not None for weight in weights.values())


@pytest.fixture
def counter() -> Iterator[CompileCounterWithBackend]:
    torch._dynamo.reset()
    yield CompileCounterWithBackend("aot_eager")
    torch._dynamo.reset()


def assert_compiles_once(step: Callable[..., Tensor], counter: CompileCounterWithBackend) -> None:
    """One compilation, whose first attempt may be repeated, serves steps of all sizes.

    The first batch has a size that no other dimension has: the compiler would take them for one.
    """
    step(*batch(5), tokens=112).sum().backward()
    compiled = counter.frame_count
    assert compiled in (1, 2)
    for tokens, size in ((112, 5), (150, 5), (166, 6), (281, 7), (430, 2)):
        step(*batch(size), tokens=tokens).sum().backward()
    assert counter.frame_count == compiled


def test_one_graph_serves_steps_of_any_size(counter: CompileCounterWithBackend) -> None:
    model = SapiensID(**SHALLOW).train()
    step = torch.compile(model, backend=counter, fullgraph=True, dynamic=True)
    assert_compiles_once(step, counter)


def test_one_compiled_block_serves_all_blocks(counter: CompileCounterWithBackend) -> None:
    model = SapiensID(**SHALLOW).train()
    for block in model.blocks:
        block.compile(backend=counter, fullgraph=True, dynamic=True)
    assert_compiles_once(model, counter)


def test_one_compiled_kernel_serves_all_blocks(
    counter: CompileCounterWithBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = torch.compile(flex.flex_attention, backend=counter, fullgraph=True, dynamic=True)
    look_up_on_the_cpu(monkeypatch, compiled)
    assert_compiles_once(SapiensID(**SHALLOW).train(), counter)


def look_up_on_the_cpu(monkeypatch: pytest.MonkeyPatch, kernel: Callable[..., Tensor]) -> None:
    """Attention as on CUDA, with `kernel` in place of the compiled FlexAttention."""

    def forward(self: encoder.Attention, x_BND: Tensor, bias: encoder.RelativeBias) -> Tensor:
        qkv_BN3HE = self.qkv(x_BND).unflatten(-1, (3, self.heads, -1))
        q_BHNE, k_BHNE, v_BHNE = qkv_BN3HE.permute(2, 0, 3, 1, 4)
        out_BHNE = encoder.attend_in_kernel(q_BHNE, k_BHNE, v_BHNE, bias)
        return self.proj(out_BHNE.transpose(1, 2).flatten(2))

    monkeypatch.setattr(encoder.Attention, "forward", forward)
    monkeypatch.setattr(encoder, "_compiled_flex_attention", lambda: kernel)
    # FlexAttention has no compiled backward for the CPU and refuses; the uncompiled one works.
    monkeypatch.setattr(flex, "_validate_device", lambda *tensors: None)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_looking_the_bias_up_trains_like_writing_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = model_with_bias(), batch(8)
    written_out = features_and_gradients(model, inputs, 300)
    assert written_out["keypoint_bias.table.weight"].norm() > 0
    look_up_on_the_cpu(monkeypatch, flex.flex_attention)
    assert_alike(features_and_gradients(model, inputs, 300), written_out, 1e-4)


@pytest.mark.gpu
def test_the_compiled_kernel_trains_like_writing_the_bias_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = model_with_bias().cuda()
    for tokens in (112, 126, 166, 281):
        inputs = batch(8, "cuda")
        looked_up = features_and_gradients(model, inputs, tokens)
        with monkeypatch.context() as patch:
            write_out(patch)
            assert_alike(looked_up, features_and_gradients(model, inputs, tokens), 1e-4)


@pytest.mark.gpu
def test_the_compiled_model_trains_like_the_plain_one() -> None:
    model = model_with_bias().cuda()
    for block in model.blocks:
        block.drop_path.keep.fill_(1)  # compiled code draws other random numbers
    compiled_model = torch.compile(model, fullgraph=True, dynamic=True)
    for size in (8, 6):
        inputs = batch(size, "cuda")
        plain = features_and_gradients(model, inputs, model.slots)
        compiled = features_and_gradients(model, inputs, model.slots, compiled_model)
        assert_alike(compiled, plain, 1e-3)


@pytest.mark.gpu
def test_bfloat16_gives_nearly_the_same_tokens() -> None:
    model, inputs = model_with_bias().cuda(), batch(3, "cuda")
    tokens = []
    for mixed in (False, True):
        torch.manual_seed(1)
        with torch.autocast("cuda", torch.bfloat16, enabled=mixed):
            tokens.append(model.encode(*inputs, 166).tokens_BND.float())
            assert model(*inputs, tokens=166).isfinite().all()
    assert torch.cosine_similarity(*tokens, dim=-1).min() > 0.99


@pytest.mark.gpu
def test_a_step_does_not_wait_for_the_gpu() -> None:
    model, inputs = model_with_bias().cuda(), batch(3, "cuda")
    features_and_gradients(model, inputs, 166)
    torch.cuda.set_sync_debug_mode("error")
    try:
        model(*inputs, tokens=166).sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
