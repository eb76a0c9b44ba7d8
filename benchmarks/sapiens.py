"""Sapiens beside timm's same transformer, and pretraining beside a plain step of its encoder.

    python -m benchmarks.sapiens [--sizes mini tiny small] [--side 256] [--batch 8] [--json FILE]

encoder: images a second of the forward, beside timm's VisionTransformer with the same weights.
pretraining: a step (forward, backward, AdamW) beside one of the same encoder on as many tokens as
are kept, without patches hidden and without a decoder; and the decoder's share of a step's time.
"""

import argparse
import sys
from collections.abc import Callable

import torch
from timm.models import VisionTransformer
from torch import nn

from benchmarks.figures import Figures, add_option
from benchmarks.model_runs import peak_on_cuda, seconds
from model.flops import peak_flops
from model.sapiens.arithmetic import encoder_macs, pretraining_macs
from model.sapiens.encoder import EPSILON, SapiensEncoder
from model.sapiens.masked_autoencoder import MaskedAutoencoder
from model.sapiens.sizes import PATCH, SIZES, EncoderSize


def of_timm(size: EncoderSize, side: int, encoder: SapiensEncoder) -> VisionTransformer:
    """timm's model of this size, with the encoder's weights."""
    model = VisionTransformer(
        img_size=side, patch_size=PATCH, embed_dim=size.width, depth=size.depth,
        num_heads=size.heads, num_classes=0, global_pool="", class_token=encoder.has_class_token,
    )  # fmt: skip
    for layer in model.modules():
        if isinstance(layer, nn.LayerNorm):
            layer.eps = EPSILON
    model.load_state_dict(
        {k.replace("patch_embed.", "patch_embed.proj."): v for k, v in encoder.state_dict().items()}
    )
    return model


def measure(name: str, arguments: argparse.Namespace, found: Figures) -> None:
    """Print the figures of one size."""
    size, side, batch, device = SIZES[name], arguments.side, arguments.batch, arguments.device
    torch.manual_seed(0)
    encoder = SapiensEncoder(size, (side, side)).to(device).eval()
    theirs = of_timm(size, side, encoder).to(device).eval()
    images = torch.randn(batch, 3, side, side, device=device)
    precision = arguments.precision

    def forward(run: Callable[[], object]) -> Callable[[], None]:
        def once() -> None:
            with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=precision):
                run()

        return once

    ways = {
        "ours": forward(lambda: encoder.tokens(images)),
        "timm": forward(lambda: theirs.forward_features(images)),
    }
    took = seconds(ways, device, arguments.rounds)
    ratio = took["timm"] / took["ours"]
    patches = (side // PATCH) ** 2
    speed = batch / took["ours"]
    shown = f"{name:<6} encoder {speed:9.1f} images/s, timm's time / ours {ratio:.2f}"
    macs = encoder_macs(size, patches)
    peak = peak_flops(device, torch.bfloat16 if precision else torch.float32)
    mfu = 2 * macs * batch / took["ours"] / peak if peak else None
    shown += f", MFU {mfu:.0%}" if mfu else ""
    memory = {}
    if device == "cuda":
        memory = {key: peak_on_cuda(encoder, way) for key, way in ways.items()}
        shown += f", {memory['ours']:.0f} MiB (timm {memory['timm']:.0f})"
    print(shown, flush=True)
    found.ratio(f"{name} encoder", ratio)
    pretraining = _pretraining(size, arguments)
    step, plain, share, work = pretraining
    print(
        f"{name:<6} pretraining {batch / step:9.1f} images/s, the plain step's time / ours "
        f"{plain / step:.2f}, decoder {share:.0%} of the time and {work:.0%} of the arithmetic",
        flush=True,
    )
    found.ratio(f"{name} pretraining", plain / step)
    found.row(
        size=name, side=side, batch=batch, images_per_second=speed, mfu=mfu, ratio=ratio,
        peak_flops=peak, peak_mib=memory.get("ours"), pretraining_images=batch / step,
        decoder_share=share, decoder_work=work,
    )  # fmt: skip


def _pretraining(
    size: EncoderSize, arguments: argparse.Namespace
) -> tuple[float, float, float, float]:
    """Seconds of a step and of a plain one, and the decoder's shares of time and arithmetic."""
    side, batch, device = arguments.side, arguments.batch, arguments.device
    model = MaskedAutoencoder(size, side).to(device)
    images = torch.randn(batch, 3, side, side, device=device)
    patches = (side // PATCH) ** 2
    kept = model.kept(patches)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    tokens = torch.randn(batch, kept + 1, size.width, device=device)

    def whole() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=arguments.precision):
            predicted, mask = model(images, torch.rand(batch, patches, device=device))
        model.loss(predicted, images, mask).backward()
        optimizer.step()

    layers = model.encoder.blocks
    own = torch.optim.AdamW(layers.parameters(), lr=1e-6, fused=True)

    def plain() -> None:
        own.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=arguments.precision):
            x = tokens
            for layer in layers:
                x = layer(x)
        x.float().square().mean().backward()
        own.step()

    def decoder() -> None:
        restore = torch.rand(batch, patches, device=device).argsort(1).argsort(1)
        with torch.autocast(device, torch.bfloat16, enabled=arguments.precision):
            predicted = model.decode(tokens, restore)
        predicted.float().square().mean().backward()

    took = seconds({"whole": whole, "plain": plain, "decoder": decoder}, device, arguments.rounds)
    encoder_work, decoder_work = pretraining_macs(size, model.decoder, patches, kept)
    work = decoder_work / (encoder_work + decoder_work)
    return took["whole"], took["plain"], took["decoder"] / took["whole"], work


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", default=["mini", "tiny", "small"], choices=SIZES)
    parser.add_argument("--side", type=int, default=256, help="of the images in pixels")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument(
        "--bfloat16", dest="precision", action="store_true", help="layers in bfloat16"
    )
    add_option(parser)
    arguments = parser.parse_args()
    found = Figures("sapiens", arguments)
    for name in arguments.sizes:
        measure(name, arguments, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
