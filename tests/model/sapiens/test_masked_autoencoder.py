"""Masked pretraining against the reference's outputs."""

import pytest
import torch

from model.sapiens.masked_autoencoder import (
    MaskedAutoencoder,
    patchify,
    pictured,
    reconstruction_loss,
    standardised,
    unpatchify,
)
from model.sapiens.sizes import EncoderSize
from tests.model.sapiens.reference import SEEDS, close, golden, inputs, size_of, weights


@pytest.mark.parametrize("seed", SEEDS)
def test_predictions_loss_and_gradients_are_those_of_the_reference(seed: int) -> None:
    arrays = golden("mae", seed)
    decoder = EncoderSize(*(int(arrays[name]) for name in ("dec_dim", "dec_depth", "dec_heads")))
    model = MaskedAutoencoder(size_of(arrays), int(arrays["size"]), decoder=decoder)
    close(model.encoder.pos_embed, arrays["pos_embed"], 1e-6)
    close(model.decoder_pos_embed, arrays["decoder_pos_embed"], 1e-6)
    model.load_state_dict(weights(arrays, seed))
    images = inputs(arrays["image"])
    predicted, mask = model(images, torch.from_numpy(arrays["noise"]))
    close(predicted, arrays["pred"], 2e-5)
    close(mask, arrays["mask"], 0)
    close(model.target(images), arrays["target"], 2e-6)
    loss = model.loss(predicted, images, mask)
    assert loss.item() == pytest.approx(float(arrays["loss"]), rel=1e-5)
    loss.backward()
    close(model.mask_token.grad, arrays["grad_mask_token"], 1e-6)
    close(model.decoder_pred.bias.grad, arrays["grad_pred_bias"], 1e-6)
    close(model.encoder.cls_token.grad, arrays["grad_cls_token"], 1e-6)
    close(model.encoder.patch_embed.bias.grad, arrays["grad_patch_bias"], 1e-6)
    close(model.encoder.blocks[0].attn.qkv.weight.grad, arrays["grad_qkv0_weight"], 1e-6)
    uneven = torch.from_numpy(arrays["uneven_mask"])
    for ours, theirs in (
        (reconstruction_loss(predicted, model.target(images), uneven), "uneven_loss"),
        (reconstruction_loss(predicted, patchify(images), mask), "loss_raw_pixels"),
    ):
        assert ours.item() == pytest.approx(float(arrays[theirs]), rel=1e-5)
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert frozen == {"encoder.pos_embed", "decoder_pos_embed"}
    with torch.no_grad():
        close(model.encoder.tokens(images)[0], arrays["features_no_mask"], 2e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_patches_are_ordered_as_the_reference_has_them(seed: int) -> None:
    arrays = golden("mae", seed)
    close(patchify(torch.from_numpy(arrays["order_image"])), arrays["order_patches"], 0)
    flat = standardised(patchify(torch.from_numpy(arrays["flat_image"])))
    close(flat, arrays["flat_target"], 2e-6)
    assert not flat[0, 0].any()


def test_patches_and_pictures_are_inverses() -> None:
    images = torch.randn(2, 3, 48, 32)
    patches = patchify(images)
    assert torch.equal(unpatchify(patches, 3), images)
    assert torch.allclose(pictured(standardised(patches), images), patches, atol=1e-5)


def test_a_share_that_keeps_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="none would be kept"):
        MaskedAutoencoder(EncoderSize(32, 1, 2), 16)
    with pytest.raises(ValueError, match="in \\(0, 1\\)"):
        MaskedAutoencoder(EncoderSize(32, 1, 2), 64, mask_ratio=1.0)
